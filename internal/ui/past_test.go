package ui

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/keep-it-simple/kis/internal/event"
)

// TestPast: a run is shown as it was then, but for what was to be done next, which would now do something else.
func TestPast(t *testing.T) {
	t.Parallel()
	events := []event.Event{
		{Type: event.TypeStart, Seq: 1, Op: event.Push, Stage: "live", Package: "app-2", Hosts: []string{"web1", "web2"}},
		{Type: event.TypeNotice, Seq: 2, Message: "a notice"},
		{Type: event.TypeReport, Seq: 3, Report: &event.Report{Outcome: event.Split, Op: event.Push, Stage: "live", Package: "app-2", Hosts: []event.HostReport{
			{Host: "web1", LinkKnown: true, Was: "app-1", RollbackTo: "app-1", Linked: "app-1"},
			{Host: "web2", LinkKnown: true, Was: "app-1", RollbackTo: "app-1", Linked: "app-2"},
		}}},
	}
	var recorded bytes.Buffer
	for _, e := range events {
		Printer{&recorded}.json(e)
	}
	shownOf := func(u *UI, events []event.Event) (string, string) {
		var out, errs bytes.Buffer
		u.Streams = Streams{Out: NewPrinter(&out), Err: NewPrinter(&errs)}
		u.Past(events, "ann@laptop\n")
		return out.String(), errs.String()
	}
	out, errs := shownOf(&UI{}, events)
	assert.Regexp(t, `\A\S+ \S+ \S+ by ann@laptop\\n\n`, out)
	assert.Contains(t, shown(t, recorded.Bytes(), &UI{}), "next: kis link live app-2")
	assert.NotContains(t, errs, "next:")
	assert.Regexp(t, `(?s)\Akis: .*web2.*\n  now:  kis status live\n\z`, errs)

	_, errs = shownOf(&UI{}, events[:2])
	assert.Equal(t, "kis: a notice\nkis: the log ends here, because kis was ended before the run was\n  now:  kis status live\n", errs)

	out, errs = shownOf(&UI{Output: JSON}, events)
	assert.Equal(t, recorded.String(), out)
	assert.Empty(t, errs)
}
