package sshxtest

import (
	"bufio"
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh/agent"
)

// StartAgent serves an in-process agent on a socket and returns its path.
func StartAgent(t testing.TB, keys ...agent.AddedKey) string {
	t.Helper()
	ring := agent.NewKeyring()
	for _, k := range keys {
		require.NoError(t, ring.Add(k))
	}
	return ServeAgent(t, ring)
}

// ServeAgent serves an agent on a socket and returns its path.
func ServeAgent(t testing.TB, ring agent.Agent) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "kis") //nolint:usetesting // t.TempDir can be too long for a socket
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })
	path := filepath.Join(dir, "agent")
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "unix", path)
	require.NoError(t, err)
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			serving.Go(func() {
				_ = agent.ServeAgent(ring, c)
				_ = c.Close()
			})
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		serving.Wait()
	})
	return path
}

// StartSSHAgent starts OpenSSH's own agent and returns its socket.
func StartSSHAgent(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "kis") //nolint:usetesting // t.TempDir can be too long for a socket
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })
	program, err := exec.LookPath("ssh-agent")
	require.NoError(t, err, "run: make setup")
	socket := filepath.Join(dir, "agent")
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context())) // until the test's clean-up
	cmd := exec.CommandContext(ctx, program, "-D", "-a", socket)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		cancel()
		_ = cmd.Wait() // killed, as wanted
	})
	_, err = bufio.NewReader(out).ReadString('\n') // it says where it listens
	require.NoError(t, err)
	return socket
}
