package ui

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/keep-it-simple/kis/internal/event"
)

func cleanups() []event.Cleanup {
	return []event.Cleanup{
		{Host: "web1", Packages: []string{"app-1", "app-2"}, Bytes: 24_000_000, Files: 900},
		{Host: "web2", Packages: []string{"app-1", "app-2"}, Bytes: 24_000_000, Files: 900},
		{Host: "web3", Packages: []string{"app-1"}, Bytes: 12_000_000, Left: []string{"/x: operation not permitted"}},
		{Host: "web4"},
	}
}

func TestACleanupIsShownAndAskedAbout(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	u := &UI{Streams: Streams{Out: Printer{&out}}}
	u.Cleanup(cleanups(), false)
	u.Cleanup(cleanups()[:1], true)
	assert.Equal(t, `web1, web2  to remove: app-1, app-2 (24 MB)
web3  to remove: app-1 (12 MB); a later run removes the rest: /x: operation not permitted
web1  removed: app-1, app-2 (24 MB)
`, out.String())
	assert.Equal(t, "remove 5 packages (60 MB)?", u.CleanupQuestion(cleanups()))
	assert.Equal(t, "remove it (12 MB)?", u.CleanupQuestion(cleanups()[2:]))
	out.Reset()
	u.Output = JSON
	u.Cleanup(cleanups()[3:], false)
	assert.JSONEq(t, `{"type":"cleanup","schema":2,"done":false,"cleanup":{"host":"web4","packages":[],"bytes":0,"files":0}}`, strings.TrimSpace(out.String()))
}

func TestAPushSaysWhatItRemoved(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	u := &UI{Streams: Streams{Out: Printer{&out}}}
	r := event.Report{Outcome: event.Succeeded, Op: event.Push, Stage: "staging", Package: "app-9"}
	for _, c := range cleanups() {
		h := event.HostReport{Host: c.Host, LinkKnown: true, Linked: "app-9", Was: "app-8", Pruned: &c}
		r.Hosts = append(r.Hosts, h)
	}
	newTextView(u).Report(r, "")
	assert.Contains(t, out.String(), "  web1, web2: removed old packages: app-1, app-2 (24 MB)\n  web3: removed old packages: app-1 (12 MB)")
	assert.NotContains(t, out.String(), "web4: removed")
}
