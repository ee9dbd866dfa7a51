package recovery

import (
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/testenv"
	"github.com/keep-it-simple/kis/internal/testenv/hosttest"
)

// calling starts a push whose web1 has answered the roll call and whose web2 has a long way to go, a second and a half: what is done to web1
// now is done after the last question and before the word to link.
func calling(p *pair, to string) *testenv.Started {
	p.T.Helper()
	proxy := p.Hosts[web2].Proxy(p.T)
	p.Client.SetPort(p.T, "web2", proxy.Port())
	s := p.arming(to)
	proxy.Delay(250 * time.Millisecond)
	p.start(web2)
	s.Saw("web1", "roll call", "done", 10*time.Second)
	return s
}

// TestConnectionDiesAtCommit_C3_C4: it is dead, nobody says so, and new ones work.
func TestConnectionDiesAtCommit_C3_C4(t *testing.T) {
	t.Parallel()
	playAll(t, hosttest.Options{Network: true}, []scene{
		{
			name: "C3: before the word", long: true, moment: calling, exit: 4, says: []string{`"web1"`}, after: old,
			fault: func(p *pair, s *testenv.Started) {
				p.Hosts[web1].BlockOld(p.T)
				s.Saw("web1", "resolve", "done", 30*time.Second)
				s.End(30 * time.Second)
				before := p.Links()
				p.Hosts[web1].Unblock(p.T) // the word arrives, when nobody waits for it any more
				p.Quiet(time.Minute)
				assert.Equal(p.T, before, p.Links())
			},
		},
		{
			name: "C3: before the word, and for good", long: true, moment: calling, exit: 4, after: old,
			fault: func(p *pair, s *testenv.Started) {
				p.Hosts[web1].BlockOld(p.T)
				s.End(time.Minute)
				p.Quiet(10 * time.Second)
				p.Hosts[web1].Unblock(p.T)
			},
		},
		{
			name: "C4: before the answer", moment: calling, exit: 0,
			fault: func(p *pair, s *testenv.Started) {
				agent := p.Agent(p.Hosts[web1])
				p.Hosts[web1].MuteOld(p.T)
				s.Saw("web1", "resolve", "done", 30*time.Second)
				assert.NotEqual(p.T, agent, p.Agent(p.Hosts[web1]), "another agent has the lock")
				s.End(30 * time.Second)
				p.Quiet(10 * time.Second)
				p.Hosts[web1].Unblock(p.T)
			},
		},
	})
}

// TestNetworkDiesBetweenLinks_C15: web1 does not hear the word, web2 has linked and cannot say so.
func TestNetworkDiesBetweenLinks_C15(t *testing.T) {
	long(t)
	t.Parallel()
	dies := func(p *pair, s *testenv.Started) {
		before := p.Links()[web2]
		p.Hosts[web1].Block(p.T)
		require.Eventually(p.T, func() bool { return p.Links()[web2] != before }, 10*time.Second, time.Millisecond, "web2 links")
		p.Hosts[web2].Block(p.T)
		s.End(3 * time.Minute)
		for _, h := range p.Hosts {
			h.Unblock(p.T)
		}
		p.Quiet(2 * time.Minute)
	}
	torn := func(p *pair, to string) (from string, next []testenv.Advice) {
		links := p.Links()
		assert.Equal(p.T, to, links[web2])
		assert.NotEqual(p.T, to, links[web1])
		r := p.Kis("status", "staging", "-o", "json")
		assert.Equal(p.T, 5, r.Exit)
		status := r.Events(p.T)[0].Status
		assert.Equal(p.T, "interrupted", status.Verdict)
		require.Len(p.T, status.Next, 2)
		return links[web1], status.Next
	}
	cured := func(p *pair, next testenv.Advice, want, linked string) {
		require.Equal(p.T, want, next.Command)
		p.Run(0, linked, strings.Fields(next.Command)[1:]...)
		assert.Equal(p.T, p.All(linked), p.Links())
		assert.Equal(p.T, "uniform", p.Kis("status", "staging", "-o", "json").Events(p.T)[0].Status.Verdict)
	}
	both := []string{`"web1"`, `"web2"`}
	playAll(t, hosttest.Options{Network: true}, []scene{
		{name: "C15: forward", long: true, moment: calling, exit: 5, within: 3 * time.Minute, says: both, fault: dies, after: func(p *pair, to string) {
			_, next := torn(p, to)
			cured(p, next[0], "kis link staging "+to, to)
		}},
		{name: "C15: back", long: true, moment: calling, exit: 5, within: 3 * time.Minute, says: both, fault: dies, after: func(p *pair, to string) {
			from, next := torn(p, to)
			cured(p, next[1], "kis rollback staging --to "+from, from)
		}},
	})
}

// TestCommitInFlight_C3_C4_K4: the network loses it, or delivers it when nobody waits for it any more.
func TestCommitInFlight_C3_C4_K4(t *testing.T) {
	t.Parallel()
	playAll(t, hosttest.Options{Network: true}, []scene{
		{
			name: "C3: it arrives after kis has died", moment: calling, exit: -1,
			fault: func(p *pair, s *testenv.Started) {
				p.Hosts[web1].Block(p.T)
				s.Saw("web1", "link", "started", 10*time.Second)
				p.marked(web2, "verifying")
				require.Eventually(p.T, func() bool { return p.Links()[web2] != p.Links()[web1] }, 10*time.Second, 5*time.Millisecond, "web2 links")
				s.Signal(syscall.SIGKILL)
				s.End(10 * time.Second)
				p.Hosts[web1].Unblock(p.T)
				require.Eventually(p.T, func() bool { return len(p.armed(web1)) == 0 }, time.Minute, 5*time.Millisecond, "web1 links or gives up")
			},
			after: func(p *pair, to string) {
				assert.Equal(p.T, to, p.Links()[web2])
				if p.Links()[web1] == to {
					told(p, "the same on all hosts, but the last run was interrupted")
				} else {
					told(p, "hosts differ: a run was interrupted")
				}
			},
		},
		{
			name: "C3: it arrives after kis has given up", long: true, moment: calling, exit: 5, within: 2 * time.Minute, says: []string{`"web1"`},
			fault: func(p *pair, s *testenv.Started) {
				p.Hosts[web1].Block(p.T)
				s.Saw("web1", "link", "started", 10*time.Second)
				s.End(2 * time.Minute)
				p.Hosts[web1].Unblock(p.T)
				require.Eventually(p.T, func() bool { return len(p.armed(web1)) == 0 }, time.Minute, 5*time.Millisecond, "web1 gives up by itself")
			},
			after: func(p *pair, to string) { old(p, to) },
		},
		{
			name: "K4: Ctrl-C while it travels", moment: calling, exit: 0, says: []string{"links are being switched"},
			fault: func(p *pair, s *testenv.Started) {
				p.Hosts[web1].Block(p.T)
				s.Saw("web1", "link", "started", 10*time.Second)
				s.Signal(syscall.SIGINT)
				s.Says("links are being switched", 10*time.Second)
				require.True(p.T, s.Running())
				p.Hosts[web1].Unblock(p.T)
			},
		},
		{
			name: "C4: its answer comes late", long: true, moment: calling, exit: 0,
			fault: func(p *pair, s *testenv.Started) {
				p.Hosts[web1].Block(p.T)
				s.Saw("web1", "link", "started", 10*time.Second)
				p.Hosts[web1].Unblock(p.T)
			},
		},
	})
}
