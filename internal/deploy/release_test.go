package deploy_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/deploy"
	"github.com/keep-it-simple/kis/internal/event"
	"github.com/keep-it-simple/kis/inventory"
)

// said are the lines of output of one step, each with its host.
func said(events *[]event.Event, step event.Step) []string {
	var lines []string
	for _, e := range *events {
		if e.Type == event.TypeOutput && e.Step == step {
			lines = append(lines, e.Host+" "+e.Message)
		}
	}
	return lines
}

// TestTheCommandsOfARelease run where and when the inventory's reference says.
func TestTheCommandsOfARelease(t *testing.T) {
	t.Parallel()
	w := newWorld(t, embedded, 2)
	var events []event.Event
	record := func(e event.Event) { events = append(events, e) }
	plan := push(t, "1.0")
	recipe, err := deploy.NewRecipe(t.Context(), inventory.Install{Mode: inventory.ModeEditable}, inventory.Shared{Dirs: []string{"media"}}, []inventory.Command{
		{Run: `echo "prepare ${KIS_STAGE-none} $KIS_PACKAGE $(stat -c %a .venv/lib/python3*/site-packages/hello-*/METADATA)"; mkdir static; echo x >static/file; echo upload >media/file`},
	}, deploy.Sources{Dir: t.TempDir()})
	require.NoError(t, err)
	plan.Recipe = recipe
	plan.Verify = []inventory.Command{{Run: `echo "verify ${KIS_STAGE-none}"; cat static/file`}}
	plan.Stage.Verify = []inventory.Command{{Run: `echo "verify $KIS_STAGE"`}}
	plan.Stage.BeforeLink = []inventory.Command{{Run: `echo "migrate $KIS_STAGE ${KIS_PREVIOUS:-nothing}"; test ! -e "../$KIS_STAGE"`, Once: true}, {Run: "echo warm"}}
	plan.Stage.AfterLink = []inventory.Command{{Run: "echo once", Once: true}, {Run: `echo "linked $(readlink ../staging)"`}}
	require.Empty(t, w.run(t.Context(), t, plan, record).Failures)
	assert.ElementsMatch(t, []string{"web1 prepare none hello-1.0 644", "web2 prepare none hello-1.0 644"}, said(&events, event.StepPrepare), "it may change the package")
	verified := slices.DeleteFunc(said(&events, event.StepVerify), func(line string) bool { return strings.HasSuffix(line, " No broken requirements found.") })
	assert.ElementsMatch(t, []string{"web1 verify none", "web1 x", "web2 verify none", "web2 x"}, verified)
	assert.Len(t, said(&events, event.StepVerify), 5, "pip has checked the wheels on one host")
	assert.ElementsMatch(t, []string{"web1 verify staging", "web2 verify staging"}, said(&events, event.StepVerifyStage))
	lines := said(&events, event.StepBeforeLink)
	assert.Equal(t, "web1 migrate staging nothing", lines[0])
	assert.ElementsMatch(t, []string{"web1 warm", "web2 warm"}, lines[1:])
	assert.ElementsMatch(t, []string{"web1 once", "web1 linked hello-1.0", "web2 linked hello-1.0"}, said(&events, event.StepAfterLink))
	for _, h := range w.hosts {
		text, err := os.ReadFile(filepath.Join(h.Root, "shared", "media", "file"))
		require.NoError(t, err)
		assert.Equal(t, "upload\n", string(text))
		to, err := os.Readlink(filepath.Join(h.Root, "hello-1.0", "media"))
		require.NoError(t, err)
		assert.Equal(t, "../shared/media", to)
	}

	// Another stage: what belongs to the package is not done again, and says so; what belongs to the stage is.
	events = nil
	plan.Stage.Name = stageNamed(t, "production")
	require.Empty(t, w.run(t.Context(), t, plan, record).Failures)
	assert.Empty(t, said(&events, event.StepPrepare))
	assert.Empty(t, said(&events, event.StepVerify))
	assert.ElementsMatch(t, []string{"web1 verify production", "web2 verify production"}, said(&events, event.StepVerifyStage))
	skipped := 0
	for _, e := range events {
		if e.Type == event.TypeCommand && e.State == event.Skipped && e.Message == plan.Verify[0].Run {
			skipped++
		}
	}
	assert.Equal(t, 2, skipped)

	// A third stage, of which the first host is linked and confirmed already: before_link is for what is still to be linked.
	events = nil
	plan.Stage.Name = stageNamed(t, "canary")
	hosts, roots := w.hosts, w.roots
	w.hosts, w.roots = hosts[:1], roots[:1]
	require.Empty(t, w.run(t.Context(), t, plan, record).Failures)
	assert.Equal(t, []string{"web1 migrate canary nothing", "web1 warm"}, said(&events, event.StepBeforeLink))
	events, w.hosts, w.roots = nil, hosts, roots
	require.Empty(t, w.run(t.Context(), t, plan, record).Failures)
	assert.Equal(t, []string{"web2 migrate canary nothing", "web2 warm"}, said(&events, event.StepBeforeLink))
	events = nil
	require.Empty(t, w.run(t.Context(), t, plan, record).Failures)
	assert.Empty(t, said(&events, event.StepBeforeLink))

	// The same version with another recipe: what of it is another one is named.
	plan.Recipe, err = deploy.NewRecipe(t.Context(), inventory.Install{Mode: inventory.ModeEditable}, inventory.Shared{}, []inventory.Command{{Run: "true"}}, deploy.Sources{Dir: t.TempDir()})
	require.NoError(t, err)
	failures := w.run(t.Context(), t, plan, record).Failures
	require.NotEmpty(t, failures)
	assert.Equal(t, "hello-1.0 is installed with another recipe: prepare, shared", failures[0].Message)
}

// TestAFailureBeforeTheLinkChangesNoLink wherever it is.
func TestAFailureBeforeTheLinkChangesNoLink(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		change func(p *deploy.Plan)
		says   string
	}{
		"prepare": {func(p *deploy.Plan) { p.Recipe.Prepare = []inventory.Command{{Run: "exit 3"}} }, "prepare: exit 3: exit status 3"},
		"verify":  {func(p *deploy.Plan) { p.Verify = []inventory.Command{{Run: "exit 4"}} }, "verify: exit 4: exit status 4"},
		"an application that writes beside itself": {func(p *deploy.Plan) {
			p.Verify = []inventory.Command{{Run: "chmod u+w . 2>/dev/null; echo x >cache.db"}}
		}, "seal: verification created cache.db in the package"},
		"verify of the stage": {func(p *deploy.Plan) { p.Stage.Verify = []inventory.Command{{Run: "exit 5"}} }, "verify stage: exit 5: exit status 5"},
		"before the link":     {func(p *deploy.Plan) { p.Stage.BeforeLink = []inventory.Command{{Run: "exit 6"}} }, "before_link: exit 6: exit status 6"},
		"a deadline of its own": {func(p *deploy.Plan) {
			p.Stage.BeforeLink = []inventory.Command{{Run: "sleep 60", Timeout: 100 * time.Millisecond}}
		}, "before_link: sleep 60: still running at its deadline, killed"},
		"a missing shared file": {func(p *deploy.Plan) { p.Recipe.Shared.Files = []string{".env"} }, "/shared/.env is missing"},
		"shared content":        {func(p *deploy.Plan) { p.Recipe.Shared.Dirs = []string{"hello"} }, "hello is shared, and the archive has content there"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, embedded, 1)
			plan := push(t, "1.0")
			test.change(&plan)
			report := w.run(t.Context(), t, plan, nil)
			require.Equal(t, event.Aborted, report.Outcome)
			require.Len(t, report.Failures, 1)
			f := report.Failures[0]
			assert.Contains(t, string(f.Step)+": "+f.Message, test.says)
			assert.Equal(t, f.Step == event.StepBeforeLink, report.Hosts[0].Ready)
			_, err := os.Lstat(filepath.Join(w.hosts[0].Root, "staging"))
			assert.ErrorIs(t, err, os.ErrNotExist)
		})
	}
}

// inBatchesOfOne is a stage that brings one host into service after the other.
func inBatchesOfOne(t *testing.T, afterLink string) inventory.Stage {
	t.Helper()
	inv, err := inventory.Parse("i", []byte("stages: {staging: {hosts: [a], rollout: {batch: 1}}}"), nil)
	require.NoError(t, err)
	stage, err := inv.Stage("staging")
	require.NoError(t, err)
	stage.AfterLink = []inventory.Command{{Run: afterLink}}
	return stage
}

// TestBatchesAreBroughtIntoServiceOneAfterTheOther and a failure ends that: hosts that were not reached were never touched.
func TestBatchesAreBroughtIntoServiceOneAfterTheOther(t *testing.T) {
	t.Parallel()
	w := newWorld(t, embedded, 3)
	w.link(t, "1.1", "1.0")
	stage := inBatchesOfOne(t, `echo "$KIS_PACKAGE"; test "$KIS_HOST.$KIS_PACKAGE" != web2.hello-1.1`)
	var events []event.Event
	report := w.run(t.Context(), t, deploy.Plan{Op: event.Relink, Target: pkg(t, "hello-1.1"), Stage: stage}, func(e event.Event) { events = append(events, e) })
	require.Equal(t, event.RolledBack, report.Outcome)
	assert.Equal(t, []string{"web1 hello-1.1", "web2 hello-1.1", "web1 hello-1.0", "web2 hello-1.0"}, said(&events, event.StepAfterLink))
	for _, h := range report.Hosts {
		assert.False(t, h.Degraded, h.Host)
		assert.True(t, strings.HasSuffix(h.Linked, "hello-1.0"), h.Host)
	}
}

// TestARestartChangesNoLink and ends after the first batch that fails.
func TestARestartChangesNoLink(t *testing.T) {
	t.Parallel()
	w := newWorld(t, embedded, 3)
	w.link(t, "1.0")
	var events []event.Event
	record := func(e event.Event) { events = append(events, e) }
	plan := deploy.Plan{Op: event.Restart, Stage: inBatchesOfOne(t, `echo "$KIS_PACKAGE $KIS_STAGE"`)}
	report := w.run(t.Context(), t, plan, record)
	require.Equal(t, event.Succeeded, report.Outcome, "%v", report.Failures)
	assert.Equal(t, []string{"web1 hello-1.0 staging", "web2 hello-1.0 staging", "web3 hello-1.0 staging"}, said(&events, event.StepAfterLink))

	plan.Stage = inBatchesOfOne(t, "test $KIS_HOST != web2")
	report = w.run(t.Context(), t, plan, nil)
	require.Equal(t, event.Split, report.Outcome)
	for i, want := range []bool{true, false, false} {
		assert.Equal(t, want, report.Hosts[i].Restarted, report.Hosts[i].Host)
		assert.Equal(t, "hello-1.0", report.Hosts[i].Linked)
	}

	plan.Stage.Name = stageNamed(t, "production")
	report = w.run(t.Context(), t, plan, nil)
	require.Equal(t, event.Aborted, report.Outcome)
	assert.Equal(t, "production is not linked to a complete package", report.Failures[0].Message)
}
