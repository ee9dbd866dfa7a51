package remote_test

import (
	"context"
	stderrors "errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/remote"
)

// startLocal runs the agent as a child of the test: the same program over the same kind of streams, without SSH.
func startLocal(t *testing.T, env ...string) *remote.Agent {
	t.Helper()
	agent, err := tryLocal(t, exec.Command("/bin/sh", "-s", "--", "python3"), env...)
	require.NoError(t, err)
	return agent
}

func tryLocal(t *testing.T, command *exec.Cmd, env ...string) (*remote.Agent, error) {
	t.Helper()
	command.Env = append(os.Environ(), env...)
	in, err := command.StdinPipe()
	require.NoError(t, err)
	out, err := command.StdoutPipe()
	require.NoError(t, err)
	errors, err := command.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, command.Start())
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	agent, err := remote.Start(ctx, remote.Streams{In: in, Out: out, Err: errors})
	if start := new(remote.StartError); stderrors.As(err, &start) {
		t.Log(start.Tail)
	}
	t.Cleanup(func() {
		if agent != nil {
			_ = agent.Close()
		}
		_ = in.Close()
		_ = command.Wait()
	})
	return agent, err
}

// repository is a package repository on this machine.
func repository(t *testing.T) string {
	t.Helper()
	root := filepath.Join(t.TempDir(), "webcode")
	require.NoError(t, os.Mkdir(root, 0o755))
	return root
}

func stage(t *testing.T, name string) remote.Stage {
	t.Helper()
	s, err := remote.ParseStage(name)
	require.NoError(t, err)
	return s
}

func TestAgentChecksAnEmptyRepository(t *testing.T) {
	t.Parallel()
	agent, root := startLocal(t), repository(t)
	require.NoError(t, agent.Open(t.Context(), root))
	facts, err := agent.Check(t.Context(), remote.CheckRequest{Stage: stage(t, "staging"), Build: true, NeedBytes: 1})
	require.NoError(t, err)
	require.Empty(t, facts.Problems)
	require.Empty(t, facts.Stage.Linked)
	require.Positive(t, facts.Space.Bytes)
	entries, err := os.ReadDir(root)
	require.NoError(t, err)
	require.Empty(t, entries, "a check writes nothing")
}

func TestLockIsHeldByOneRunOnly(t *testing.T) {
	t.Parallel()
	root := repository(t)
	first, second := startLocal(t), startLocal(t)
	require.NoError(t, first.Open(t.Context(), root))
	require.NoError(t, second.Open(t.Context(), root))
	_, err := first.Lock(t.Context(), stage(t, "staging"), "run00001", remote.Holder{Who: "ann@laptop", What: "push staging"})
	require.NoError(t, err)
	_, err = second.Lock(t.Context(), stage(t, "staging"), "run00002", remote.Holder{Who: "bob@laptop"})
	var refused *remote.Refused
	require.ErrorAs(t, err, &refused)
	require.Equal(t, "locked", refused.Code)
	require.Equal(t, "ann@laptop", refused.Holder.Who)
	require.NoError(t, first.Close())
	_, err = second.Lock(t.Context(), stage(t, "staging"), "run00002", remote.Holder{Who: "bob@laptop"})
	require.NoError(t, err)
	_, err = second.State(t.Context())
	require.NoError(t, err)
}
