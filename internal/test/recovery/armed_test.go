package recovery

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/testenv"
	"github.com/keep-it-simple/kis/internal/testenv/hosttest"
)

// old: nothing was switched, whatever happened, and no prepared link is left.
func old(p *pair, to string) {
	p.T.Helper()
	assert.NotContains(p.T, p.Links(), to)
	assert.Empty(p.T, p.armed(web1))
	assert.Empty(p.T, p.armed(web2))
}

// TestFaultWhileArmed_C1_C6_C8_C11_C16_C17_K1_K2_K3_K5_L3_L5: web1 has its next link prepared, web2 takes its time, and something goes wrong.
func TestFaultWhileArmed_C1_C6_C8_C11_C16_C17_K1_K2_K3_K5_L3_L5(t *testing.T) {
	t.Parallel()
	arming := (*pair).arming
	playAll(t, hosttest.Options{}, []scene{
		{name: "C1,K1,L3: kis is killed", moment: arming, exit: -1, after: old, fault: func(p *pair, s *testenv.Started) {
			s.Signal(syscall.SIGKILL)
			require.Eventually(p.T, func() bool { return len(p.armed(web1)) == 0 }, 10*time.Second, 5*time.Millisecond, "web1 gives up by itself")
			p.start(web2)
		}},
		{name: "C1: a session is killed", moment: arming, exit: 3, after: old, says: []string{`"web1"`}, fault: func(p *pair, s *testenv.Started) {
			p.kill(web1, p.session(web1))
			require.Eventually(p.T, func() bool { return len(p.armed(web1)) == 0 }, 10*time.Second, 5*time.Millisecond, "web1 gives up by itself")
			p.start(web2)
		}},
		{name: "C1: an agent is killed", moment: arming, exit: 3, dirty: true, fault: func(p *pair, s *testenv.Started) {
			p.kill(web1, p.Agent(p.Hosts[web1]))
			p.start(web2)
		}},
		{name: "C17: a host loses its power", moment: arming, exit: 3, dirty: true, fault: func(p *pair, s *testenv.Started) {
			p.Hosts[web1].Kill()
			p.start(web2)
			s.End(30 * time.Second)
			p.Hosts[web1].Restart(p.T)
		}},
		{name: "K2: Ctrl-C", moment: arming, exit: 130, after: old, says: []string{"waiting for hosts to release their locks"}, fault: func(p *pair, s *testenv.Started) {
			s.Signal(syscall.SIGINT)
			s.Says("waiting for the hosts", 10*time.Second)
			p.start(web2)
		}},
		{name: "K3: Ctrl-C twice", moment: arming, exit: 130, fault: func(p *pair, s *testenv.Started) {
			s.Signal(syscall.SIGINT)
			s.Says("waiting for the hosts", 10*time.Second)
			s.Signal(syscall.SIGINT)
			s.End(5 * time.Second) // it waits for nobody
			p.start(web2)
		}},
		{name: "K5: the terminal is closed", moment: arming, exit: 130, after: old, fault: func(p *pair, s *testenv.Started) {
			s.Signal(syscall.SIGHUP)
			s.Says("waiting for the hosts", 10*time.Second)
			p.start(web2)
		}},
		{name: "C6: the repository turns immutable", moment: arming, exit: 4, says: []string{"operation not permitted"}, fault: func(p *pair, s *testenv.Started) {
			p.Hosts[web1].Shell(p.T, "chattr +i /var/webcode")
			p.start(web2)
			s.End(30 * time.Second)
			p.Hosts[web1].Shell(p.T, "chattr -i /var/webcode")
		}},
		{name: "L5: the lock file is removed", moment: arming, exit: 4, says: []string{"was removed or replaced"}, fault: func(p *pair, s *testenv.Started) {
			require.NoError(p.T, os.Remove(filepath.Join(p.Hosts[web1].Repo, ".kis", "locks", "staging")))
			p.start(web2)
		}},
		{
			name: "C8: somebody links by hand", moment: arming, exit: 5, blind: true, says: []string{"not to hello-0."},
			fault: func(p *pair, s *testenv.Started) {
				p.Hosts[web1].Shell(p.T, "cp -a /var/webcode/$(readlink /var/webcode/staging) /var/webcode/other && ln -sfn other /var/webcode/staging")
				p.start(web2)
			},
			after: func(p *pair, to string) {
				assert.Equal(p.T, "other", p.Links()[web1], "what was done by hand is left alone")
				assert.NotEqual(p.T, to, p.Links()[web2])
				p.Hosts[web1].Shell(p.T, "ln -sfn "+p.Links()[web2]+" /var/webcode/staging && rm -r /var/webcode/other")
			},
		},
		{
			name: "C16: the package is removed", moment: arming, exit: 4, blind: true, says: []string{`"web1"`, "is not installed"},
			fault: func(p *pair, s *testenv.Started) {
				to := filepath.Base(readlink(p, p.armed(web1)[0]))
				p.Hosts[web1].Shell(p.T, "rm -r /var/webcode/"+to)
				p.start(web2)
			},
			after: func(p *pair, to string) {
				old(p, to)
				assert.NoDirExists(p.T, filepath.Join(p.Hosts[web1].Repo, to))
			},
		},
		{name: "C11: a host stops to answer", moment: arming, exit: 3, says: []string{"no answer within 2s"}, after: old, fault: func(p *pair, s *testenv.Started) {
			s.Saw("web1", "arm", "done", 10*time.Second)
			p.stop(web1)
			p.start(web2)
			s.Saw("web1", "roll call", "unknown", 20*time.Second)
			s.End(30 * time.Second)
			assert.Len(p.T, p.armed(web1), 1, "what kis says is true although the host knows nothing of it")
			p.start(web1)
		}},
		{name: "C11: a host takes longer than it may", long: true, moment: arming, exit: 3, says: []string{"no answer within 15s"}, within: time.Minute, after: old, fault: func(p *pair, s *testenv.Started) {
			s.Saw("web2", "arm", "unknown", 30*time.Second)
			p.start(web2)
		}},
	})
}

func readlink(p *pair, path string) string {
	p.T.Helper()
	target, err := os.Readlink(path)
	require.NoError(p.T, err)
	return target
}

// TestLaptopSleepsWhileArmed_C12: the host's own deadline has passed when it wakes up.
func TestLaptopSleepsWhileArmed_C12(t *testing.T) {
	long(t)
	t.Parallel()
	playAll(t, hosttest.Options{}, []scene{{
		name: "C12: asleep", moment: (*pair).arming, exit: 3, after: old,
		fault: func(p *pair, s *testenv.Started) {
			s.Signal(syscall.SIGSTOP)
			p.start(web2)
			for host := range p.Hosts {
				require.Eventually(p.T, func() bool { return len(p.armed(host)) == 0 }, time.Minute, 50*time.Millisecond, "hosts give up after 30 seconds")
			}
			s.Signal(syscall.SIGCONT)
		},
	}})
}
