package deploy_test

import (
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/deploy"
	"github.com/keep-it-simple/kis/internal/event"
	"github.com/keep-it-simple/kis/remote"
	"github.com/keep-it-simple/kis/sshx"
)

// inside starts a process in a package of a host.
func inside(t *testing.T, root, name string) {
	t.Helper()
	cmd := exec.Command("sleep", "300")
	cmd.Dir = filepath.Join(root, name)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
}

func TestAPushRemovesWhatNoStageKeeps(t *testing.T) {
	t.Parallel()
	w := newWorld(t, embedded, 2)
	w.link(t, "1.0", "1.1", "1.2")
	w.install(t, "1.3")
	inside(t, w.roots[1].Root, "hello-1.0")
	w.gone = []string{"hello-1.0", "hello-1.1"}
	plan := push(t, "1.3")
	plan.Keep = 2
	report := w.run(t.Context(), t, plan, nil)
	require.Equal(t, 0, report.Exit)
	require.Empty(t, report.Failures)
	for i, want := range [][]string{{"hello-1.0", "hello-1.1"}, {"hello-1.1"}} {
		pruned := report.Hosts[i].Pruned
		require.NotNil(t, pruned)
		assert.Nil(t, pruned.Failure)
		assert.Equal(t, want, pruned.Packages)
		assert.Positive(t, pruned.Bytes)
		assert.Greater(t, pruned.Files, int64(len(want)))
		for _, name := range want {
			assert.NoDirExists(t, filepath.Join(w.roots[i].Root, name))
		}
		assert.DirExists(t, filepath.Join(w.roots[i].Root, "hello-1.2"))
	}
}

// The push has succeeded: that a host was lost since, or cannot be cleaned up, is a warning.
func TestAFailedPruneFailsNoPush(t *testing.T) {
	t.Parallel()
	w := newWorld(t, embedded, 2)
	w.link(t, "1.0", "1.1", "1.2")
	w.install(t, "1.3")
	w.gone = []string{"hello-1.0"}
	plan := push(t, "1.3")
	plan.Keep = 3
	report := w.run(t.Context(), t, plan, func(e event.Event) {
		if e.Host == "web2" && e.Step == event.StepPrune && e.State == event.Started {
			w.proxy["web2"].Cut()
		}
	})
	require.Equal(t, 0, report.Exit)
	require.Empty(t, report.Failures)
	assert.Equal(t, []string{"hello-1.0"}, report.Hosts[0].Pruned.Packages)
	require.NotNil(t, report.Hosts[1].Pruned.Failure)
	assert.Equal(t, event.Unknown, report.Hosts[1].Pruned.Failure.State)
	// The same push again changes no link, and completes it.
	report = w.run(t.Context(), t, plan, nil)
	require.True(t, report.UpToDate)
	assert.Equal(t, []string{"hello-1.0"}, report.Hosts[1].Pruned.Packages)
}

func TestOnePackageIsRemovedFromAllHostsOrNone(t *testing.T) {
	t.Parallel()
	w := newWorld(t, embedded, 2)
	w.link(t, "1.0", "1.1", "1.2")
	dialer := &sshx.Dialer{}
	defer dialer.Close() //nolint:errcheck // only a test
	d := w.deployer(dialer, nil)
	require.NoError(t, d.Fleet.Ready(t.Context(), w.hosts))
	linked := d.Removable(t.Context(), w.hosts, pkg(t, "hello-1.2"))
	for _, f := range event.CleanupFailures(linked) {
		assert.Equal(t, remote.CodeNeeded, f.Code)
		assert.Equal(t, "hello-1.2 is needed: staging is linked to it", f.Message)
	}
	require.Len(t, event.CleanupFailures(linked), 2)

	old := pkg(t, "hello-1.0")
	planned := d.Removable(t.Context(), w.hosts, old)
	require.Empty(t, event.CleanupFailures(planned))
	inside(t, w.roots[1].Root, "hello-1.0") // since it was asked
	done := d.Remove(t.Context(), w.hosts, event.Remove, planned)
	assert.Equal(t, []string{"hello-1.0"}, done[0].Packages)
	require.NotNil(t, done[1].Failure)
	assert.Contains(t, done[1].Failure.Message, "(sleep) uses it")
	again := d.Removable(t.Context(), w.hosts, old)
	assert.Empty(t, again[0].Packages)
	require.NotNil(t, again[1].Failure)
	require.Empty(t, event.CleanupFailures(d.Remove(t.Context(), w.hosts[:1], event.Remove, planned[:1])), "what is gone is removed")
}

func TestAPruneOfAllHostsRemovesWhatItHasShown(t *testing.T) {
	t.Parallel()
	w := newWorld(t, embedded, 2)
	w.link(t, "1.0", "1.1", "1.2")
	dialer := &sshx.Dialer{}
	defer dialer.Close() //nolint:errcheck // only a test
	d := w.deployer(dialer, nil)
	require.NoError(t, d.Fleet.Ready(t.Context(), w.hosts))
	planned := d.Unneeded(t.Context(), w.hosts, 1)
	packages, bytes := event.CountPackages(planned)
	require.Equal(t, 2, packages)
	require.Positive(t, bytes)
	done := d.Remove(t.Context(), w.hosts, event.Prune, planned)
	require.Empty(t, event.CleanupFailures(done))
	for i := range done {
		assert.Equal(t, []string{"hello-1.0"}, done[i].Packages)
	}
	packages, _ = event.CountPackages(d.Unneeded(t.Context(), w.hosts, 1))
	require.Zero(t, packages)
	report := w.run(t.Context(), t, deploy.Plan{Op: event.Rollback}, nil)
	require.Equal(t, "hello-1.1", report.Package)
	require.Zero(t, report.Exit)
}
