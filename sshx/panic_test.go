package sshx_test

import (
	"io"
	"net"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/guard"
	"github.com/keep-it-simple/kis/internal/sshtest"
	"github.com/keep-it-simple/kis/sshx"
	"github.com/keep-it-simple/kis/sshx/internal/sshxtest"
)

func requireBug(t *testing.T, err error) {
	t.Helper()
	var bug *guard.Panic
	require.ErrorAs(t, err, &bug)
	assert.Equal(t, "a bug", bug.Value)
	assert.Contains(t, bug.Stack, "panic_test.go")
}

func TestAPanicOfAGoroutineEndsTheConnectionWithItself(t *testing.T) {
	t.Parallel()
	_, c := connect(t, sshtest.Options{})
	p, err := c.Start(t.Context(), "exec /bin/sh -s")
	require.NoError(t, err)
	_, err = sshx.OpenChannel(c, func() (int, error) { panic("a bug") })
	requireBug(t, err)
	<-c.Done()
	requireBug(t, c.Err())
	requireBug(t, c.Lost())
	require.ErrorIs(t, c.Err(), sshx.ErrConnectionLost)
	_, err = io.ReadAll(p.Stdout)
	require.NoError(t, err, "the end of the stream, which does not say why")
	_, err = c.SFTP(t.Context())
	requireBug(t, err)
	require.NoError(t, c.Close(), "and no goroutine is left")
}

func TestAPanicOnTheWayToAJumpHostIsItsFailure(t *testing.T) {
	t.Parallel()
	k := sshxtest.NewKey(t)
	h := sshxtest.StartHost(t, sshtest.Options{}, k)
	jump, target := sshxtest.Target(t, h, k), sshxtest.Target(t, h, k)
	jump.Name, jump.Warnings = "bastion", []string{"x"}
	target.Jump = []sshx.Target{jump}
	d := sshxtest.NewDialer(t)
	d.Warn = func(string) { panic("a bug") }
	for range 2 {
		_, err := d.Dial(t.Context(), target)
		requireBug(t, err)
		var failed *sshx.JumpError
		require.ErrorAs(t, err, &failed)
		assert.Equal(t, "bastion", failed.Name)
	}
	require.NoError(t, d.Close())
}

// x/crypto reads from the connection on a goroutine of its own, which does not recover.
func TestAPanicInWhatXCryptoReadsIsAnError(t *testing.T) {
	t.Parallel()
	host, near := net.Pipe()
	go func() { _, _ = io.WriteString(host, "SSH-2.0-x\r\n") }()
	n, err := sshx.ReadVersion(near, func() { panic("a bug") })
	assert.Zero(t, n)
	requireBug(t, err)
	_, err = host.Read(make([]byte, 1))
	require.ErrorIs(t, err, io.EOF, "the connection is closed")
}
