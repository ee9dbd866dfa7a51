package deploy_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/deploy"
	"github.com/keep-it-simple/kis/internal/event"
	"github.com/keep-it-simple/kis/internal/sshtest"
	"github.com/keep-it-simple/kis/inventory"
	"github.com/keep-it-simple/kis/remote"
)

// on is the world as a run sees it that is about some of the hosts.
func (w *world) on(from, to int) *world {
	part := *w
	part.hosts, part.roots = w.hosts[from:to], w.roots[from:to]
	return &part
}

// promotion is the plan to promote what staging has, on these hosts, to production.
func (w *world) promotion(t *testing.T) deploy.Plan {
	t.Helper()
	return deploy.Plan{
		Op: event.Promote, Stage: inventory.Stage{Name: stageNamed(t, "production")}, From: deploy.Source{Stage: stageNamed(t, "staging"), Hosts: w.hosts},
	}
}

// record is what the package of a host says that it consists of.
func (w *world) record(t *testing.T, i int, pkg string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(w.hosts[i].Root, pkg, ".kis", "environment"))
	require.NoError(t, err)
	return string(text)
}

// TestPromoteBringsWhatAnotherStageHas, byte for byte, to hosts that lack it, without an archive and a recipe of this
// machine.
func TestPromoteBringsWhatAnotherStageHas(t *testing.T) {
	t.Parallel()
	w := newWorld(t, embedded, 3)
	staging, production := w.on(0, 1), w.on(1, 3)
	plan := push(t, "1.0")
	plan.Git = "0123456789abcdef0123"
	recipe, err := deploy.NewRecipe(t.Context(), inventory.Install{Mode: inventory.ModeRegular}, inventory.Shared{Dirs: []string{"media"}}, []inventory.Command{{Run: "echo made >prepared"}}, deploy.Sources{Dir: t.TempDir()})
	require.NoError(t, err)
	plan.Recipe = recipe
	require.Empty(t, staging.run(t.Context(), t, plan, nil).Failures)

	promote := staging.promotion(t)
	promote.Stage.BeforeLink = []inventory.Command{{Run: "echo migrated"}}
	promote.Verify = []inventory.Command{{Run: "cat prepared"}}
	var events []event.Event
	report := production.run(t.Context(), t, promote, func(e event.Event) { events = append(events, e) })
	require.Equal(t, event.Succeeded, report.Outcome, "%v", report.Failures)
	assert.Equal(t, "hello-1.0", report.Package)
	assert.Len(t, report.Hosts, 2, "the other stage is only read")
	assert.ElementsMatch(t, []string{"web2 migrated", "web3 migrated"}, said(&events, event.StepBeforeLink))
	assert.ElementsMatch(t, []string{"web2 made", "web3 made"}, said(&events, event.StepVerify), "the recipe came with the package")
	for i := range 2 {
		assert.Equal(t, w.record(t, 0, "hello-1.0"), w.record(t, i+1, "hello-1.0"))
		target, err := os.Readlink(filepath.Join(w.hosts[i+1].Root, "hello-1.0", "media"))
		require.NoError(t, err)
		assert.Equal(t, "../shared/media", target)
	}
	assert.Contains(t, w.record(t, 0, "hello-1.0"), ".whl")
	journal, err := os.ReadFile(filepath.Join(w.hosts[1].Root, ".kis", "journal", "production"))
	require.NoError(t, err)
	assert.Contains(t, string(journal), plan.Git)

	// Again: there is nothing to do; and a host that has both stages gives and takes.
	report = production.run(t.Context(), t, staging.promotion(t), nil)
	assert.True(t, report.UpToDate)
	report = w.run(t.Context(), t, staging.promotion(t), nil)
	require.Equal(t, event.Succeeded, report.Outcome, "%v", report.Failures)
	assert.Len(t, report.Hosts, 3)
}

// TestPromoteTakesOnlyWhatIsConfirmedEverywhere.
func TestPromoteTakesOnlyWhatIsConfirmedEverywhere(t *testing.T) {
	t.Parallel()
	w := newWorld(t, embedded, 3)
	staging, production := w.on(0, 2), w.on(2, 3)
	refused := func(want string) {
		t.Helper()
		report := production.run(t.Context(), t, staging.promotion(t), nil)
		require.Equal(t, event.Aborted, report.Outcome)
		require.Equal(t, 3, report.Exit)
		var messages []string
		for _, f := range report.Failures {
			messages = append(messages, f.Host+": "+f.Message)
			assert.NotEmpty(t, f.Hint)
		}
		assert.Contains(t, strings.Join(messages, "\n"), want)
	}
	refused("web1: staging is linked to nothing")
	staging.link(t, "1.0")
	w.on(0, 1).link(t, "1.1")
	refused("staging is not linked to the same package everywhere: hello-1.0 on web2; hello-1.1 on web1")
	w.on(1, 2).link(t, "1.1")
	require.NoError(t, os.WriteFile(filepath.Join(w.hosts[1].Root, ".kis", "journal", "staging"), nil, 0o600))
	refused("web2: staging is linked to hello-1.1, and that is not confirmed")
}

// TestSyncBringsNewHostsToWhatTheStageHas, and leaves the others alone.
func TestSyncBringsNewHostsToWhatTheStageHas(t *testing.T) {
	t.Parallel()
	w := newWorld(t, embedded, 3)
	sync := deploy.Plan{Op: event.Sync}
	report := w.run(t.Context(), t, sync, nil)
	require.Equal(t, event.Aborted, report.Outcome)
	assert.Contains(t, report.Failures[0].Message, "staging is linked to nothing on any host")

	plan := push(t, "1.0")
	require.Empty(t, w.on(0, 2).run(t.Context(), t, plan, nil).Failures)
	sync.Stage.BeforeLink = []inventory.Command{{Run: "false"}}
	sync.Stage.AfterLink = []inventory.Command{{Run: "echo in service"}}
	var events []event.Event
	report = w.run(t.Context(), t, sync, func(e event.Event) { events = append(events, e) })
	require.Equal(t, event.Succeeded, report.Outcome, "%v", report.Failures)
	assert.Equal(t, []string{"web3 in service"}, said(&events, event.StepAfterLink))
	assert.Equal(t, w.record(t, 0, "hello-1.0"), w.record(t, 2, "hello-1.0"))

	require.Empty(t, w.on(0, 1).run(t.Context(), t, push(t, "1.1"), nil).Failures)
	report = w.run(t.Context(), t, sync, nil)
	require.Equal(t, event.Aborted, report.Outcome)
	assert.Contains(t, report.Failures[0].Message, "staging is not linked to the same package everywhere")
}

// TestASyncLearnsOfAnUnsuitableUVBeforeItLocks, and asks only the hosts that need it.
func TestASyncLearnsOfAnUnsuitableUVBeforeItLocks(t *testing.T) {
	t.Parallel()
	old := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(old, "uv"), []byte("#!/bin/sh\necho uv 0.3.5\n"), 0o755))
	w := newWorld(t, func(t testing.TB, home string) login {
		t.Helper()
		return startEmbedded(t, home, sshtest.Options{Env: []string{"PATH=" + old + ":/usr/bin:/bin", "HOME=" + home}})
	}, 2)
	require.Empty(t, w.on(0, 1).run(t.Context(), t, push(t, "1.0"), nil).Failures)
	sync := deploy.Plan{Op: event.Sync}
	sync.Recipe.Installer = remote.UV
	var events []event.Event
	report := w.run(t.Context(), t, sync, func(e event.Event) { events = append(events, e) })
	require.Equal(t, event.Aborted, report.Outcome)
	require.Len(t, report.Failures, 1)
	assert.Equal(t, "web2", report.Failures[0].Host)
	assert.Equal(t, event.StepCheck, report.Failures[0].Step)
	assert.Contains(t, report.Failures[0].Message, "uv is too old")
	assert.False(t, slices.ContainsFunc(events, func(e event.Event) bool { return e.Step == event.StepLock }))
}

// TestLinkCopiesAPackageToHostsThatLackIt from any host that has it.
func TestLinkCopiesAPackageToHostsThatLackIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t, embedded, 2)
	require.Empty(t, w.on(0, 1).run(t.Context(), t, push(t, "1.0"), nil).Failures)
	report := w.run(t.Context(), t, deploy.Plan{Op: event.Relink, Target: pkg(t, "hello-1.0")}, nil)
	require.Equal(t, event.Succeeded, report.Outcome, "%v", report.Failures)
	assert.Equal(t, w.record(t, 0, "hello-1.0"), w.record(t, 1, "hello-1.0"))

	// What the other host has is damaged: nothing is linked.
	stored, err := filepath.Glob(filepath.Join(w.hosts[0].Root, ".kis", "incoming", "*"))
	require.NoError(t, err)
	require.Empty(t, w.on(0, 1).run(t.Context(), t, push(t, "1.1"), nil).Failures)
	after, err := filepath.Glob(filepath.Join(w.hosts[0].Root, ".kis", "incoming", "*"))
	require.NoError(t, err)
	require.Greater(t, len(after), len(stored))
	for _, path := range after {
		require.NoError(t, os.WriteFile(path, []byte("x"), 0o600))
	}
	report = w.run(t.Context(), t, deploy.Plan{Op: event.Relink, Target: pkg(t, "hello-1.1")}, nil)
	require.Equal(t, event.Aborted, report.Outcome)
	assert.Contains(t, report.Failures[0].Message, "could not be read from another host")
}
