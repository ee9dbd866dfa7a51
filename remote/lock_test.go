package remote_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/timeouts"
	"github.com/keep-it-simple/kis/remote"
)

func TestUnlockedStageCanBeLockedByAnotherRun(t *testing.T) {
	t.Parallel()
	first := owner(t, repository(t))
	second := opened(t, first.root)
	require.NoError(t, first.Unlock(t.Context()))
	require.NoDirExists(t, first.locked.Directory)
	second.lock(t, "staging")
	_, err := first.Lock(t.Context(), stage(t, "staging"), first.run, remote.Holder{})
	requireRefused(t, err, "locked")
	require.NoError(t, second.Unlock(t.Context()))
	first.lock(t, "staging")
}

func TestStageInUseIsNotUnlocked(t *testing.T) {
	t.Parallel()
	l := owner(t, repository(t))
	l.unpack(t, source(t, "app", "1"))
	requireRefused(t, l.Unlock(t.Context()), "busy")
}

func TestBreakTerminatesTheHolderAndItsPreparedLink(t *testing.T) {
	t.Parallel()
	holder := installed(t, "1", "2")
	holder.link(t, "", "app-1")
	require.NoError(t, holder.Arm(t.Context(), holder.change(t, "app-1", "app-2"), soon))
	l := opened(t, holder.root)
	ended, err := l.Break(t.Context(), stage(t, "staging"), "", "bob@desk")
	require.NoError(t, err)
	require.NotNil(t, ended)
	assert.Equal(t, "ann@laptop", ended.Who)
	assert.Equal(t, "app-1", holder.linked(t))
	l.lock(t, "staging")
	assert.Empty(t, l.locked.Fenced, "the holder has taken it away itself")
	last := events(t, l.root)
	assert.Equal(t, []string{"aborted", "ended"}, last[len(last)-2:])
}

// While the user is asked, the run may end and another acquire the lock.
func TestBreakTerminatesTheNamedRunOnly(t *testing.T) {
	t.Parallel()
	holder := owner(t, repository(t))
	l := opened(t, holder.root)
	_, err := l.Break(t.Context(), holder.stage, newPart(), "bob@desk")
	requireRefused(t, err, "locked")
	require.Equal(t, holder.run.String(), refusal(t, err).Holder.Run)
	_, err = holder.Ping(t.Context())
	require.NoError(t, err)
	require.Empty(t, events(t, l.root))
	ended, err := l.Break(t.Context(), holder.stage, holder.run.String(), "bob@desk")
	require.NoError(t, err)
	require.Equal(t, holder.run.String(), ended.Run)
}

func TestBreakOfAFreeLockTerminatesNoProcess(t *testing.T) {
	t.Parallel()
	l := opened(t, repository(t))
	ended, err := l.Break(t.Context(), stage(t, "staging"), "", "bob@desk")
	require.NoError(t, err)
	require.Nil(t, ended)
}

// The number in the file may have been reused, or the holder may have written that of another
// process.
func TestBreakTerminatesOnlyTheHolder(t *testing.T) {
	t.Parallel()
	holder := owner(t, repository(t))
	path := filepath.Join(holder.root, ".kis/locks/staging")
	text, err := json.Marshal(map[string]any{"who": "ann@laptop", "pid": os.Getpid()})
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, text, 0o600))
	l := opened(t, holder.root)
	_, err = l.Break(t.Context(), stage(t, "staging"), "", "bob@desk")
	requireRefused(t, err, "holder-mismatch")
	_, err = holder.Ping(t.Context())
	require.NoError(t, err)
}

func TestFailedAfterLinkOfARollbackIsInTheJournal(t *testing.T) {
	t.Parallel()
	l := installed(t, "1", "2")
	l.link(t, "", "app-1")
	change := l.change(t, "app-1", "app-2")
	change.Note.After = true
	require.NoError(t, l.Arm(t.Context(), change, soon))
	_, err := l.Commit(t.Context(), l.run)
	require.NoError(t, err)
	requireRefused(t, l.Restarted(t.Context(), l.stage, l.run, true), "not-reverted")
	_, err = l.Revert(t.Context(), l.run)
	require.NoError(t, err)
	last := func() remote.Entry {
		facts, err := l.Check(t.Context(), remote.CheckRequest{Stage: stage(t, "staging")})
		require.NoError(t, err)
		last, some := remote.ParseJournal(facts.Stage.Lines).Last()
		require.True(t, some)
		require.Equal(t, remote.EventReverted, last.Event)
		require.True(t, last.After)
		return last
	}
	assert.False(t, last().Restarted, "until that is written they have not come to their end")
	require.NoError(t, l.Restarted(t.Context(), l.stage, l.run, false))
	assert.True(t, last().Restarted)
	assert.Equal(t, "not back in service after the rollback", last().Note)
	require.NoError(t, l.Restarted(t.Context(), l.stage, l.run, true))
	assert.Empty(t, last().Note)
}

func TestChangedLinkedPackageIsReported(t *testing.T) {
	t.Parallel()
	l := owner(t, repository(t))
	receipt := l.install(t, source(t, "app", "1"))
	l.link(t, "", "app-1")
	request := remote.CheckRequest{Stage: stage(t, "staging")}
	facts, err := l.Check(t.Context(), request)
	require.NoError(t, err)
	require.Nil(t, facts.Stage.Changed)
	require.Positive(t, receipt.Size)
	require.Positive(t, receipt.Files)
	sh(t, l.root, "chmod u+w app-1; echo '# patched' >app-1/patch.py")
	facts, err = l.Check(t.Context(), request)
	require.NoError(t, err)
	require.NotNil(t, facts.Stage.Changed)
	assert.Equal(t, remote.CodeChangedPackage, facts.Stage.Changed.Code)
	assert.Empty(t, facts.Problems, "another package can be pushed all the same")
	state, err := l.State(t.Context(), remote.StateRequest{})
	require.NoError(t, err)
	require.NotNil(t, state.Stages[0].Changed)
}

// Damage of the lock file does not release the lock.
func TestDamagedLockFileIsStillALock(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"nothing": "", "no JSON": "{", "no object": "[1]", "no time": `{"who":"x","since":""}`, "an unusual time": `{"since":"2026-99-99T00:00:00Z"}`, "a short time": `{"since":"2026-1-1T0:0:0Z"}`,
		"no numbers": `{"who":1,"pid":"7","since":true,"what":null}`, "more than there should be": `{"who":"x","else":{}}`,
		"nested without end": strings.Repeat("[", 4096), "nested deeply": `{"x":` + strings.Repeat("[", 1500) + strings.Repeat("]", 1500) + `}`, "no number of a process": `{"pid":` + strings.Repeat("9", 40) + `}`,
		"no number at all": `{"pid":NaN}`, "no UTF-8": "{\"who\":\"\xff\"}",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			holder := owner(t, repository(t))
			require.NoError(t, os.WriteFile(filepath.Join(holder.root, ".kis/locks/staging"), []byte(text), 0o600))
			l := opened(t, holder.root)
			_, err := l.Lock(t.Context(), stage(t, "staging"), newRun(), remote.Holder{})
			requireRefused(t, err, "locked")
			facts, err := l.Check(t.Context(), remote.CheckRequest{Stage: stage(t, "staging")})
			require.NoError(t, err)
			require.NotNil(t, facts.Stage.Holder)
		})
	}
}

// To kill(2), 0 means the group of the caller, and -1 every process.
func TestLockFileMustNameOneProcess(t *testing.T) {
	t.Parallel()
	for _, pid := range []string{"0", "-1", "1", "true", "1e3", strings.Repeat("9", 30)} {
		t.Run(pid, func(t *testing.T) {
			t.Parallel()
			holder := owner(t, repository(t))
			require.NoError(t, os.WriteFile(filepath.Join(holder.root, ".kis/locks/staging"), []byte(`{"who":"ann@laptop","pid":`+pid+`}`), 0o600))
			l := opened(t, holder.root)
			facts, err := l.Check(t.Context(), remote.CheckRequest{Stage: holder.stage})
			require.NoError(t, err)
			require.NotNil(t, facts.Stage.Holder)
			require.Zero(t, facts.Stage.Holder.PID)
			_, err = l.Break(t.Context(), holder.stage, "", "bob@desk")
			requireRefused(t, err, "holder-mismatch")
			_, err = holder.Ping(t.Context())
			require.NoError(t, err)
		})
	}
}

// Stages may have any valid name, also that of a file in .kis/locks.
func TestStageMayHaveTheNameOfAnotherLock(t *testing.T) {
	t.Parallel()
	l := opened(t, repository(t))
	l.lock(t, "runs")
}

// A waiting agent notices neither commands nor the end of its connection.
func TestWaitForTheGuardLockIsBounded(t *testing.T) {
	t.Parallel()
	l := opened(t, repository(t))
	l.lock(t, "production") // makes the directories
	guard, err := os.OpenFile(filepath.Join(l.root, ".kis/locks/run.directories"), os.O_RDWR, 0)
	require.NoError(t, err)
	t.Cleanup(func() { _ = guard.Close() })
	require.NoError(t, syscall.Flock(int(guard.Fd()), syscall.LOCK_EX))
	second := opened(t, l.root)
	_, err = second.Lock(t.Context(), stage(t, "staging"), newRun(), remote.Holder{})
	requireRefused(t, err, "locked")
	require.NoError(t, guard.Close())
	second.lock(t, "staging") // the refusal has left no lock behind
}

// A stopped agent is killed after a grace period; otherwise its own run could not continue.
func TestEvictKillsAStoppedAgent(t *testing.T) {
	t.Parallel()
	l := armed(t)
	require.NoError(t, l.command.Process.Signal(syscall.SIGSTOP))
	bounds := timeouts.Default()
	bounds.TermGrace /= 10
	other := openedWithin(t, l.root, bounds)
	require.NoError(t, other.Evict(t.Context(), l.stage, l.run))
	l.requireEnd(t)
	_, err := other.Lock(t.Context(), l.stage, l.run, remote.Holder{})
	require.NoError(t, err)
}

// The network is lost and neither side notices: only the lease ends the agent. It removes the
// prepared link and releases the lock.
func TestASilentControllerLosesItsLease(t *testing.T) {
	t.Parallel()
	base := installed(t, "1", "2")
	require.NoError(t, base.Close())
	base.requireEnd(t)
	bounds := timeouts.Default()
	bounds.Lease /= 10
	bounds.Ping = time.Hour // which keeps this side silent
	l := openedWithin(t, base.root, bounds)
	l.lock(t, "staging")
	require.NoError(t, l.Arm(t.Context(), l.change(t, "", "app-1"), time.Hour))
	l.requireEnd(t)
	requireNothingArmed(t, l.root)
	successor(t, l).link(t, "", "app-2")
}

// A run that lost its session acquires its lock again, unless another run has worked since, even if
// the link is the same.
func TestLockIsAcquiredAgainUnlessAnotherRunHasWorked(t *testing.T) {
	t.Parallel()
	ann := remote.Holder{Who: "ann@laptop", What: "push"}
	for name, c := range map[string]struct {
		meanwhile func(t *testing.T, root string, l *local)
		refusal   string
	}{
		"no other run": {func(*testing.T, string, *local) {}, ""},
		"another run that only held the lock": {func(t *testing.T, root string, _ *local) {
			other := opened(t, root)
			other.lock(t, "staging")
			require.NoError(t, other.Unlock(t.Context()))
		}, ""},
		"another run, which has gone back and linked the same": {func(t *testing.T, root string, _ *local) {
			other := opened(t, root)
			other.lock(t, "staging")
			other.link(t, "app-2", "app-1")
			other.link(t, "app-1", "app-2")
			require.NoError(t, other.Close())
		}, "another run has worked on this stage meanwhile: push by ann@laptop"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := installed(t, "1", "2")
			l.link(t, "", "app-1")
			require.NoError(t, l.Arm(t.Context(), l.change(t, "app-1", "app-2"), soon))
			_, err := l.Commit(t.Context(), l.run)
			require.NoError(t, err)
			require.NoError(t, l.Close())
			l.requireEnd(t)
			c.meanwhile(t, l.root, l)
			again := opened(t, l.root)
			_, err = again.LockAgain(t.Context(), l.stage, l.run, ann, l.locked)
			if c.refusal == "" {
				require.NoError(t, err)
				return
			}
			requireRefused(t, err, "taken")
			assert.Equal(t, c.refusal, refusal(t, err).Message)
		})
	}
}

// A run that a user terminated does not acquire it again either.
func TestTerminatedRunDoesNotAcquireItsLockAgain(t *testing.T) {
	t.Parallel()
	l := armed(t)
	_, err := l.Commit(t.Context(), l.run)
	require.NoError(t, err)
	other := opened(t, l.root)
	_, err = other.Break(t.Context(), l.stage, l.run.String(), "bob@desk")
	require.NoError(t, err)
	l.requireEnd(t)
	_, err = other.LockAgain(t.Context(), l.stage, l.run, remote.Holder{}, l.locked)
	requireRefused(t, err, "taken")
	assert.Equal(t, "this run was ended by bob@desk with kis unlock --force", refusal(t, err).Message)
	assert.Equal(t, "app-2", l.linked(t))
	other.lock(t, "staging") // anybody else does
}
