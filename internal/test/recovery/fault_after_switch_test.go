package recovery

import (
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/testenv"
	"github.com/keep-it-simple/kis/internal/testenv/faulttest"
	"github.com/keep-it-simple/kis/internal/testenv/hosttest"
)

// TestFaultAfterTheSwitch_C5_C17_K4_V10: both hosts are linked, the after-link commands run, and something goes wrong.
func TestFaultAfterTheSwitch_C5_C17_K4_V10(t *testing.T) {
	t.Parallel()
	linking := (*faulttest.Pair).Linking
	faulttest.Play(t, hosttest.Options{}, []faulttest.Scene{
		{Name: "K4: signals", Moment: linking, Exit: 4, Says: []string{"ending what follows the switch"}, Fault: func(p *faulttest.Pair, s *testenv.Started) {
			for _, signal := range []syscall.Signal{syscall.SIGINT, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP} {
				s.Signal(signal)
			}
			s.Says("ending what follows the switch", 10*time.Second)
			p.EndCommands() // for the commands of the package before
		}},
		{Name: "a session is killed", Moment: linking, Exit: 4, Dirty: true, Fault: func(p *faulttest.Pair, s *testenv.Started) {
			p.Kill(web1, p.Session(web1))
			p.EndCommands()
		}},
		{
			Name: "V10: the command fails and a host cannot go back", Moment: linking, Exit: 5, Says: []string{`"web1"`, "operation not permitted"},
			Fault: func(p *faulttest.Pair, s *testenv.Started) {
				p.Hosts[web1].Shell(p.T, "chattr +i /var/webcode")
				p.Mark(web2, "fail")
				p.EndCommands()
				s.End(time.Minute)
				p.Hosts[web1].Shell(p.T, "chattr -i /var/webcode")
			},
			After: func(p *faulttest.Pair, to string) {
				assert.Equal(p.T, to, p.Links()[web1])
				assert.NotEqual(p.T, to, p.Links()[web2])
				p.StatusSays("hosts differ: a run was interrupted", "web1", "web2",
					"next: kis link staging "+to+" ", "next: kis rollback staging --to "+p.Links()[web2]+" ")
			},
		},
		{
			Name: "C5,C17: a host loses its power", Moment: linking, Exit: 5, Dirty: true, Within: 2 * time.Minute, Says: []string{`"web2"`},
			Fault: func(p *faulttest.Pair, s *testenv.Started) {
				p.Hosts[web2].Kill()
				p.EndCommands()
				s.End(2 * time.Minute)
				p.Hosts[web2].Restart(p.T)
			},
			After: func(p *faulttest.Pair, to string) {
				assert.NotEqual(p.T, to, p.Links()[web1], "what could be taken back is back")
				assert.Equal(p.T, to, p.Links()[web2], "what was linked is still linked after the power is back")
			},
		},
	})
}

// TestNetworkDies_C15: no host can be told anything any more, and nobody says so.
func TestNetworkDies_C15(t *testing.T) {
	t.Parallel()
	block := func(p *faulttest.Pair) {
		for _, h := range p.Hosts {
			h.Block(p.T)
		}
	}
	unblock := func(p *faulttest.Pair) {
		for _, h := range p.Hosts {
			h.Unblock(p.T)
		}
	}
	faulttest.Play(t, hosttest.Options{Network: true}, []faulttest.Scene{
		{Name: "C15: one host is silent while armed", Moment: (*faulttest.Pair).Arming, Exit: 3, Within: time.Minute, After: (*faulttest.Pair).Unswitched, Fault: func(p *faulttest.Pair, s *testenv.Started) {
			p.Hosts[web1].Block(p.T)
			p.StartAgent(web2)
			s.End(time.Minute)
			p.Hosts[web1].Unblock(p.T)
			require.Eventually(p.T, func() bool { return len(p.Armed(web1)) == 0 }, time.Minute, 50*time.Millisecond, "web1 gives up by itself")
		}},
		{
			Name: "C15: all hosts are silent after they have linked", Moment: (*faulttest.Pair).Linking, Exit: 5, Within: 3 * time.Minute,
			Says: []string{`"web1"`, `"web2"`},
			Fault: func(p *faulttest.Pair, s *testenv.Started) {
				block(p)
				p.EndCommands()
				r := s.End(3 * time.Minute)
				for _, h := range r.Report(p.T).Hosts {
					assert.False(p.T, h.LinkKnown, "%s: nobody knows", h.Host)
				}
				unblock(p)
			},
			After: func(p *faulttest.Pair, to string) { assert.Equal(p.T, p.All(to), p.Links()) },
		},
	})
}
