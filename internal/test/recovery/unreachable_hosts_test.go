package recovery

import (
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/testenv"
	"github.com/keep-it-simple/kis/internal/testenv/hosttest"
)

// dribble sends a text a byte a second: something always comes, and never enough.
func dribble(text string) func(net.Conn) {
	return func(c net.Conn) {
		go func() { // ends with the connection, which the test closes
			if _, err := io.WriteString(c, text); err != nil {
				return
			}
			for every := time.NewTicker(time.Second); ; <-every.C {
				if _, err := c.Write([]byte("x")); err != nil {
					every.Stop()
					return
				}
			}
		}()
	}
}

// lead leads a host's name to a server that `silent` has started.
func lead(w *testenv.Env, name, url string) {
	w.T.Helper()
	addr, err := net.ResolveTCPAddr("tcp4", strings.TrimPrefix(url, "http://"))
	require.NoError(w.T, err)
	w.Client.SetPort(w.T, name, addr.Port)
}

// TestUnreachableHostsReported_N1_N2_N3_N5: web1 is well, and every other one not, each in its own way. Those that are slow about it wait for
// the same ten seconds, and keep nobody else waiting.
func TestUnreachableHostsReported_N1_N2_N3_N5(t *testing.T) {
	t.Parallel()
	w := testenv.New(t, 1, hosttest.Options{})
	w.Inventory("stages: {staging: {hosts: [web1, down, nameless, mute, slow, slower]}}\nhosts: {nameless: {address: no-such-host.invalid}}\n")
	l, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	require.NoError(t, err)
	require.NoError(t, l.Close())
	lead(w, "down", l.Addr().String())
	lead(w, "mute", silent(t, func(net.Conn) {}))
	lead(w, "slow", silent(t, dribble("SSH-2.0-")))
	lead(w, "slower", silent(t, dribble("SSH-2.0-OpenSSH_9.2\r\n\x00\x00\x04\x00"))) // what has sent its version is waited for longer
	archive := w.Archive()
	before := w.Trees()
	s := w.Start("push", "staging", "--sdist", archive)
	s.Says("down      connect       failed", 3*time.Second)
	r := s.End(time.Minute)
	assert.Equal(t, 3, r.Exit)
	assert.Less(t, r.Took, 25*time.Second)
	assert.Regexp(t, `(?m)^web1 +connect +done`, r.Out, "what the others have come to is shown")
	for _, text := range []string{
		"down: connect: " + l.Addr().String() + ": connection refused",
		`nameless: connect: no-such-host.invalid:22: cannot resolve "no-such-host.invalid"`,
		"mute: connect: handshake: ", "slow: connect: handshake: ", "no answer within 10 s",
		"hint: ", "aborted before link: no stage link was changed",
	} {
		assert.Contains(t, r.Err, text)
	}
	assert.Equal(t, before, w.Trees())
}
