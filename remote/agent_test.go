package remote_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/name"
	"github.com/keep-it-simple/kis/internal/testenv/agenttest"
	"github.com/keep-it-simple/kis/remote"
)

// unused is an empty package repository on this machine.
func unused(t *testing.T) string {
	t.Helper()
	root := filepath.Join(t.TempDir(), "webcode")
	require.NoError(t, os.Mkdir(root, 0o755))
	return root
}

// repository is a package repository in which a run has worked before: the agent has kept its own
// modules there, compiled, and no longer needs half a session's time for them.
func repository(t *testing.T) string {
	t.Helper()
	root := unused(t)
	agenttest.Modules(t, "/usr/bin/python3", root)
	return root
}

// pushed is repository after a first push, with the pip in it that this unpacks.
func pushed(t *testing.T) string {
	t.Helper()
	root := unused(t)
	agenttest.Into(t, "/usr/bin/python3", root)
	return root
}

func stage(t *testing.T, text string) name.Stage {
	t.Helper()
	s, err := name.ParseStage(text)
	require.NoError(t, err)
	return s
}

func TestAgentChecksAnEmptyRepositoryAndWritesNothing(t *testing.T) {
	t.Parallel()
	root := unused(t)
	agent := opened(t, root)
	facts, err := agent.Check(t.Context(), remote.CheckRequest{Stage: stage(t, "staging"), Build: true, NeedBytes: 1})
	require.NoError(t, err)
	require.Empty(t, facts.Problems)
	require.Empty(t, facts.Stage.Linked)
	entries, err := os.ReadDir(root)
	require.NoError(t, err)
	require.Empty(t, entries)
}

func TestLockIsHeldByOneRunOnly(t *testing.T) {
	t.Parallel()
	root := repository(t)
	first, second := owner(t, root), opened(t, root)
	_, err := second.Lock(t.Context(), first.stage, newRun(), remote.Holder{Who: "bob@laptop"})
	requireRefused(t, err, "locked")
	refused := refusal(t, err)
	require.Equal(t, "ann@laptop", refused.Holder.Who)
	require.Equal(t, "push staging", refused.Holder.What)
	require.Equal(t, first.command.Process.Pid, refused.Holder.PID)
	require.NoError(t, first.Close())
	_, err = second.Lock(t.Context(), first.stage, newRun(), remote.Holder{Who: "bob@laptop"})
	require.NoError(t, err)
}

func TestOneLifeOfAPackage(t *testing.T) {
	t.Parallel()
	l := installed(t, "0.3", "0.4")
	l.link(t, "", "app-0.3")
	l.link(t, "app-0.3", "app-0.4")
	requireEvents(t, l.root, "armed", "linked", "confirmed", "armed", "linked", "confirmed")
	require.Equal(t, "app-0.4", l.linked(t))

	require.NoError(t, l.Arm(t.Context(), l.change(t, "app-0.4", "app-0.3"), soon))
	switched, err := l.Commit(t.Context(), l.run)
	require.NoError(t, err)
	require.True(t, switched.Durable)
	require.Equal(t, "app-0.3", l.linked(t))
	_, err = l.Revert(t.Context(), l.run)
	require.NoError(t, err)
	require.Equal(t, "app-0.4", l.linked(t))

	state, err := l.State(t.Context(), remote.StateRequest{})
	require.NoError(t, err)
	require.Len(t, state.Packages, 2)
	require.Equal(t, remote.Sealed, state.Packages[0].State)
	require.Len(t, state.Stages, 1)
	require.Equal(t, "app-0.4", state.Stages[0].Linked)
	require.True(t, state.Stages[0].Managed && state.Stages[0].Sealed)
	require.Equal(t, "ann@laptop", state.Stages[0].Holder.Who)
	require.Equal(t, pkg(t, "app-0.3"), remote.ParseJournal(state.Stages[0].Lines).Previous("app-0.4"))

	require.NoError(t, l.Close())
	l.requireEnd(t)
	for _, directory := range []string{"run", "armed"} {
		left, err := os.ReadDir(filepath.Join(l.root, ".kis", directory))
		require.NoError(t, err)
		require.Empty(t, left, "a run leaves nothing in .kis/%s", directory)
	}
}

func TestCloseMayBeCalledTwice(t *testing.T) {
	t.Parallel()
	l := opened(t, repository(t))
	require.NoError(t, l.Close())
	require.NoError(t, l.Close())
	requireLost(t, l.Open(t.Context(), "/"))
}
