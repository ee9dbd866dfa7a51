package e2e

import (
	"regexp"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/hosttest"
)

// chapter is one step of a story: it finds what those before it have left.
type chapter struct {
	name string
	tell func(w *world)
}

// tell tells the chapters in order and ends with the first that fails.
func (w *world) tell(story []chapter) {
	w.t.Helper()
	for _, c := range story {
		if !w.t.Run(c.name, func(t *testing.T) { c.tell(w.in(t)) }) {
			return
		}
	}
}

// all is the same text for every host of the world.
func (w *world) all(text string) []string {
	var texts []string
	for range w.hosts {
		texts = append(texts, text)
	}
	return texts
}

func TestAProjectsLifeOnThreeHosts(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 3, hosttest.Options{})
	w.inventory(inventoryText(w.hosts, "  production: {hosts: [web1, web2, web3]}\n"))
	w.tell([]chapter{
		{"a dry run tells the plan and changes nothing", dryRun},
		{"the first push links every host", firstPush},
		{"a dry run of what is linked changes nothing", dryRunAgain},
		{"the second push of the same content uploads and builds nothing", secondPush},
		{"the same version with other content is refused", otherContent},
		{"a push without link prepares and leaves the links", noLink},
		{"link links what is prepared", link},
		{"status, list, log, check and hosts tell what is", look},
		{"a push to another stage builds nothing", otherStage},
		{"a roll-back links the package before and builds nothing", rollback},
		{"status after the roll-back", func(w *world) { w.uniform("hello-0.3") }},
		{"a push narrowed by --hosts is told by status", subset},
		{"a roll-back to a named package makes hosts alike", rollbackTo},
		{"with one host dead nothing moves, unless --hosts leaves it out", oneHostDead},
	})
}

func dryRun(w *world) {
	before := w.trees()
	r := w.run(0, "", "push", "staging", "--sdist", w.archive(), "--dry-run", "-o", "json")
	assert.Equal(w.t, before, w.trees())
	report := r.report(w.t)
	require.Len(w.t, report.Hosts, 3)
	for _, h := range report.Hosts {
		assert.Contains(w.t, h.Plan, "upload")
	}
	assert.Equal(w.t, []string{"connect", "check"}, r.steps(w.t))
}

func firstPush(w *world) {
	r := w.run(0, "hello-0.3", "push", "staging", "-o", "json") // the only one that has kis build the source distribution
	assert.Equal(w.t, []string{"connect", "check", "lock", "upload", "unpack", "environment", "verify", "seal", "arm", "roll call", "link", "confirm"}, r.steps(w.t))
	report := r.report(w.t)
	require.NotNil(w.t, report.Skew)
	assert.Less(w.t, report.Skew.Seconds, 1.0)
	assert.Equal(w.t, w.all("hello-0.3"), w.links())
	for _, h := range w.hosts {
		w.t.Log(h.Shell(w.t, "cd /var/webcode/staging && .venv/bin/python -m hello"))
	}
}

func dryRunAgain(w *world) {
	before := w.trees()
	r := w.run(0, "", "push", "staging", "--sdist", w.archive(), "--dry-run")
	assert.Equal(w.t, before, w.trees())
	assert.Contains(w.t, r.out, "nothing was changed")
}

func secondPush(w *world) {
	before := w.links()
	r := w.run(0, "hello-0.3", "push", "staging", "--sdist", w.archive(), "-o", "json")
	for _, step := range []string{"upload", "unpack", "environment", "seal", "link"} {
		assert.NotContains(w.t, r.steps(w.t), step)
	}
	assert.True(w.t, r.report(w.t).Already)
	assert.Equal(w.t, before, w.links())
}

func otherContent(w *world) {
	w.write("README.md", "other words\n")
	r := w.run(3, "", "push", "staging", "--sdist", w.archive())
	assert.Contains(w.t, r.err, "bump the version")
	assert.Len(w.t, regexp.MustCompile(`sha256:[0-9a-f]{64}`).FindAllString(r.err, -1), 2, "both digests are shown")
	assert.Contains(w.t, r.err, "web1, web2, web3: check: hello-0.3")
}

func noLink(w *world) {
	w.version("0.4")
	r := w.run(0, "", "push", "staging", "--sdist", w.archive(), "--no-link")
	assert.Equal(w.t, w.all("hello-0.3"), w.links())
	assert.Contains(w.t, r.out, "kis link staging hello-0.4")
	for _, h := range w.hosts {
		assert.FileExists(w.t, h.Repo+"/hello-0.4/.kis/receipt.json")
	}
}

func link(w *world) {
	r := w.run(0, "hello-0.4", "link", "staging", "hello-0.4", "-o", "json")
	assert.NotContains(w.t, r.steps(w.t), "upload")
	assert.NotContains(w.t, r.steps(w.t), "environment")
	w.uniform("hello-0.4")
}

// uniform: status says that all hosts are linked to the package, and is right.
func (w *world) uniform(pkg string) {
	w.t.Helper()
	r := w.run(0, "", "status", "staging", "-o", "json")
	events := r.events(w.t)
	require.Len(w.t, events, 1)
	s := events[0].Status
	assert.Equal(w.t, "uniform", s.Verdict)
	for _, h := range s.Hosts {
		assert.Equal(w.t, pkg, h.Linked)
		assert.True(w.t, h.Confirmed)
	}
	assert.Equal(w.t, w.all(pkg), w.links())
}

func look(w *world) {
	before := w.trees()
	r := w.run(0, "", "status")
	assert.Contains(w.t, r.out, "staging: the same on all hosts")
	assert.Contains(w.t, r.out, "production: the same on all hosts")
	assert.Regexp(w.t, `web2 +hello-0\.4 +since .* by `, r.out)

	r = w.run(0, "", "list")
	assert.Regexp(w.t, `(?m)^hello-0\.4 .* linked by staging$`, r.out)
	assert.Regexp(w.t, `(?m)^hello-0\.3 `, r.out)

	r = w.run(0, "", "log", "staging")
	assert.Regexp(w.t, `(?m)link +hello-0\.3 → hello-0\.4 .*confirmed`, r.out)
	assert.Regexp(w.t, `(?m)push +nothing → hello-0\.3 .*confirmed`, r.out)

	r = w.run(0, "", "check")
	assert.Contains(w.t, r.out, "staging is ready for a push on 3 hosts")

	r = w.run(0, "", "hosts")
	assert.Regexp(w.t, `(?m)^web1 +kistest@127\.0\.0\.1:\d+ +/var/webcode +python3`, r.out)
	assert.Equal(w.t, before, w.trees())
}

func otherStage(w *world) {
	other := *w
	other.stage = "production"
	r := other.run(0, "hello-0.4", "push", "production", "--sdist", w.archive(), "-o", "json")
	for _, step := range []string{"upload", "unpack", "environment", "seal"} {
		assert.NotContains(w.t, r.steps(w.t), step)
	}
	assert.Equal(w.t, w.all("hello-0.4"), other.links())
	assert.Equal(w.t, w.all("hello-0.4"), w.links())
}

func rollback(w *world) {
	r := w.run(0, "hello-0.3", "rollback", "staging", "-o", "json")
	for _, step := range []string{"upload", "unpack", "environment", "seal"} {
		assert.NotContains(w.t, r.steps(w.t), step)
	}
	assert.Contains(w.t, r.steps(w.t), "verify")
	assert.Equal(w.t, w.all("hello-0.3"), w.links())
}

func subset(w *world) {
	w.on("web2").run(0, "hello-0.4", "link", "staging", "hello-0.4", "--hosts", "web2")
	assert.Equal(w.t, []string{"hello-0.3", "hello-0.4", "hello-0.3"}, w.links())
	r := w.kis("status", "staging")
	assert.Equal(w.t, 5, r.exit)
	assert.Contains(w.t, r.out, "hosts differ, because a run was narrowed by --hosts")
}

func rollbackTo(w *world) {
	r := w.kis("rollback", "staging")
	assert.Equal(w.t, 3, r.exit, "the hosts have different packages before this one, so that a roll-back has to be told which")
	assert.Contains(w.t, r.err, "--to")
	assert.Equal(w.t, []string{"hello-0.3", "hello-0.4", "hello-0.3"}, w.links())
	w.run(0, "hello-0.3", "rollback", "staging", "--to", "hello-0.3")
	w.uniform("hello-0.3")
}

func oneHostDead(w *world) {
	w.hosts[2].Kill()
	r := w.run(3, "", "link", "staging", "hello-0.4")
	assert.Contains(w.t, r.err, "web3: connect: ")
	assert.Equal(w.t, w.all("hello-0.3"), w.links())

	w.on("web1", "web2").run(0, "hello-0.4", "link", "staging", "hello-0.4", "--hosts", "!web3")
	r = w.kis("status", "staging")
	assert.Equal(w.t, 5, r.exit)
	assert.Contains(w.t, r.out, "staging: not known on all hosts")
	assert.Regexp(w.t, `web3 +unknown +connect: `, r.out)

	w.hosts[2].Restart(w.t)
	r = w.run(0, "hello-0.4", "link", "staging", "hello-0.4", "-o", "json")
	for _, e := range r.events(w.t) {
		if e.Step == "link" {
			assert.Equal(w.t, "web3", e.Host, "the others are there already")
		}
	}
	w.uniform("hello-0.4")
}
