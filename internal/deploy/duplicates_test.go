package deploy_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/event"
	"github.com/keep-it-simple/kis/internal/testenv/oracle"
)

// share gives two repositories what they would have in common if they were one, on a file system
// that two machines see: made between the check, which finds them empty and on different devices,
// and the lock.
func share(t *testing.T, w *world, then func(run, kis string)) func(event.Event) {
	t.Helper()
	checked := 0
	return func(e event.Event) {
		if e.Step != event.StepCheck || e.State != event.Done {
			return
		}
		if checked++; checked < len(w.roots) {
			return
		}
		for _, root := range w.roots {
			kis := filepath.Join(root.Root, ".kis")
			assert.NoError(t, os.MkdirAll(filepath.Join(kis, "locks"), 0o700)) //nolint:testifylint // not in the goroutine of the test
			then(e.Run, kis)
		}
	}
}

func TestTwoMachinesThatShareARepositoryAreKnownByItsHostID(t *testing.T) {
	t.Parallel()
	w := newWorld(t, embedded, 2)
	report := w.run(t.Context(), t, push(t, "1.0"), share(t, w, func(_, kis string) {
		assert.NoError(t, os.WriteFile(filepath.Join(kis, "host-id"), []byte("5eed5eed5eed5eed5eed5eed5eed5eed\n"), 0o600))
	}))
	assert.Equal(t, 3, report.Exit)
	require.Len(t, report.Failures, 1)
	assert.Equal(t, event.CodeSameRepository, report.Failures[0].Code)
	assert.Contains(t, report.Failures[0].Message, "web1 and web2 are the same package repository (")
	assert.Contains(t, report.Failures[0].Message, "host-id 5eed5eed5eed5eed5eed5eed5eed5eed")
	assert.Contains(t, report.Failures[0].Hint, "remove one of them from the stage")
}

// TestACloneWithAHostIDOfItsOwnIsAccepted: a repository that was copied with its host-id is refused
// like one that two machines share. The command of the hint fixes it, whatever the copy is linked
// to.
func TestACloneWithAHostIDOfItsOwnIsAccepted(t *testing.T) {
	t.Parallel()
	w := newWorld(t, embedded, 2)
	both := w.hosts
	w.hosts, w.roots = both[:1], w.roots[:1]
	w.install(t, "1.0", "1.1")
	plan := push(t, "1.0")
	require.Empty(t, w.run(t.Context(), t, plan, nil).Failures)
	sh := func(text string) {
		out, err := exec.CommandContext(t.Context(), "sh", "-ec", text).CombinedOutput()
		require.NoError(t, err, "%s", out)
	}
	sh(fmt.Sprintf("rm -rf %[2]s && cp -a %[1]s %[2]s", both[0].Root, both[1].Root))
	w.hosts, w.roots = both, append(w.roots, oracle.Host{Name: both[1].Name, Root: both[1].Root})
	r := w.run(t.Context(), t, plan, nil)
	require.Equal(t, event.Aborted, r.Outcome)
	require.Len(t, r.Failures, 1)
	assert.Contains(t, r.Failures[0].Message, ", or one is a copy of the other")
	_, command, found := strings.Cut(r.Failures[0].Hint, "makes a new one: ssh web2 ")
	require.True(t, found, r.Failures[0].Hint)
	require.Equal(t, "rm "+both[1].Root+"/.kis/host-id", command)
	sh(command)
	require.Empty(t, w.run(t.Context(), t, plan, nil).Failures)
	require.Empty(t, w.run(t.Context(), t, push(t, "1.1"), nil).Failures)
	ids := map[string]bool{}
	for _, h := range both {
		id, err := os.ReadFile(filepath.Join(h.Root, ".kis", "host-id"))
		require.NoError(t, err)
		ids[string(id)] = true
	}
	assert.Len(t, ids, 2)
}

// Where locks work between the machines, the second name finds the lock taken, by the same run.
func TestALockThatTheRunHoldsUnderAnotherNameIsNoOtherRun(t *testing.T) {
	t.Parallel()
	w := newWorld(t, embedded, 2)
	var held []*os.File
	fault := share(t, w, func(run, kis string) {
		if filepath.Dir(kis) != w.roots[1].Root {
			return
		}
		lock, err := os.Create(filepath.Join(kis, "locks", "staging"))
		if assert.NoError(t, err) {
			_, err = fmt.Fprintf(lock, `{"who":"test@laptop","run":%q}`, run)
			assert.NoError(t, err)
			assert.NoError(t, syscall.Flock(int(lock.Fd()), syscall.LOCK_EX))
			held = append(held, lock)
		}
	})
	report := w.run(t.Context(), t, push(t, "1.0"), func(e event.Event) {
		fault(e)
		if e.Type == event.TypeReport {
			for _, lock := range held {
				assert.NoError(t, lock.Close())
			}
		}
	})
	assert.Len(t, held, 1)
	assert.Equal(t, 3, report.Exit, "not 6: waiting would not help")
	require.Len(t, report.Failures, 1)
	assert.Equal(t, event.CodeSameRepository, report.Failures[0].Code)
	assert.Contains(t, report.Failures[0].Message, "another of its hosts is the same package repository")
}
