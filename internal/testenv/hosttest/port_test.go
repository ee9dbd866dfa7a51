package hosttest

import (
	"net"
	"strconv"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestAPortIsReservedAndCanBeListenedOn is not parallel: a program that another test starts has the listener, too, between
// fork and exec, so that it would not be closed yet.
func TestAPortIsReservedAndCanBeListenedOn(t *testing.T) {
	port := Port(t)
	address := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	for range 2 {
		_, err := reserve(port)
		require.ErrorIs(t, err, syscall.EADDRINUSE)
		_, err = net.Dial("tcp4", address)
		require.ErrorIs(t, err, syscall.ECONNREFUSED)

		l, err := net.Listen("tcp4", address)
		require.NoError(t, err, "as sshd does, with SO_REUSEADDR")
		_, err = reserve(port)
		require.ErrorIs(t, err, syscall.EADDRINUSE)
		conn, err := net.Dial("tcp4", address)
		require.NoError(t, err)
		assert.NoError(t, conn.Close())
		assert.NoError(t, l.Close())
	}
}

func TestACableIsClaimedOnce(t *testing.T) {
	t.Parallel()
	needs(t)
	var c cable
	t.Run("plugged in", func(t *testing.T) {
		c = *newCable(t)
		assert.Contains(t, Run(t, "ip", "route", "show", c.subnet), "unreachable "+c.subnet)
	})
	assert.Empty(t, Run(t, "ip", "route", "show", c.subnet), "it is gone with its test")
}
