package sshtest_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pkg/sftp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"

	"github.com/keep-it-simple/kis/internal/sshtest"
)

func newSigner(t *testing.T) ssh.Signer {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	s, err := ssh.NewSignerFromKey(private)
	require.NoError(t, err)
	return s
}

// start starts a host and connects to it with x/crypto's own client.
func start(t *testing.T, o sshtest.Options) (*sshtest.Host, *ssh.Client) {
	t.Helper()
	k := newSigner(t)
	o.Home, o.AuthorizedKeys = t.TempDir(), []ssh.PublicKey{k.PublicKey()}
	h, err := sshtest.Start(o)
	require.NoError(t, err)
	t.Cleanup(func() { _ = h.Close() })
	c, err := ssh.Dial("tcp", h.Addr(), &ssh.ClientConfig{
		User: "deploy", Auth: []ssh.AuthMethod{ssh.PublicKeys(k)}, HostKeyCallback: ssh.FixedHostKey(h.HostKey()),
	})
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	return h, c
}

func session(t *testing.T, c *ssh.Client) *ssh.Session {
	t.Helper()
	s, err := c.NewSession()
	require.NoError(t, err)
	return s
}

func TestStartNeedsAHome(t *testing.T) {
	t.Parallel()
	_, err := sshtest.Start(sshtest.Options{})
	require.ErrorContains(t, err, "Home is not set")
}

func TestTheHostListensOnLoopbackOnly(t *testing.T) {
	t.Parallel()
	h, _ := start(t, sshtest.Options{})
	host, _, err := net.SplitHostPort(h.Addr())
	require.NoError(t, err)
	assert.Equal(t, "127.0.0.1", host)
	assert.True(t, strings.HasPrefix(h.KnownHostsLine(), "["+host+"]:"))
}

func TestForwardingGoesToLoopbackOnly(t *testing.T) {
	t.Parallel()
	_, c := start(t, sshtest.Options{Forward: true})
	_, err := c.Dial("tcp", "192.0.2.1:22")
	require.ErrorContains(t, err, "not a loopback address")
}

func TestForwardingIsOffByDefault(t *testing.T) {
	t.Parallel()
	h, c := start(t, sshtest.Options{})
	_, err := c.Dial("tcp", h.Addr())
	require.ErrorContains(t, err, "prohibited")
}

func TestCommandsRunInHomeWithTheGivenEnvironment(t *testing.T) {
	t.Parallel()
	h, c := start(t, sshtest.Options{Env: []string{"PATH=/usr/bin:/bin", "A=b"}})
	out, err := session(t, c).Output("pwd; env | grep -c A=b; exit 0")
	require.NoError(t, err)
	home, err := filepath.EvalSymlinks(h.Home())
	require.NoError(t, err)
	assert.Equal(t, home+"\n1\n", string(out))
}

// A command outlives its connection, as under sshd: it is not killed, and what
// it writes then gives it SIGPIPE.
func TestACommandOutlivesItsConnection(t *testing.T) {
	t.Parallel()
	h, c := start(t, sshtest.Options{})
	s := session(t, c)
	in, err := s.StdinPipe()
	require.NoError(t, err)
	require.NoError(t, s.Start("trap 'echo pipe > pipe' PIPE; cat > /dev/null; echo end > end; while echo x; do :; done; echo over > over"))
	_, err = io.WriteString(in, "hello\n")
	require.NoError(t, err)
	require.NoError(t, c.Close())
	for _, name := range []string{"end", "over"} {
		require.Eventually(t, func() bool {
			_, err := os.Stat(filepath.Join(h.Home(), name))
			return err == nil
		}, 10*time.Second, 5*time.Millisecond, name)
	}
}

func TestCloseKillsWhatIsLeft(t *testing.T) {
	t.Parallel()
	h, c := start(t, sshtest.Options{})
	s := session(t, c)
	out, err := s.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, s.Start("sleep 1000 & echo $!; wait"))
	buf := make([]byte, 16)
	n, err := out.Read(buf)
	require.NoError(t, err)
	pid := 0
	for _, d := range strings.TrimSpace(string(buf[:n])) {
		pid = pid*10 + int(d-'0')
	}
	require.NoError(t, h.Close())
	require.Eventually(t, func() bool {
		state, err := os.ReadFile("/proc/" + strings.TrimSpace(string(buf[:n])) + "/stat")
		// Gone, or a zombie that waits for its new parent.
		return err != nil && syscall.Kill(pid, 0) != nil || strings.Contains(string(state), ") Z ")
	}, 10*time.Second, 5*time.Millisecond)
}

func TestExitsTravel(t *testing.T) {
	t.Parallel()
	_, c := start(t, sshtest.Options{})
	var exit *ssh.ExitError
	require.ErrorAs(t, session(t, c).Run("exit 4"), &exit)
	assert.Equal(t, 4, exit.ExitStatus())
	require.ErrorAs(t, session(t, c).Run("kill -KILL $$"), &exit)
	assert.Equal(t, "KILL", exit.Signal())
}

func TestTheHostRecordsWhatItIsAsked(t *testing.T) {
	t.Parallel()
	h, c := start(t, sshtest.Options{})
	require.NoError(t, session(t, c).Run("true"))
	s, err := sftp.NewClient(c)
	require.NoError(t, err)
	require.NoError(t, s.Close())
	r := h.Record()
	assert.Equal(t, 1, r.Connections)
	assert.Equal(t, []string{"session", "session"}, r.Channels)
	assert.Equal(t, []string{"exec", "subsystem"}, r.Requests)
	assert.Equal(t, []string{"true"}, r.Execs)
	require.Len(t, r.Auths, 2)
	assert.Equal(t, sshtest.Auth{User: "deploy", Method: "none"}, r.Auths[0])
	assert.True(t, r.Auths[1].OK)
}

func TestForeignCommandLinesAreFound(t *testing.T) {
	t.Parallel()
	for line, foreign := range map[string]bool{
		"exec /bin/sh -s -- python3":                                                                false,
		"exec /bin/sh -s -- /opt/python-3.12/bin/python3":                                           false,
		"exec /usr/bin/env LC_ALL=C /usr/bin/env sudo -n -H -u app -- /bin/sh -s -- python3":        false,
		"exec /bin/sh -s -- python3 -c x":                                                           true,
		"exec /bin/sh -s -- -x":                                                                     true,
		"exec /bin/sh -s -- python3; rm -r x":                                                       true,
		"exec /bin/sh -s -- python3\nrm":                                                            true,
		"exec /usr/bin/env LC_ALL=C /usr/bin/env sudo -n -H -u app -- /bin/sh -s -- python3 /var/x": true,
		"ls": true,
	} {
		assert.Equal(t, foreign, len(sshtest.Record{Execs: []string{line}}.Foreign()) == 1, line)
	}
}
