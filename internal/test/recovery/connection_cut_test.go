package recovery

import (
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/testenv"
	"github.com/keep-it-simple/kis/internal/testenv/hosttest"
	"github.com/keep-it-simple/kis/internal/testenv/oracle"
	"github.com/keep-it-simple/kis/internal/testenv/proxytest"
)

// TestConnectionBreaksAtAnyByte_U1_U4_C2 pushes new packages while the connection to web2 is cut, or damaged, or stops, after a number of bytes that
// sweeps over the whole run.
func TestConnectionBreaksAtAnyByte_U1_U4_C2(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]func(p *proxytest.Proxy, n int64, d proxytest.Direction){
		"U1,C2: cut":   (*proxytest.Proxy).CutAfter,
		"U4: bit flip": (*proxytest.Proxy).FlipAfter,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := testenv.New(t, 2, hosttest.Options{})
			proxy := w.Hosts[1].Proxy(t)
			w.Client.SetPort(t, "web2", proxy.Port())
			w.Earlier("0.3")
			whole := proxy.Connections()[0]
			const steps = int64(2)
			for i := range steps {
				for d, size := range map[proxytest.Direction]int64{proxytest.ToHost: whole.ToHost, proxytest.ToClient: whole.ToClient} {
					version := fmt.Sprintf("1.%d.%d", i, d)
					at := (2*i + 1) * size / (2 * steps)
					t.Run(fmt.Sprintf("%d after %d", d, at), func(t *testing.T) {
						breakAt(w.In(t), proxy, version, func() { fault(proxy, at, d) })
					})
				}
			}
		})
	}
}

// breakAt pushes a new version with a fault, which may come at any moment of the run, and again without.
func breakAt(w *testenv.Env, proxy *proxytest.Proxy, version string, fault func()) {
	w.T.Helper()
	w.Version(version)
	archive := w.Archive()
	fault()
	s := w.Start("push", "staging", "--sdist", archive)
	r := s.End(3 * time.Minute)
	proxy.Heal()
	require.Contains(w.T, []int{0, 3, 4}, r.Exit, "the host can be reached again, so that nothing is unknown")
	s.Watch.Check(oracle.Expect{Exit: r.Exit, To: "hello-" + version, Within: 10 * time.Second})
	w.Run(0, "hello-"+version, "push", "staging", "--sdist", archive)
}

// TestConnectionStallsDuringBuild_U2: nothing is said any more, and nothing is closed.
func TestConnectionStallsDuringBuild_U2(t *testing.T) {
	t.Parallel()
	w := testenv.New(t, 2, hosttest.Options{})
	proxy := w.Hosts[1].Proxy(t)
	w.Client.SetPort(t, "web2", proxy.Port())
	archive := w.Hold()
	s := w.PushHeld(archive)
	proxy.Stall()
	w.Release()
	r := s.End(2 * time.Minute)
	require.Equal(t, 3, r.Exit)
	assert.Contains(t, r.Err, "web2: ")
	proxy.Heal()
	s.Watch.Check(oracle.Expect{Exit: 3, To: "hello-0.4", Within: 10 * time.Second})
	w.Run(0, "hello-0.4", "push", "staging", "--sdist", archive)
}

// TestUnreachableHost_N2_N4: web1 is well, and every way to web2 ends badly.
func TestUnreachableHost_N2_N4(t *testing.T) {
	t.Parallel()
	w := testenv.New(t, 2, hosttest.Options{Network: true})
	archive := w.Archive()
	push := func(t *testing.T, says string, within time.Duration) {
		t.Helper()
		w := w.In(t)
		r := w.Run(3, "", "push", "staging", "--sdist", archive)
		assert.Contains(t, r.Err, "web2: connect: "+says)
		assert.NotContains(t, r.Err, "web1: connect")
		assert.Regexp(t, `(?m)^web1 +connect +done`, r.Out, "what the other has come to is shown")
		assert.Contains(t, r.Err, "aborted before link: no stage link was changed")
		assert.Less(t, r.Took, within)
	}
	if !t.Run("N2: a black hole", func(t *testing.T) {
		w.Hosts[1].Block(t)
		push(t, w.Hosts[1].Addr, 15*time.Second)
		w.Hosts[1].Unblock(t)
	}) {
		return
	}
	t.Run("N4: a server that only talks", func(t *testing.T) {
		l, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
		require.NoError(t, err)
		t.Cleanup(func() { _ = l.Close() })
		go func() { // ends with the listener
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				for err == nil {
					_, err = c.Write([]byte("welcome to this machine, which is no SSH server\r\n"))
				}
			}
		}()
		w.Client.SetPort(t, "web2", l.Addr().(*net.TCPAddr).Port)
		push(t, "handshake: ", 8*time.Second)
	})
}

// TestForcedCommands_N14: sshd runs what its administrator wants instead of what it is asked to run, and says that all is well.
func TestForcedCommands_N14(t *testing.T) {
	t.Parallel()
	for name, setting := range map[string]string{
		"a forced command":              "ForceCommand true",
		"a forced command that waits":   "ForceCommand cat",
		"SFTP only":                     "ForceCommand internal-sftp",
		"a forced command with a shell": "ForceCommand echo this account is for backups only",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := testenv.New(t, 1, hosttest.Options{Config: []string{setting}})
			r := w.Run(3, "", "push", "staging", "--sdist", w.Archive())
			assert.Contains(t, r.Err, "web1: connect: ")
			assert.Empty(t, w.Links()[0])
		})
	}
	t.Run("command= in authorized_keys", func(t *testing.T) {
		t.Parallel()
		w := testenv.New(t, 1, hosttest.Options{})
		w.Hosts[0].Shell(t, `sed -i 's|^|command="true" |' ~kistest/.ssh/authorized_keys`)
		w.Run(3, "", "push", "staging", "--sdist", w.Archive())
	})
}
