package hosttest

import (
	"errors"
	"math/rand/v2"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// Port reserves a port of 127.0.0.1 until the test ends: no test of any process is given the same
// one meanwhile. A server that sets SO_REUSEADDR, as sshd does, can listen on it, and do so again;
// while none does, connections are refused.
func Port(tb testing.TB) int {
	tb.Helper()
	for range 100 {
		port := 10000 + rand.IntN(22000) //nolint:gosec // any free port will do; those above are given to outgoing connections
		socket, err := reserve(port)
		if errors.Is(err, syscall.EADDRINUSE) {
			continue
		}
		require.NoError(tb, err)
		tb.Cleanup(func() { _ = syscall.Close(socket) })
		return port
	}
	require.FailNow(tb, "no free port")
	return 0
}

// reserve binds a socket to a port and never listens. The kernel lets two sockets have one port
// when both have SO_REUSEADDR and none of the others listens; this one gets it after it was bound,
// so that it does not share the port with another reservation.
func reserve(port int) (socket int, err error) {
	socket, err = syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, err
	}
	if err = syscall.Bind(socket, &syscall.SockaddrInet4{Port: port, Addr: [4]byte{127, 0, 0, 1}}); err == nil {
		err = syscall.SetsockoptInt(socket, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1)
	}
	if err != nil {
		_ = syscall.Close(socket)
	}
	return socket, err
}
