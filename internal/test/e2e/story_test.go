package e2e

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/testenv"
	"github.com/keep-it-simple/kis/internal/testenv/hosttest"
)

func TestAProjectsLifeOnThreeHosts_B10_B11_R6_R9(t *testing.T) {
	t.Parallel()
	w := testenv.New(t, 3, hosttest.Options{Bare: true})
	w.Inventory(testenv.InventoryText(w.Hosts, "  production: {hosts: [web1, web2, web3]}\n"))
	w.Tell([]testenv.Chapter{
		{Name: "a dry run tells the plan and changes nothing", Tell: dryRun},
		{Name: "the first push links every host", Tell: firstPush},
		{Name: "a dry run of what is linked changes nothing", Tell: dryRunAgain},
		{Name: "B11: the second push of the same content uploads and builds nothing", Tell: secondPush},
		{Name: "B10: the same version with other content is refused", Tell: otherContent},
		{Name: "a push without link prepares and leaves the links", Tell: noLink},
		{Name: "link links what is prepared", Tell: link},
		{Name: "status, list, log, check and hosts tell what is", Tell: look},
		{Name: "every answer for programs is as the schema says", Tell: asJSON},
		{Name: "a push to another stage builds nothing", Tell: otherStage},
		{Name: "a dry run of a roll-back tells where it would go", Tell: rollbackDry},
		{Name: "a roll-back links the package before and builds nothing", Tell: rollback},
		{Name: "status after the roll-back", Tell: func(w *testenv.Env) { w.Uniform("hello-0.3") }},
		{Name: "a push narrowed by --hosts is told by status", Tell: subset},
		{Name: "a roll-back to a named package makes hosts alike", Tell: rollbackTo},
		{Name: "R6: what nothing needs is removed from all hosts, and pushed again", Tell: cleanUp},
		{Name: "R9: with one host dead nothing moves, unless --hosts leaves it out", Tell: oneHostDead},
	})
}

func dryRun(w *testenv.Env) {
	before := w.Trees()
	r := w.Run(0, "", "push", "staging", "--sdist", w.Archive(), "--dry-run", "-o", "json")
	assert.Equal(w.T, before, w.Trees())
	report := r.Report(w.T)
	require.Len(w.T, report.Hosts, 3)
	for _, h := range report.Hosts {
		assert.Contains(w.T, h.Plan, "upload")
	}
	assert.Equal(w.T, []string{"connect", "check"}, r.Steps(w.T))
}

func firstPush(w *testenv.Env) {
	r := w.Run(0, "hello-0.3", "push", "staging", "-o", "json") // the only one that has kis build the source distribution
	assert.Equal(w.T, []string{"connect", "check", "lock", "package", "upload", "unpack", "wheels", "environment", "verify", "seal", "arm", "roll call", "link", "confirm", "prune"}, r.Steps(w.T))
	report := r.Report(w.T)
	require.NotNil(w.T, report.Skew)
	assert.Less(w.T, report.Skew.Seconds, 1.0)
	assert.Equal(w.T, w.All("hello-0.3"), w.Links())
	for _, h := range w.Hosts {
		w.T.Log(h.Shell(w.T, "cd /var/webcode/staging && .venv/bin/python -m hello"))
	}
}

func dryRunAgain(w *testenv.Env) {
	before := w.Trees()
	r := w.Run(0, "", "push", "staging", "--sdist", w.Archive(), "--dry-run")
	assert.Equal(w.T, before, w.Trees())
	assert.Contains(w.T, r.Out, "nothing was changed")
}

func secondPush(w *testenv.Env) {
	before := w.Links()
	r := w.Run(0, "hello-0.3", "push", "staging", "--sdist", w.Archive(), "-o", "json")
	for _, step := range []string{"upload", "unpack", "environment", "seal", "link"} {
		assert.NotContains(w.T, r.Steps(w.T), step)
	}
	assert.True(w.T, r.Report(w.T).UpToDate)
	assert.Equal(w.T, before, w.Links())
}

func otherContent(w *testenv.Env) {
	w.Write("README.md", "other words\n")
	r := w.Run(3, "", "push", "staging", "--sdist", w.Archive())
	assert.Contains(w.T, r.Err, "bump the version")
	assert.Contains(w.T, r.Err, "web1, web2, web3: check: hello-0.3 is installed with other content: README.md\n")
}

func noLink(w *testenv.Env) {
	w.Version("0.4")
	r := w.Run(0, "", "push", "staging", "--sdist", w.Archive(), "--no-link")
	assert.Equal(w.T, w.All("hello-0.3"), w.Links())
	assert.Contains(w.T, r.Out, "kis link staging hello-0.4")
	for _, h := range w.Hosts {
		assert.FileExists(w.T, h.Repo+"/hello-0.4/.kis/receipt.json")
	}
}

func link(w *testenv.Env) {
	r := w.Run(0, "hello-0.4", "link", "staging", "hello-0.4", "-o", "json")
	assert.NotContains(w.T, r.Steps(w.T), "upload")
	assert.NotContains(w.T, r.Steps(w.T), "environment")
	w.Uniform("hello-0.4")
}

func look(w *testenv.Env) {
	before := w.Trees()
	r := w.Run(0, "", "status")
	assert.Contains(w.T, r.Out, "staging: the same on all hosts")
	assert.Contains(w.T, r.Out, "production: the same on all hosts")
	assert.Regexp(w.T, `web2 +hello-0\.4 +since .* by `, r.Out)

	r = w.Run(0, "", "list")
	assert.Regexp(w.T, `(?m)^hello-0\.4 .* linked by staging$`, r.Out)
	assert.Regexp(w.T, `(?m)^hello-0\.3 `, r.Out)

	r = w.Run(0, "", "log", "staging")
	assert.Regexp(w.T, `(?m)link +hello-0\.3 → hello-0\.4 .*confirmed`, r.Out)
	assert.Regexp(w.T, `(?m)push +nothing → hello-0\.3 .*confirmed`, r.Out)

	r = w.Run(0, "", "check")
	assert.Contains(w.T, r.Out, "staging is ready for a push on 3 hosts")

	r = w.Run(0, "", "hosts")
	assert.Regexp(w.T, `(?m)^web1 +kistest@127\.0\.0\.1:\d+ +/var/webcode +python3`, r.Out)
	assert.Equal(w.T, before, w.Trees())
}

func asJSON(w *testenv.Env) {
	sent := map[string]bool{}
	for _, args := range []string{
		"status", "list", "log staging", "hosts", "hosts -v", "unlock staging", "verify staging", "diff staging hello-0.3", "diff staging", "prune --dry-run",
		"exec staging -- echo x", "logs staging none.service", "version", "check staging", "restart staging", "rollback staging --dry-run", "link staging hello-9", "push nowhere", "init",
	} {
		r := w.Kis(append([]string{"-o", "json", "--hosts", "web1"}, strings.Fields(args)...)...)
		for _, e := range r.Events(w.T) {
			sent[e.Type] = true
		}
		assert.NotEmpty(w.T, r.Out, args)
	}
	assert.Subset(w.T, slices.Collect(maps.Keys(sent)), []string{"status", "package", "run", "host", "lock", "verify", "diff", "cleanup", "exec", "output", "version", "report", "error"})
}

func otherStage(w *testenv.Env) {
	other := *w
	other.Stage = "production"
	r := other.Run(0, "hello-0.4", "push", "production", "--sdist", w.Archive(), "-o", "json")
	for _, step := range []string{"upload", "unpack", "environment", "seal"} {
		assert.NotContains(w.T, r.Steps(w.T), step)
	}
	assert.Equal(w.T, w.All("hello-0.4"), other.Links())
	assert.Equal(w.T, w.All("hello-0.4"), w.Links())
}

func rollbackDry(w *testenv.Env) {
	before := w.Trees()
	r := w.Run(0, "", "rollback", "staging", "--dry-run")
	assert.Regexp(w.T, `web1 +hello-0\.4: verify, link`, r.Out)
	assert.Contains(w.T, r.Out, "dry run: rollback of staging to hello-0.3 on 3 hosts would do this; nothing was changed")
	r = w.Run(0, "", "link", "staging", "hello-0.4", "--dry-run")
	assert.Regexp(w.T, `web1 +hello-0\.4: nothing; already linked`, r.Out)
	assert.Equal(w.T, before, w.Trees())
}

func rollback(w *testenv.Env) {
	r := w.Run(0, "hello-0.3", "rollback", "staging", "-o", "json")
	for _, step := range []string{"upload", "unpack", "environment", "seal"} {
		assert.NotContains(w.T, r.Steps(w.T), step)
	}
	assert.Contains(w.T, r.Steps(w.T), "verify")
	assert.Equal(w.T, w.All("hello-0.3"), w.Links())
}

func subset(w *testenv.Env) {
	w.On("web2").Run(0, "hello-0.4", "link", "staging", "hello-0.4", "--hosts", "web2")
	assert.Equal(w.T, []string{"hello-0.3", "hello-0.4", "hello-0.3"}, w.Links())
	r := w.Kis("status", "staging")
	assert.Equal(w.T, 5, r.Exit)
	assert.Contains(w.T, r.Out, "hosts differ: a run was narrowed by --hosts")
}

func rollbackTo(w *testenv.Env) {
	r := w.Kis("rollback", "staging")
	assert.Equal(w.T, 3, r.Exit, "the hosts have different packages before this one, so that a roll-back has to be told which")
	assert.Contains(w.T, r.Err, "--to")
	assert.Equal(w.T, []string{"hello-0.3", "hello-0.4", "hello-0.3"}, w.Links())
	w.Run(0, "hello-0.3", "rollback", "staging", "--to", "hello-0.3")
	w.Uniform("hello-0.3")
}

func cleanUp(w *testenv.Env) {
	w.Version("0.5")
	w.Run(0, "", "push", "staging", "--sdist", w.Archive(), "--no-link")
	r := w.Run(0, "", "list")
	assert.Regexp(w.T, `(?m)^hello-0\.5 .* never linked$`, r.Out)
	assert.Regexp(w.T, `(?m)^hello-0\.4 .* confirmed .*linked by production`, r.Out)
	r = w.Run(0, "", "prune", "--keep", "1")
	assert.Contains(w.T, r.Err, "nothing was removed")
	r = w.Run(3, "", "remove", "hello-0.4")
	assert.Contains(w.T, r.Err, "web1, web2, web3: remove: hello-0.4 is needed: production is linked to it")
	r = w.Kis("remove", "hello-0.5", "production")
	assert.Equal(w.T, 0, r.Exit)
	assert.Contains(w.T, r.Out, "web1, web2, web3  removed: hello-0.5 (")
	for _, h := range w.Hosts {
		assert.NoDirExists(w.T, h.Repo+"/hello-0.5")
	}
	r = w.Run(0, "", "remove", "hello-0.5")
	assert.Contains(w.T, r.Err, "nothing was removed: hello-0.5 is not installed on 3 hosts")
	w.Write("README.md", "pushed again with other content\n")
	w.Run(0, "", "push", "staging", "--sdist", w.Archive(), "--no-link")
}

func oneHostDead(w *testenv.Env) {
	w.Hosts[2].Kill()
	r := w.Run(3, "", "link", "staging", "hello-0.4")
	assert.Contains(w.T, r.Err, "web3: connect: ")
	assert.Equal(w.T, w.All("hello-0.3"), w.Links())

	w.On("web1", "web2").Run(0, "hello-0.4", "link", "staging", "hello-0.4", "--hosts", "!web3")
	r = w.Kis("status", "staging")
	assert.Equal(w.T, 5, r.Exit)
	assert.Contains(w.T, r.Out, "staging: unknown on some hosts")
	assert.Regexp(w.T, `web3 +unknown +connect: `, r.Out)

	w.Hosts[2].Restart(w.T)
	r = w.Run(0, "hello-0.4", "link", "staging", "hello-0.4", "-o", "json")
	for _, e := range r.Events(w.T) {
		if e.Step == "link" {
			assert.Equal(w.T, "web3", e.Host, "the others are there already")
		}
	}
	w.Uniform("hello-0.4")
}
