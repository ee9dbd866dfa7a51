package proxytest_test

import (
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/testenv/proxytest"
)

// echo is a server that sends back what it gets, behind a proxy.
func echo(t *testing.T) *proxytest.Proxy {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			serving.Go(func() {
				_, _ = io.Copy(c, c)
				_ = c.Close()
			})
		}
	})
	p, err := proxytest.New(l.Addr().String())
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, p.Close())
		_ = l.Close()
		serving.Wait()
	})
	return p
}

func connectTo(t *testing.T, p *proxytest.Proxy) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", p.Addr())
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func roundTrip(t *testing.T, c net.Conn, text string) {
	t.Helper()
	_, err := io.WriteString(c, text)
	require.NoError(t, err)
	got := make([]byte, len(text))
	_, err = io.ReadFull(c, got)
	require.NoError(t, err)
	require.Equal(t, text, string(got))
}

func TestProxyForwardsAndCounts(t *testing.T) {
	t.Parallel()
	p := echo(t)
	roundTrip(t, connectTo(t, p), "hello")
	require.Equal(t, []proxytest.Traffic{{ToHost: 5, ToClient: 5, Open: true}}, p.Connections())
}

func TestCutResetsOpenConnections(t *testing.T) {
	t.Parallel()
	p := echo(t)
	c := connectTo(t, p)
	roundTrip(t, c, "hello")
	p.Cut()
	_, err := c.Read(make([]byte, 1))
	require.ErrorIs(t, err, syscall.ECONNRESET)
	roundTrip(t, connectTo(t, p), "again")
}

func TestCutAfterLetsExactlyThatMuchPass(t *testing.T) {
	t.Parallel()
	for _, n := range []int64{0, 1, 7, 9_999} {
		p := echo(t)
		c := connectTo(t, p)
		roundTrip(t, c, "before")
		p.CutAfter(n, proxytest.ToHost)
		_, _ = c.Write(make([]byte, 10_000))
		_, err := io.Copy(io.Discard, c)
		require.Error(t, err)
		assert.Equal(t, 6+n, p.Connections()[0].ToHost)
		assert.False(t, p.Connections()[0].Open)
		roundTrip(t, connectTo(t, p), "one cut only")
	}
}

func TestStallKeepsTheSocketsAndHealGoesOn(t *testing.T) {
	t.Parallel()
	p := echo(t)
	c := connectTo(t, p)
	roundTrip(t, c, "hello")
	p.Stall()
	_, err := io.WriteString(c, "later")
	require.NoError(t, err)
	require.NoError(t, c.SetReadDeadline(time.Now().Add(100*time.Millisecond)))
	_, err = c.Read(make([]byte, 1))
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	require.NoError(t, c.SetReadDeadline(time.Time{}))
	p.Heal()
	got := make([]byte, 5)
	_, err = io.ReadFull(c, got)
	require.NoError(t, err)
	assert.Equal(t, "later", string(got))
}

func TestDownRefusesNewConnectionsOnly(t *testing.T) {
	t.Parallel()
	p := echo(t)
	old := connectTo(t, p)
	roundTrip(t, old, "hello")
	p.Down()
	refused, err := net.Dial("tcp", p.Addr())
	if err == nil { // else the reset was faster than the connection
		_, err = refused.Read(make([]byte, 1))
		_ = refused.Close()
	}
	require.True(t, errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET), "%v", err)
	roundTrip(t, old, "still here")
	p.Heal()
	roundTrip(t, connectTo(t, p), "back")
}

func TestFlipTurnsOneBitOfOneByte(t *testing.T) {
	t.Parallel()
	p := echo(t)
	c := connectTo(t, p)
	p.FlipAfter(3, proxytest.ToHost)
	_, err := io.WriteString(c, "hello")
	require.NoError(t, err)
	got := make([]byte, 5)
	_, err = io.ReadFull(c, got)
	require.NoError(t, err)
	assert.Equal(t, "helmo", string(got))
	roundTrip(t, c, "one bit only")
}

func TestDelayHoldsBothWays(t *testing.T) {
	t.Parallel()
	p := echo(t)
	c := connectTo(t, p)
	p.Delay(30 * time.Millisecond)
	begin := time.Now()
	roundTrip(t, c, "there and back")
	assert.GreaterOrEqual(t, time.Since(begin), 60*time.Millisecond)
}

func TestRateBoundsOneWayAndHealGoesOn(t *testing.T) {
	t.Parallel()
	p := echo(t)
	c := connectTo(t, p)
	p.Rate(proxytest.ToHost, 100)
	begin := time.Now()
	roundTrip(t, c, "twenty bytes go there")
	assert.GreaterOrEqual(t, time.Since(begin), 200*time.Millisecond)
	p.Rate(proxytest.ToHost, 1)
	_, err := io.WriteString(c, strings.Repeat("x", 4000))
	require.NoError(t, err)
	p.Heal()
	_, err = io.ReadFull(c, make([]byte, 4000))
	require.NoError(t, err)
}
