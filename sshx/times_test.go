package sshx_test

import (
	"io"
	"net"
	"os/exec"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/sshx"
	"github.com/keep-it-simple/kis/sshx/internal/sshxtest"
)

// serveRaw has every connection to a fresh port served by serve, which should end when the
// connection does. Nothing of it is left after the test.
func serveRaw(t *testing.T, serve func(net.Conn)) (addr string) {
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
				serve(c)
				_ = c.Close()
			})
		}
	})
	t.Cleanup(func() { _ = l.Close(); serving.Wait() })
	return l.Addr().String()
}

func silent(c net.Conn) { _, _ = io.Copy(io.Discard, c) }

func dribbling(c net.Conn) {
	gone := make(chan struct{})
	go func() { silent(c); close(gone) }() // ends with the connection, which the loop waits for
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			_, _ = c.Write([]byte("x"))
		case <-gone:
			return
		}
	}
}

func endless(c net.Conn) {
	line := []byte("this is not the line you are waiting for\r\n")
	for {
		if _, err := c.Write(line); err != nil {
			return
		}
	}
}

func versionOnly(c net.Conn) {
	_, _ = io.WriteString(c, "SSH-2.0-slow\r\n")
	silent(c)
}

func versionLate(c net.Conn) {
	<-time.After(500 * time.Millisecond)
	versionOnly(c)
}

func TestTimeoutsReportWhatTheHandshakeWaitedFor(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name               string
		serve              func(net.Conn)
		connect, handshake time.Duration
		want               string
		atLeast            time.Duration
	}{
		{"silence", silent, 200 * time.Millisecond, time.Minute, "no answer within 0.2 s (waited for an SSH version)", 150 * time.Millisecond},
		{"dribbled lines", dribbling, time.Second, time.Minute, `no answer within 1 s (waited for an SSH version); the server said "x`, 900 * time.Millisecond},
		{"endless lines", endless, time.Minute, time.Minute, "it sends text and no SSH version", 0},
		{"no key exchange", versionOnly, time.Minute, 2 * time.Second, "no answer within 2 s (waited for the end of the key exchange)", 1900 * time.Millisecond},
		{"ConnectTimeout ends with the version", versionLate, 3 * time.Second, 3500 * time.Millisecond, "no answer within 3.5 s (waited for the end of the key exchange)", 3800 * time.Millisecond},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			d := sshxtest.NewDialer(t)
			d.ConnectTimeout, d.HandshakeTimeout = c.connect, c.handshake
			target := sshxtest.TargetAt(serveRaw(t, c.serve))
			began := time.Now()
			_, err := d.Dial(sshxtest.Deadline(t), target)
			took := time.Since(began)
			var e *sshx.DialError
			require.ErrorAs(t, err, &e)
			assert.Equal(t, sshx.PhaseHandshake, e.Phase)
			require.ErrorContains(t, err, c.want)
			assert.GreaterOrEqual(t, took, c.atLeast)
		})
	}
}

// TestConnectTimeoutIsSSHs has both look at servers that accept the connection.
func TestConnectTimeoutIsSSHs(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		serve  func(net.Conn)
		want   bool // ssh gives up within its ConnectTimeout, so kis does
		either bool // OpenSSH 9.2 does, 10.0 waits on while something comes
	}{
		{"silence", silent, true, false},
		{"dribbled lines", dribbling, true, true},
		{"a version and no key exchange", versionOnly, false, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			target := sshxtest.TargetAt(serveRaw(t, c.serve))
			target.ConnectTimeout = time.Second
			program, err := exec.LookPath("ssh")
			require.NoError(t, err, "run: make setup")
			cmd := exec.CommandContext(sshxtest.Deadline(t), "timeout", "5", program, "-F", "none", "-o", "BatchMode=yes", "-o", "ConnectTimeout=1", "-p", strconv.Itoa(target.Port), "127.0.0.1", "true")
			out, err := cmd.CombinedOutput()
			require.Error(t, err)
			const killed = 124 // timeout(1)
			assert.True(t, c.either || c.want == (cmd.ProcessState.ExitCode() != killed), "ssh: %s", out)

			d := sshxtest.NewDialer(t)
			d.HandshakeTimeout = 2 * time.Second
			_, err = d.Dial(sshxtest.Deadline(t), target)
			if c.want {
				require.ErrorContains(t, err, "no answer within 1 s (waited for an SSH version)")
			} else { // ssh would wait for ever
				require.ErrorContains(t, err, "no answer within 2 s (waited for the end of the key exchange)")
			}
		})
	}
}

func TestTheDialersConnectTimeoutOverridesTheTargets(t *testing.T) {
	t.Parallel()
	target := sshxtest.TargetAt(serveRaw(t, silent))
	target.ConnectTimeout = time.Hour
	d := sshxtest.NewDialer(t)
	d.ConnectTimeout = 100 * time.Millisecond
	_, err := d.Dial(sshxtest.Deadline(t), target)
	require.ErrorContains(t, err, "no answer within 0.1 s")
}
