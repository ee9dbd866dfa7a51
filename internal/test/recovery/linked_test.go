package recovery

import (
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/testenv"
	"github.com/keep-it-simple/kis/internal/testenv/hosttest"
)

// letGo lets the after-link commands of both hosts end.
func (p *pair) letGo() {
	p.T.Helper()
	p.unmark(web1, "wait")
	p.unmark(web2, "wait")
}

// told looks at what `kis status` says.
func told(p *pair, parts ...string) {
	p.T.Helper()
	r := p.Kis("status", "staging")
	for _, part := range parts {
		assert.Contains(p.T, r.Screen(), part)
	}
}

// TestFaultAfterLink_V6_V10_C5_C17_K1_K4: both hosts are linked, the after-link commands run, and something goes wrong.
func TestFaultAfterLink_V6_V10_C5_C17_K1_K4(t *testing.T) {
	t.Parallel()
	linking := (*pair).linking
	playAll(t, hosttest.Options{}, []scene{
		{name: "K4: signals", moment: linking, exit: 4, says: []string{"ending the after_link commands"}, fault: func(p *pair, s *testenv.Started) {
			for _, signal := range []syscall.Signal{syscall.SIGINT, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP} {
				s.Signal(signal)
			}
			s.Says("ending the after_link commands", 10*time.Second)
			p.letGo() // for the commands of the package before
		}},
		{
			name: "K1: kis is killed", moment: linking, exit: -1, dirty: true,
			fault: func(p *pair, s *testenv.Started) {
				s.Signal(syscall.SIGKILL)
				s.End(10 * time.Second)
				p.Quiet(10 * time.Second)
			},
			after: func(p *pair, to string) {
				assert.Equal(p.T, p.All(to), p.Links(), "what is linked stays linked")
				told(p, "the same on all hosts, but the last run was interrupted")
			},
		},
		{name: "V6: the command fails on one host", moment: linking, exit: 4, fault: func(p *pair, s *testenv.Started) {
			p.mark(web2, "fail")
			p.letGo()
		}},
		{name: "an agent is killed", moment: linking, exit: 4, dirty: true, fault: func(p *pair, s *testenv.Started) {
			p.kill(web1, p.Agent(p.Hosts[web1]))
			p.letGo()
		}},
		{name: "a session is killed", moment: linking, exit: 4, dirty: true, fault: func(p *pair, s *testenv.Started) {
			p.kill(web1, p.session(web1))
			p.letGo()
		}},
		{
			name: "V10: the command fails and a host cannot go back", moment: linking, exit: 5, says: []string{`"web1"`, "operation not permitted"},
			fault: func(p *pair, s *testenv.Started) {
				p.Hosts[web1].Shell(p.T, "chattr +i /var/webcode")
				p.mark(web2, "fail")
				p.letGo()
				s.End(time.Minute)
				p.Hosts[web1].Shell(p.T, "chattr -i /var/webcode")
			},
			after: func(p *pair, to string) {
				assert.Equal(p.T, to, p.Links()[web1])
				assert.NotEqual(p.T, to, p.Links()[web2])
				told(p, "hosts differ: a run was interrupted", "web1", "web2",
					"next: kis link staging "+to+" ", "next: kis rollback staging --to "+p.Links()[web2]+" ")
			},
		},
		{
			name: "C5,C17: a host loses its power", long: true, moment: linking, exit: 5, dirty: true, within: 2 * time.Minute, says: []string{`"web2"`},
			fault: func(p *pair, s *testenv.Started) {
				p.Hosts[web2].Kill()
				p.letGo()
				s.End(2 * time.Minute)
				p.Hosts[web2].Restart(p.T)
			},
			after: func(p *pair, to string) {
				assert.NotEqual(p.T, to, p.Links()[web1], "what could be taken back is back")
				assert.Equal(p.T, to, p.Links()[web2], "what was linked is still linked after the power is back")
			},
		},
	})
}

// TestNetworkDies_C15: no host can be told anything any more, and nobody says so.
func TestNetworkDies_C15(t *testing.T) {
	long(t)
	t.Parallel()
	block := func(p *pair) {
		for _, h := range p.Hosts {
			h.Block(p.T)
		}
	}
	unblock := func(p *pair) {
		for _, h := range p.Hosts {
			h.Unblock(p.T)
		}
	}
	playAll(t, hosttest.Options{Network: true}, []scene{
		{name: "C15: one host is silent while armed", long: true, moment: (*pair).arming, exit: 3, within: time.Minute, after: old, fault: func(p *pair, s *testenv.Started) {
			p.Hosts[web1].Block(p.T)
			p.start(web2)
			s.End(time.Minute)
			p.Hosts[web1].Unblock(p.T)
			require.Eventually(p.T, func() bool { return len(p.armed(web1)) == 0 }, time.Minute, 50*time.Millisecond, "web1 gives up by itself")
		}},
		{
			name: "C15: all hosts are silent after they have linked", long: true, moment: (*pair).linking, exit: 5, within: 3 * time.Minute,
			says: []string{`"web1"`, `"web2"`},
			fault: func(p *pair, s *testenv.Started) {
				block(p)
				p.letGo()
				r := s.End(3 * time.Minute)
				for _, h := range r.Report(p.T).Hosts {
					assert.False(p.T, h.Known, "%s: nobody knows", h.Host)
				}
				unblock(p)
			},
			after: func(p *pair, to string) { assert.Equal(p.T, p.All(to), p.Links()) },
		},
	})
}
