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
	"github.com/keep-it-simple/kis/internal/testenv/faulttest"
	"github.com/keep-it-simple/kis/internal/testenv/hosttest"
)

// TestFaultBeforeTheSwitch_C1_C11_C16_K3_K5_L5: web1 has its next link prepared, web2 takes its time, and something goes wrong.
func TestFaultBeforeTheSwitch_C1_C11_C16_K3_K5_L5(t *testing.T) {
	t.Parallel()
	arming := (*faulttest.Pair).Arming
	faulttest.Play(t, hosttest.Options{}, []faulttest.Scene{
		{Name: "C1: a session is killed", Moment: arming, Exit: 3, After: (*faulttest.Pair).Unswitched, Says: []string{`"web1"`}, Fault: func(p *faulttest.Pair, s *testenv.Started) {
			p.Kill(web1, p.Session(web1))
			require.Eventually(p.T, func() bool { return len(p.Armed(web1)) == 0 }, 10*time.Second, 5*time.Millisecond, "web1 gives up by itself")
			p.StartAgent(web2)
		}},
		{Name: "C1: an agent is killed", Moment: arming, Exit: 3, Dirty: true, Fault: func(p *faulttest.Pair, s *testenv.Started) {
			p.Kill(web1, p.Agent(p.Hosts[web1]))
			p.StartAgent(web2)
		}},
		{Name: "K3: Ctrl-C twice", Moment: arming, Exit: 130, Fault: func(p *faulttest.Pair, s *testenv.Started) {
			s.Signal(syscall.SIGINT)
			s.Says("waiting for hosts", 10*time.Second)
			s.Signal(syscall.SIGINT)
			s.End(5 * time.Second) // it waits for nobody
			p.StartAgent(web2)
		}},
		{Name: "K5: the terminal is closed", Moment: arming, Exit: 130, After: (*faulttest.Pair).Unswitched, Fault: func(p *faulttest.Pair, s *testenv.Started) {
			s.Signal(syscall.SIGHUP)
			s.Says("waiting for hosts", 10*time.Second)
			p.StartAgent(web2)
		}},
		{Name: "L5: the lock file is removed", Moment: arming, Exit: 4, Says: []string{"was removed or replaced"}, Fault: func(p *faulttest.Pair, s *testenv.Started) {
			require.NoError(p.T, os.Remove(filepath.Join(p.Hosts[web1].Repo, ".kis", "locks", "staging")))
			p.StartAgent(web2)
		}},
		{
			Name: "C16: the package is removed", Moment: arming, Exit: 4, Blind: true, Says: []string{`"web1"`, "is not installed"},
			Fault: func(p *faulttest.Pair, s *testenv.Started) {
				to := filepath.Base(readlink(p, p.Armed(web1)[0]))
				p.Hosts[web1].Shell(p.T, "rm -r /var/webcode/"+to)
				p.StartAgent(web2)
			},
			After: func(p *faulttest.Pair, to string) {
				p.Unswitched(to)
				assert.NoDirExists(p.T, filepath.Join(p.Hosts[web1].Repo, to))
			},
		},
		{Name: "C11: a host takes longer than it may", Moment: arming, Exit: 3, Says: []string{"no answer within 15 s"}, Within: time.Minute, After: (*faulttest.Pair).Unswitched, Fault: func(p *faulttest.Pair, s *testenv.Started) {
			s.Saw("web2", "arm", "unknown", 30*time.Second)
			p.StartAgent(web2)
		}},
	})
}

func readlink(p *faulttest.Pair, path string) string {
	p.T.Helper()
	target, err := os.Readlink(path)
	require.NoError(p.T, err)
	return target
}

// TestLaptopSleepsWhileArmed_C12: the host's own deadline has passed when it wakes up.
func TestLaptopSleepsWhileArmed_C12(t *testing.T) {
	t.Parallel()
	faulttest.Play(t, hosttest.Options{}, []faulttest.Scene{{
		Name: "C12: asleep", Moment: (*faulttest.Pair).Arming, Exit: 3, After: (*faulttest.Pair).Unswitched,
		Fault: func(p *faulttest.Pair, s *testenv.Started) {
			s.Signal(syscall.SIGSTOP)
			p.StartAgent(web2)
			for host := range p.Hosts {
				require.Eventually(p.T, func() bool { return len(p.Armed(host)) == 0 }, time.Minute, 50*time.Millisecond, "hosts give up after 30 seconds")
			}
			s.Signal(syscall.SIGCONT)
		},
	}})
}
