package sshx_test

import (
	"io"
	"net"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/guard"
	"github.com/keep-it-simple/kis/sshx"
)

// TestWhatIsReceivedIsAcknowledged without the delay by which Linux hopes for something to send with it.
func TestWhatIsReceivedIsAcknowledged(t *testing.T) {
	t.Parallel()
	assert.Zero(t, acknowledges(t, func(nc net.Conn) net.Conn { return nc }), "Linux delays the acknowledgements of a dialog")
	assert.Equal(t, 1, acknowledges(t, sshx.NewConn))
}

// acknowledges is TCP_QUICKACK of a connection on which a dialog has been held.
func acknowledges(t *testing.T, wrapped func(net.Conn) net.Conn) int {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close() //nolint:errcheck // only for this test
	var echo guard.Group
	echo.Go(func() {
		if peer, err := listener.Accept(); err == nil {
			_, _ = io.Copy(peer, peer)
			_ = peer.Close()
		}
	}, func(p *guard.Panic) { t.Error(p) })
	defer echo.Wait()
	dialed, err := net.Dial("tcp", listener.Addr().String())
	require.NoError(t, err)
	defer dialed.Close() //nolint:errcheck // only for this test
	nc := wrapped(dialed)
	for range 5 {
		_, err = nc.Write([]byte("x"))
		require.NoError(t, err)
		_, err = nc.Read(make([]byte, 1))
		require.NoError(t, err)
	}
	raw, err := dialed.(*net.TCPConn).SyscallConn()
	require.NoError(t, err)
	value := -1
	require.NoError(t, raw.Control(func(fd uintptr) {
		value, err = syscall.GetsockoptInt(int(fd), syscall.IPPROTO_TCP, syscall.TCP_QUICKACK)
	}))
	require.NoError(t, err)
	return value
}
