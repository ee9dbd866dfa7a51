package remote_test

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/remote"
)

// armed is an owner with app-1 linked and app-2 armed.
func armed(t *testing.T) *local {
	t.Helper()
	l := installed(t, "1", "2")
	l.link(t, "", "app-1")
	require.NoError(t, l.Arm(t.Context(), l.change(t, "app-1", "app-2"), soon))
	return l
}

// successor is the next run on a repository whose last owner is dead. It links app-2, which proves
// that nothing blocks it.
func successor(t *testing.T, dead *local) *local {
	t.Helper()
	l := opened(t, dead.root)
	l.lock(t, "staging")
	require.Equal(t, l.linked(t), l.locked.Linked)
	return l
}

func TestArmComparesBeforeItPrepares(t *testing.T) {
	t.Parallel()
	l := installed(t, "1", "2")
	requireRefused(t, l.Arm(t.Context(), l.change(t, "app-1", "app-2"), soon), "link-changed")
	l.link(t, "", "app-1")
	requireRefused(t, l.Arm(t.Context(), l.change(t, "", "app-2"), soon), "link-changed")
	requireRefused(t, l.Arm(t.Context(), l.change(t, "app-1", "app-1"), soon), "already-linked")
	requireRefused(t, l.Arm(t.Context(), l.change(t, "app-1", "app-3"), soon), "no-package")
	require.Equal(t, "app-1", l.linked(t))
	requireEvents(t, l.root, "armed", "linked", "confirmed")
}

func TestOnlyTheOwnerOfAStageLinksIt(t *testing.T) {
	t.Parallel()
	l := installed(t, "1")
	other := l.change(t, "", "app-1")
	other.Stage = stage(t, "production")
	requireRefused(t, l.Arm(t.Context(), other, soon), "not-locked")
	foreign := l.change(t, "", "app-1")
	foreign.Run = newRun()
	requireRefused(t, l.Arm(t.Context(), foreign, soon), "not-locked")
	second := opened(t, l.root)
	requireRefused(t, second.Arm(t.Context(), l.change(t, "", "app-1"), soon), "not-locked")
	requireRefused(t, second.resume(t, l.change(t, "", "app-1")), "not-locked")
}

func TestAfterLinkCommandsNeedTheLock(t *testing.T) {
	t.Parallel()
	l, ran := installed(t, "1"), filepath.Join(t.TempDir(), "ran")
	c := commands(t, "touch "+ran)
	requireRefused(t, l.Command(t.Context(), stage(t, "production"), l.run, c, nil), "not-locked")
	requireRefused(t, l.Command(t.Context(), l.stage, newRun(), c, nil), "not-locked")
	second := opened(t, l.root)
	requireRefused(t, second.Command(t.Context(), l.stage, l.run, c, nil), "not-locked")
	require.NoFileExists(t, ran)
	require.NoError(t, l.Command(t.Context(), l.stage, l.run, c, nil))
	require.FileExists(t, ran)
}

func TestRemovedLockFileStopsTheRun(t *testing.T) {
	t.Parallel()
	l := installed(t, "1", "2")
	l.link(t, "", "app-1")
	change := l.change(t, "app-1", "app-2")
	require.NoError(t, l.Arm(t.Context(), change, soon))
	_, err := l.Commit(t.Context(), l.run)
	require.NoError(t, err)
	require.NoError(t, os.Remove(filepath.Join(l.root, ".kis/locks/staging")))
	requireRefused(t, l.Command(t.Context(), l.stage, l.run, commands(t, "true"), nil), "lock-lost")
	requireRefused(t, l.Confirm(t.Context(), l.run, remote.Note{}), "lock-lost")
	requireRefused(t, l.Restarted(t.Context(), l.stage, l.run, true), "lock-lost")
	_, err = l.Revert(t.Context(), l.run)
	requireRefused(t, err, "lock-lost")
	require.Equal(t, "app-2", l.linked(t))
}

func TestOneSwitchAtATime(t *testing.T) {
	t.Parallel()
	l := armed(t)
	requireRefused(t, l.Arm(t.Context(), l.change(t, "app-1", "app-2"), soon), "switch-open")
	_, err := l.Commit(t.Context(), newRun())
	requireRefused(t, err, "other-run")
	_, err = l.Commit(t.Context(), l.run)
	require.NoError(t, err)
	requireRefused(t, l.Arm(t.Context(), l.change(t, "app-2", "app-1"), soon), "switch-open")
	require.NoError(t, l.Confirm(t.Context(), l.run, remote.Note{Skew: 0.25}))
	_, err = l.Revert(t.Context(), l.run)
	requireRefused(t, err, "not-linked")
	state, err := l.State(t.Context(), remote.StateRequest{})
	require.NoError(t, err)
	last, _ := remote.ParseJournal(state.Stages[0].Lines).Last()
	require.InDelta(t, 0.25, last.Skew, 0)
}

func TestAbortRemovesThePreparedLink(t *testing.T) {
	t.Parallel()
	l := armed(t)
	require.NoError(t, l.Abort(t.Context()))
	require.NoError(t, l.Abort(t.Context()))
	_, err := l.Commit(t.Context(), l.run)
	requireRefused(t, err, "not-armed")
	requireEvents(t, l.root, "armed", "linked", "confirmed", "armed", "aborted")
	requireNothingArmed(t, l.root)
	l.link(t, "app-1", "app-2")
}

func requireNothingArmed(t *testing.T, root string) {
	t.Helper()
	left, err := os.ReadDir(filepath.Join(root, ".kis/armed"))
	require.NoError(t, err)
	require.Empty(t, left)
}

func TestPreparedLinkExpires(t *testing.T) {
	t.Parallel()
	l := installed(t, "1", "2")
	l.link(t, "", "app-1")
	require.NoError(t, l.Arm(t.Context(), l.change(t, "app-1", "app-2"), 200*time.Millisecond))
	requireEvents(t, l.root, "armed", "linked", "confirmed", "armed", "aborted")
	requireNothingArmed(t, l.root)
	_, err := l.Commit(t.Context(), l.run)
	requireRefused(t, err, "not-armed")
	require.Equal(t, "app-1", l.linked(t))
}

func TestCommitAfterTheDeadlineIsRefused(t *testing.T) {
	t.Parallel()
	l := installed(t, "1")
	require.NoError(t, l.Arm(t.Context(), l.change(t, "", "app-1"), 0))
	_, err := l.Commit(t.Context(), l.run)
	require.Contains(t, []remote.Code{remote.CodeDeadline, remote.CodeNotArmed}, refusal(t, err).Code)
	require.Empty(t, l.linked(t))
	requireEvents(t, l.root, "armed", "aborted")
}

func TestLostConnectionWhileArmedLeavesTheOldLink(t *testing.T) {
	t.Parallel()
	l := armed(t)
	l.stop()
	l.requireEnd(t)
	requireNothingArmed(t, l.root)
	requireEvents(t, l.root, "armed", "linked", "confirmed", "armed", "aborted")
	next := successor(t, l)
	require.Empty(t, next.locked.Fenced)
	next.link(t, "app-1", "app-2")
}

func TestLostConnectionWhileLinkedIsUnconfirmed(t *testing.T) {
	t.Parallel()
	l := armed(t)
	_, err := l.Commit(t.Context(), l.run)
	require.NoError(t, err)
	l.stop()
	l.requireEnd(t)
	requireEvents(t, l.root, "armed", "linked", "confirmed", "armed", "linked", "unconfirmed")
	next := successor(t, l)
	require.Equal(t, "app-2", next.locked.Linked)
	require.NoError(t, next.resume(t, next.change(t, "app-1", "app-2")))
	require.NoError(t, next.Confirm(t.Context(), next.run, remote.Note{}))
	requireEvents(t, l.root, "armed", "linked", "confirmed", "armed", "linked", "unconfirmed", "confirmed")
}

func TestAgentKilledWhileArmedIsFencedByTheNextRun(t *testing.T) {
	t.Parallel()
	l := armed(t)
	l.kill(t)
	next := successor(t, l)
	require.Equal(t, []string{l.run.String()}, next.locked.Fenced)
	requireNothingArmed(t, l.root)
	requireEvents(t, l.root, "armed", "linked", "confirmed", "armed", "aborted")
	next.link(t, "app-1", "app-2")
}

func TestResumedSwitchCanBeReverted(t *testing.T) {
	t.Parallel()
	l := armed(t)
	_, err := l.Commit(t.Context(), l.run)
	require.NoError(t, err)
	l.kill(t)
	next := successor(t, l)
	wrong := next.change(t, "app-2", "app-1")
	requireRefused(t, next.resume(t, wrong), "link-changed")
	require.NoError(t, next.resume(t, next.change(t, "app-1", "app-2")))
	_, err = next.Revert(t.Context(), next.run)
	require.NoError(t, err)
	require.Equal(t, "app-1", next.linked(t))
	requireEvents(t, l.root, "armed", "linked", "confirmed", "armed", "linked", "reverted")
}

func TestRevertOfTheFirstLinkRemovesIt(t *testing.T) {
	t.Parallel()
	l := installed(t, "1")
	require.NoError(t, l.Arm(t.Context(), l.change(t, "", "app-1"), soon))
	_, err := l.Commit(t.Context(), l.run)
	require.NoError(t, err)
	_, err = l.Revert(t.Context(), l.run)
	require.NoError(t, err)
	require.Empty(t, l.linked(t))
	requireEvents(t, l.root, "armed", "linked", "reverted")
}

func TestFenceDecidesWhetherARunHasLinked(t *testing.T) {
	t.Parallel()
	l := armed(t)
	asking := opened(t, l.root)
	fenced, err := asking.Fence(t.Context(), l.stage, l.run)
	require.NoError(t, err)
	require.Equal(t, remote.Fenced{Fenced: true, Linked: "app-1", Durable: true}, fenced)
	_, err = l.Commit(t.Context(), l.run)
	requireRefused(t, err, "cannot-rename")
	assert.Equal(t, "ENOENT", refusal(t, err).Errno)
	require.Equal(t, "app-1", l.linked(t))

	require.NoError(t, l.Arm(t.Context(), l.change(t, "app-1", "app-2"), soon))
	_, err = l.Commit(t.Context(), l.run)
	require.NoError(t, err)
	fenced, err = asking.Fence(t.Context(), l.stage, l.run)
	require.NoError(t, err)
	require.Equal(t, remote.Fenced{Linked: "app-2", Durable: true}, fenced)
}

func TestEvictEndsTheAgentOfThisRunOnly(t *testing.T) {
	t.Parallel()
	l := armed(t)
	other := opened(t, l.root)
	require.NoError(t, other.Evict(t.Context(), l.stage, newRun()))
	_, err := l.Ping(t.Context())
	require.NoError(t, err)
	require.NoError(t, other.Evict(t.Context(), l.stage, l.run))
	l.requireEnd(t)
	requireEvents(t, l.root, "armed", "linked", "confirmed", "armed", "aborted")
	_, err = other.Lock(t.Context(), l.stage, l.run, remote.Holder{})
	require.NoError(t, err, "the same run may go on over another connection")
}

// A connection may deliver only a part of the commit. Anything but a complete one leaves the link
// unchanged.
func TestPartialCommitDoesNotLink(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		word func(whole string) string
		ends bool // the agent ends the session at once
	}{
		"without its end":         {func(whole string) string { return whole }, false},
		"the first half":          {func(whole string) string { return whole[:len(whole)/2] }, false},
		"all but the last letter": {func(whole string) string { return whole[:len(whole)-1] + "\n" }, true},
		"of another run":          {func(string) string { return `{"id":99,"op":"commit","run":"` + newPart() + `"}` + "\n" }, false},
		"of no run":               {func(string) string { return `{"id":99,"op":"commit"}` + "\n" }, false},
		"another end of line":     {func(whole string) string { return whole + "\r" }, false},
		"with a NUL":              {func(whole string) string { return whole + "\x00\n" }, true},
		"with a CR in it":         {func(whole string) string { return strings.Replace(whole, "commit", "com\rmit", 1) + "\n" }, true},
		"behind garbage":          {func(whole string) string { return strings.Repeat("\xc3garbage", 640) + whole + "\n" }, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := armed(t)
			_, err := io.WriteString(l.in, c.word(`{"id":99,"op":"commit","run":"`+l.run.String()+`"}`))
			require.NoError(t, err)
			if !c.ends {
				l.stop()
			}
			l.requireEnd(t)
			require.Equal(t, "app-1", l.linked(t))
			requireNothingArmed(t, l.root)
			requireEvents(t, l.root, "armed", "linked", "confirmed", "armed", "aborted")
		})
	}
	t.Run("and the whole word links", func(t *testing.T) {
		t.Parallel()
		l := armed(t)
		_, err := io.WriteString(l.in, `{"id":99,"op":"commit","run":"`+l.run.String()+`"}`+"\n")
		require.NoError(t, err)
		require.Eventually(t, func() bool { return l.linked(t) == "app-2" }, soon, 5*time.Millisecond)
	})
}

// Between arm and commit a user changes something. The answer of the agent must be true.
func TestChangesOutsideKisAreNoticedBeforeTheCommit(t *testing.T) {
	t.Parallel()
	const noLink = "not a link"
	for name, test := range map[string]struct {
		by     string
		code   remote.Code
		linked string
	}{
		"another link":    {"ln -sfn app-3 staging", "link-changed", "app-3"},
		"link gone":       {"rm staging", "link-changed", ""},
		"a directory":     {"rm staging; mkdir staging", "stage-not-link", noLink},
		"a file":          {"rm staging; touch staging", "stage-not-link", noLink},
		"package gone":    {"chmod -R u+w app-2; rm -r app-2", "no-package", "app-1"},
		"receipt gone":    {"chmod u+w app-2/.kis; rm app-2/.kis/receipt.json", "unsealed", "app-1"},
		"lock file gone":  {"rm .kis/locks/staging", "lock-lost", "app-1"},
		"lock file other": {"rm .kis/locks/staging; touch .kis/locks/staging", "lock-lost", "app-1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := armed(t)
			sh(t, l.root, test.by)
			_, err := l.Commit(t.Context(), l.run)
			requireRefused(t, err, test.code)
			if test.linked != noLink {
				require.Equal(t, test.linked, l.linked(t))
			}
			requireNothingArmed(t, l.root)
			requireEvents(t, l.root, "armed", "linked", "confirmed", "armed", "aborted")
		})
	}
}

func TestConfirmComparesTheLink(t *testing.T) {
	t.Parallel()
	l := armed(t)
	_, err := l.Commit(t.Context(), l.run)
	require.NoError(t, err)
	sh(t, l.root, "ln -sfn app-1 staging")
	requireRefused(t, l.Confirm(t.Context(), l.run, remote.Note{}), "link-changed")
	_, err = l.Revert(t.Context(), l.run)
	requireRefused(t, err, "link-changed")
}

// TestUnrecordedConfirmationIsReported: the line is all that the command writes, and status depends
// on it.
func TestUnrecordedConfirmationIsReported(t *testing.T) {
	t.Parallel()
	l := armed(t)
	_, err := l.Commit(t.Context(), l.run)
	require.NoError(t, err)
	sh(t, l.root, "cd .kis/journal; mv staging away; mkdir staging")
	err = l.Confirm(t.Context(), l.run, remote.Note{})
	requireRefused(t, err, "not-recorded")
	require.ErrorContains(t, err, "/.kis/journal/staging: is a directory")
	require.Equal(t, "app-2", l.linked(t))
	sh(t, l.root, "cd .kis/journal; rmdir staging; mv away staging")
	l.stop()
	l.requireEnd(t)
	requireEvents(t, l.root, "armed", "linked", "confirmed", "armed", "linked", "unconfirmed")
}
