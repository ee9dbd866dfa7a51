package remote_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/remote"
)

// calls are the names of a system call, which differ between architectures.
func calls(group string) string {
	switch group {
	case "rename":
		return "?rename,?renameat,?renameat2"
	case "unlink", "symlink", "mkdir":
		return "?" + group + ",?" + group + "at"
	}
	return group
}

// injection is an strace(1) that fails one system call of an agent.
type injection struct {
	stop func()
	log  string
}

// inject makes the n-th call of a group, counted from now, fail with fault: the name of an error or
// signal. Or it is late: delay_enter=2s.
func (l *local) inject(t *testing.T, group, fault string, n int) injection {
	t.Helper()
	what := "error=" + fault
	switch {
	case strings.HasPrefix(fault, "SIG"):
		what = "signal=" + fault
	case strings.HasPrefix(fault, "delay_"):
		what = fault
	}
	log := filepath.Join(t.TempDir(), "strace")
	c := exec.Command("strace", "-f", "-o", log, "-e", "trace="+calls(group), "-e", fmt.Sprintf("inject=%s:%s:when=%d", calls(group), what, n),
		"-p", fmt.Sprint(l.command.Process.Pid))
	said, err := c.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, c.Start())
	line, err := bufio.NewReader(said).ReadString('\n')
	require.NoError(t, err)
	require.Contains(t, line, "attached", "strace must be able to trace its own children")
	over := false
	stop := func() {
		if !over {
			over = true
			_ = c.Process.Signal(os.Interrupt) // detaches
			_ = c.Wait()
		}
	}
	t.Cleanup(stop)
	return injection{stop: stop, log: log}
}

// happened ends the injection and reports whether there was an n-th call.
func (i injection) happened(t *testing.T) bool {
	t.Helper()
	i.stop()
	text, err := os.ReadFile(i.log)
	require.NoError(t, err)
	return strings.Contains(string(text), "(INJECTED)") || strings.Contains(string(text), "(DELAYED)") || strings.Contains(string(text), "--- SIGTERM") || strings.Contains(string(text), "killed by SIGKILL")
}

// said returns the result of a call as one word.
func said(err error) string {
	var refused *remote.Refused
	switch {
	case err == nil:
		return "done"
	case errors.As(err, &refused):
		return "refused"
	}
	return "lost"
}

func TestSwitchWithoutFsyncIsASwitch(t *testing.T) {
	t.Parallel()
	l := armed(t)
	broken := l.inject(t, "fsync", "EIO", 1)
	switched, err := l.Commit(t.Context(), l.run)
	require.NoError(t, err)
	require.True(t, broken.happened(t))
	require.False(t, switched.Durable)
	require.Equal(t, "app-2", l.linked(t))
	require.NoError(t, l.Confirm(t.Context(), l.run, remote.Note{}))
}

// An agent may die between the rename and its fsync. The next agent calls fsync before it reports
// the link.
func TestLinkOfAnotherAgentIsFlushedBeforeItIsReported(t *testing.T) {
	t.Parallel()
	for name, ask := range map[string]func(l *local, change remote.Link) (bool, error){
		"fence": func(l *local, change remote.Link) (bool, error) {
			fenced, err := l.Fence(t.Context(), change.Stage, change.Run)
			return fenced.Durable, err
		},
		"resume": func(l *local, change remote.Link) (bool, error) { return l.Resume(t.Context(), change) },
	} {
		for _, durable := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s %v", name, durable), func(t *testing.T) {
				t.Parallel()
				l := armed(t)
				l.inject(t, "fsync", "SIGKILL", 1)
				_, err := l.Commit(t.Context(), l.run)
				requireLost(t, err)
				l.requireEnd(t)
				require.Equal(t, "app-2", l.linked(t))
				next := successor(t, l)
				change := next.change(t, "app-1", "app-2")
				at := 1
				if durable {
					at = 1000
				}
				flushes := next.inject(t, "fsync", "EIO", at)
				told, err := ask(next, change)
				require.NoError(t, err)
				require.Equal(t, durable, told)
				flushes.stop()
				text, err := os.ReadFile(flushes.log)
				require.NoError(t, err)
				require.Contains(t, string(text), "fsync(", "the directory is flushed")
			})
		}
	}
}

// The next run removes the prepared link. This run must not commit any more.
func TestAbortHoldsIfThePreparedLinkCannotBeRemoved(t *testing.T) {
	t.Parallel()
	l := armed(t)
	broken := l.inject(t, "unlink", "EIO", 1)
	require.NoError(t, l.Abort(t.Context()))
	require.True(t, broken.happened(t))
	_, err := l.Commit(t.Context(), l.run)
	requireRefused(t, err, "not-armed")
	require.NoError(t, l.Close())
	requireEvents(t, l.root, "armed", "linked", "confirmed", "armed", "aborted")
	next := successor(t, l)
	require.Equal(t, []string{l.run.String()}, next.locked.Fenced)
	requireNothingArmed(t, l.root)
}

// SIGTERM comes from a run that lost its session. It must not separate a rename from the record
// that it has happened.
func TestSignalDuringTheRenameKeepsTheJournalTrue(t *testing.T) {
	t.Parallel()
	l := armed(t)
	broken := l.inject(t, "rename", "SIGTERM", 1)
	ctx, cancel := context.WithTimeout(t.Context(), soon)
	defer cancel()
	_, err := l.Commit(ctx, l.run)
	assert.NotEqual(t, "refused", said(err))
	l.requireEnd(t)
	require.True(t, broken.happened(t))
	require.Equal(t, "app-2", l.linked(t))
	requireEvents(t, l.root, "armed", "linked", "confirmed", "armed", "linked", "unconfirmed")
}

// clone copies a repository with its packages, preserving times, which receipts include.
func clone(t *testing.T, root string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "webcode")
	out, err := exec.Command("cp", "-a", root, to).CombinedOutput()
	require.NoError(t, err, "%s", out)
	return to
}

func requireNoProbe(t *testing.T, root string) {
	t.Helper()
	left, err := filepath.Glob(filepath.Join(root, ".kis-probe.*"))
	require.NoError(t, err)
	require.Empty(t, left)
}
