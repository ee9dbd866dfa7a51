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
	"github.com/keep-it-simple/kis/inventory"
	"github.com/keep-it-simple/kis/remote"
	"github.com/keep-it-simple/kis/sshx"
)

// once breaks the connection to web2 at the first point of its kind, and not when the run comes
// there again.
func once(c cut, w *world) func(event.Event) {
	broken, fault := false, c.on(w, "web2")
	return func(e event.Event) {
		if !broken && e.Host == "web2" && e.Step == c.step {
			broken = true
			fault(e)
		}
	}
}

// TestWhatAnotherRunHasLinkedMeanwhileIsLeftAlone: the connection to a host is lost after the
// switch, its lock is free then, and another run links something else before this one is back. The
// oracle is not asked, because it knows of one run only.
func TestWhatAnotherRunHasLinkedMeanwhileIsLeftAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t, embedded, 2)
	w.link(t, "1.0", "1.1", "1.2")
	stage := filepath.Join(w.roots[1].Root, "staging")
	var reverted []string
	dialer := &sshx.Dialer{}
	f := w.deployer(dialer, func(e event.Event) {
		switch {
		case e.Type == event.TypeStep && e.Host == "web2" && e.Step == event.StepAfterLink && e.State == event.Started:
			w.proxy["web2"].Cut()
			assert.NoError(t, os.Symlink("hello-1.1", stage+".next"))
			assert.NoError(t, os.Rename(stage+".next", stage))
		case e.Step == event.StepRevert && e.State == event.Done:
			reverted = append(reverted, e.Host)
		}
	})
	plan := deploy.Plan{Op: event.Relink, Hosts: w.hosts, Target: pkg(t, "hello-1.0"), Stage: inventory.Stage{Name: stageNamed(t, "staging"), AfterLink: []inventory.Command{{Run: "true"}}}}
	r := f.Run(t.Context(), plan)
	require.NoError(t, dialer.Close())
	assert.Equal(t, event.Split, r.Outcome)
	assert.Equal(t, []string{"web1"}, reverted)
	for i, want := range []string{"hello-1.2", "hello-1.1"} {
		assert.True(t, r.Hosts[i].LinkKnown)
		assert.Equal(t, want, r.Hosts[i].Linked)
	}
	assert.True(t, slices.ContainsFunc(r.Failures, func(f event.Failure) bool { return f.Host == "web2" && f.Code == remote.CodeTaken }), "%v", r.Failures)
	target, err := os.Readlink(stage)
	require.NoError(t, err)
	assert.Equal(t, "hello-1.1", target)
}

// TestADanglingLinkIsRestored: the linked package was removed outside kis. The oracle is not used,
// because it forbids that.
func TestADanglingLinkIsRestored(t *testing.T) {
	t.Parallel()
	w := newWorld(t, embedded, 2)
	w.install(t, "1.0")
	require.Empty(t, w.run(t.Context(), t, push(t, "1.0"), nil).Failures)
	for _, h := range w.roots {
		stage := filepath.Join(h.Root, "staging")
		require.NoError(t, os.Remove(stage))
		require.NoError(t, os.Symlink("hello-0.9", stage))
	}
	var notices []string
	dialer := &sshx.Dialer{}
	f := w.deployer(dialer, func(e event.Event) {
		if e.Type == event.TypeNotice {
			notices = append(notices, e.Host+": "+e.Message)
		}
	})
	plan := deploy.Plan{Op: event.Relink, Hosts: w.hosts, Target: pkg(t, "hello-1.0"), Stage: inventory.Stage{Name: stageNamed(t, "staging"), AfterLink: []inventory.Command{{Run: "false"}}}}
	r := f.Run(t.Context(), plan)
	require.NoError(t, dialer.Close())
	assert.Equal(t, event.RolledBack, r.Outcome, "%v", r.Failures)
	for _, h := range w.roots {
		target, err := os.Readlink(filepath.Join(h.Root, "staging"))
		require.NoError(t, err)
		assert.Equal(t, "hello-0.9", target)
	}
	assert.True(t, slices.ContainsFunc(notices, func(n string) bool { return strings.Contains(n, "hello-0.9, which is no complete package") }), "%v", notices)
}

// TestAnUnwritableJournalIsReported: the links are what the run promises, so it is done; what
// status will show is reported, and the same command again puts it right.
func TestAnUnwritableJournalIsReported(t *testing.T) {
	t.Parallel()
	w := newWorld(t, embedded, 2)
	w.link(t, "1.0", "1.1")
	journal := filepath.Join(w.roots[1].Root, ".kis", "journal", "staging")
	var notices []string
	plan := deploy.Plan{Op: event.Relink, Target: pkg(t, "hello-1.0"), Stage: inventory.Stage{AfterLink: []inventory.Command{{Run: "true"}}}}
	r := w.run(t.Context(), t, plan, func(e event.Event) {
		switch {
		case e.Type == event.TypeStep && e.Host == "web2" && e.Step == event.StepAfterLink && e.State == event.Started:
			assert.NoError(t, os.Rename(journal, journal+".moved"))
			assert.NoError(t, os.Mkdir(journal, 0o700))
		case e.Type == event.TypeReport:
			assert.NoError(t, os.Remove(journal))
			assert.NoError(t, os.Rename(journal+".moved", journal))
		case e.Type == event.TypeNotice && e.Host == "web2":
			notices = append(notices, e.Message)
		}
	})
	assert.Equal(t, event.Succeeded, r.Outcome, "%v", r.Failures)
	require.Len(t, notices, 1)
	assert.Regexp(t, `^confirm: the journal could not be written: .*/journal/staging: is a directory; kis status reports this run as unconfirmed until the same command is repeated$`, notices[0])
	var confirmed []string
	r = w.run(t.Context(), t, plan, func(e event.Event) {
		if e.Step == event.StepConfirm && e.State == event.Done {
			confirmed = append(confirmed, e.Host)
		}
	})
	assert.Equal(t, event.Succeeded, r.Outcome)
	assert.False(t, r.UpToDate)
	assert.Contains(t, confirmed, "web2")
}
