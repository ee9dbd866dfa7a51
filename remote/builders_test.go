package remote_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/remote"
)

func TestTwoRunsDoNotBuildOnePackage(t *testing.T) {
	t.Parallel()
	first := owner(t, repository(t))
	second := opened(t, first.root)
	second.lock(t, "production")
	a := source(t, "app", "1")
	first.unpack(t, a)
	_, err := second.Begin(t.Context(), a.Source)
	requireRefused(t, err, "locked")
	require.Equal(t, "ann@laptop", refusal(t, err).Holder.Who)
	require.NoError(t, first.Close())
	second.install(t, a)
}

// build starts to build the environment of a project whose build never ends, and returns once it
// runs. The mark is on the command line of the process it waits for.
func (l *local) build(t *testing.T) (a archive, mark string) {
	t.Helper()
	mark = marker(t)
	a = changed(t, map[string]string{"backend/tiny_backend.py": "import subprocess\nsubprocess.run(['sleep', '" + mark + "'])\n"})
	l.unpack(t, a)
	go func() {
		_, _ = l.Wheels(context.WithoutCancel(t.Context()), remote.WheelsRequest{Recipe: remote.Recipe{Mode: remote.Regular}, Name: a.Name, Archive: a.SHA256, Within: time.Minute}, nil, nil)
	}()
	require.Eventually(t, func() bool { return count(t, mark) > 0 }, time.Minute, 10*time.Millisecond)
	return a, mark
}

// TestTheNextRunEndsWhatADeadRunLeftRunning, a build as well as a command of before_link: it would work
// beside the next one.
func TestTheNextRunEndsWhatADeadRunLeftRunning(t *testing.T) {
	t.Parallel()
	dead := owner(t, repository(t))
	a, mark := dead.build(t)
	dead.kill(t)
	require.Positive(t, count(t, mark))
	l := opened(t, dead.root)
	l.lock(t, "staging")
	require.Zero(t, count(t, mark), "before the lock is reported")
	require.Eventually(t, func() bool {
		_, err := l.Begin(t.Context(), a.Source)
		return err == nil
	}, soon, 50*time.Millisecond)

	command := commands(t, "sleep "+mark)
	command.Daemons = false
	l.install(t, source(t, "app", "1"))
	go func() { _ = l.Command(context.WithoutCancel(t.Context()), l.stage, l.run, command, nil) }()
	require.Eventually(t, func() bool { return count(t, mark) > 0 }, soon, 5*time.Millisecond)
	l.kill(t)
	opened(t, dead.root).lock(t, "staging")
	require.Zero(t, count(t, mark))
}

// TestBuildThatOutlivesItsAgentStillHoldsItsLock: a task of the agent itself, which nothing marks.
func TestBuildThatOutlivesItsAgentStillHoldsItsLock(t *testing.T) {
	t.Parallel()
	dead := owner(t, repository(t))
	a := source(t, "tiny", "1.0")
	dead.unpack(t, a)
	installer := dead.installer(t)
	slow := dead.inject(t, "symlink", "delay_enter=60s", 1)
	go func() {
		_, _ = dead.Environment(context.WithoutCancel(t.Context()), remote.EnvironmentRequest{Library: installer, Within: time.Minute}, nil)
	}()
	require.Eventually(t, func() bool { // what comes before the first link
		_, err := os.Stat(filepath.Join(dead.root, "tiny-1.0/.venv"))
		return err == nil
	}, soon, time.Millisecond)
	dead.kill(t)
	l := opened(t, dead.root)
	l.lock(t, "staging")
	require.DirExists(t, filepath.Join(l.root, "tiny-1.0"), "what is being built is not swept")
	_, err := l.Begin(t.Context(), a.Source)
	requireRefused(t, err, "locked")
	require.ErrorContains(t, err, "the build of tiny-1.0 is still running although its run has died: process ")
	require.ErrorContains(t, err, "(python")
	require.Equal(t, "ann@laptop", refusal(t, err).Holder.Who)

	_, command, found := strings.Cut(refusal(t, err).Hint, ": ")
	require.True(t, found)
	require.Regexp(t, `^kill( \d+)+$`, command)
	sh(t, "/", command)
	slow.stop()
	require.Eventually(t, func() bool {
		_, err := l.Begin(t.Context(), a.Source)
		return err == nil
	}, soon, 50*time.Millisecond)
}

// A process that a verification leaves may have escaped, with a clean environment and its own
// session. It must not hold the build lock.
func TestDaemonOfAVerificationDoesNotHoldTheBuildLock(t *testing.T) {
	t.Parallel()
	l, a := unsealed(t)
	mark := marker(t)
	t.Cleanup(func() { end(t, mark) })
	// env and setsid have the marker among their arguments, too: only as sleep it has escaped.
	daemon := "env -i setsid sleep " + mark + " >/dev/null 2>&1 & until grep -qx sleep /proc/$!/comm; do :; done"
	err := l.Run(t.Context(), commands(t, daemon), nil)
	require.NoError(t, err)
	require.Equal(t, 1, count(t, mark), "it has escaped: otherwise this test shows nothing")
	require.NoError(t, l.Close())
	l.requireEnd(t)
	next := opened(t, l.root)
	next.lock(t, "staging")
	_, err = next.Begin(t.Context(), a.Source)
	require.NoError(t, err)
}

// A process of a dead run would go on writing into the next package of that name.
func TestProcessesOfADeadRunAreKilledBeforeItsBuildIsRemoved(t *testing.T) {
	t.Parallel()
	dead, _ := unsealed(t)
	mark := marker(t)
	c := commands(t, "sleep "+mark)
	go func() { _ = dead.Run(context.WithoutCancel(t.Context()), c, nil) }()
	require.Eventually(t, func() bool { return count(t, mark) > 0 }, time.Minute, 5*time.Millisecond)
	dead.kill(t)
	l := opened(t, dead.root)
	l.lock(t, "staging")
	gone(t, mark)
	require.NoDirExists(t, filepath.Join(l.root, "app-1"))
}

// After a user removed the lock file, another run may build. The first one must not seal what both
// have built.
func TestBuilderWhoseLockFileWasRemovedDoesNotSeal(t *testing.T) {
	t.Parallel()
	l, a := unsealed(t)
	l.freeze(t)
	sh(t, l.root, "rm .kis/locks/build.app-1")
	_, err := l.Seal(t.Context(), a.Source, remote.Provenance{})
	requireRefused(t, err, "lock-lost")
	_, err = l.Environment(t.Context(), remote.EnvironmentRequest{Within: soon}, nil)
	requireRefused(t, err, "lock-lost")
	_, err = l.Wheels(t.Context(), remote.WheelsRequest{Within: soon}, nil, nil)
	requireRefused(t, err, "lock-lost")
	require.NoFileExists(t, filepath.Join(l.root, "app-1/.kis/receipt.json"))
}

// TestBuildDuringASweepIsNotRemoved: while a run removes abandoned builds, another begins to build
// one of these packages.
func TestBuildDuringASweepIsNotRemoved(t *testing.T) {
	t.Parallel()
	root := repository(t)
	other := opened(t, root)
	other.lock(t, "production")
	sh(t, root, building+"building aaa-1; building app-1; mkdir aaa-1/x; touch aaa-1/x/y")
	l := opened(t, root)
	slow := l.inject(t, "rmdir", "delay_enter=4s", 1) // of aaa-1
	locked, staging, run := make(chan error, 1), stage(t, "staging"), newRun()
	go func() {
		_, err := l.Lock(t.Context(), staging, run, remote.Holder{})
		locked <- err
	}()
	require.Eventually(t, func() bool {
		_, err := os.Stat(filepath.Join(root, "aaa-1/x/y"))
		return errors.Is(err, os.ErrNotExist)
	}, soon, time.Millisecond)
	_, err := l.Ping(t.Context())
	require.NoError(t, err)
	assert.Empty(t, locked, "the agent answers while it sweeps")
	a := source(t, "app", "1", file("x", "x"))
	other.install(t, a)
	require.NoError(t, <-locked)
	require.True(t, slow.happened(t))
	require.NoDirExists(t, filepath.Join(root, "aaa-1"))
	receipt, err := other.Begin(t.Context(), a.Source)
	require.NoError(t, err)
	require.NotNil(t, receipt, "it is a package, and not what a dead run has left")
}
