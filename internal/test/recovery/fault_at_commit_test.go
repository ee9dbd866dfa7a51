package recovery

import (
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/testenv"
	"github.com/keep-it-simple/kis/internal/testenv/faulttest"
	"github.com/keep-it-simple/kis/internal/testenv/hosttest"
)

// TestConnectionDiesAtCommit_C3: it is dead, nobody says so, and new ones work.
func TestConnectionDiesAtCommit_C3(t *testing.T) {
	t.Parallel()
	faulttest.Play(t, hosttest.Options{Network: true}, []faulttest.Scene{
		{
			Name: "C3: before the word", Moment: (*faulttest.Pair).Calling, Exit: 4, Says: []string{`"web1"`}, After: (*faulttest.Pair).Unswitched,
			Fault: func(p *faulttest.Pair, s *testenv.Started) {
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
			Name: "C3: before the word, and for good", Moment: (*faulttest.Pair).Calling, Exit: 4, After: (*faulttest.Pair).Unswitched,
			Fault: func(p *faulttest.Pair, s *testenv.Started) {
				p.Hosts[web1].BlockOld(p.T)
				s.End(time.Minute)
				p.Quiet(10 * time.Second)
				p.Hosts[web1].Unblock(p.T)
			},
		},
	})
}

// TestNetworkDiesBetweenLinks_C15: web1 does not hear the word, web2 has linked and cannot say so.
func TestNetworkDiesBetweenLinks_C15(t *testing.T) {
	t.Parallel()
	dies := func(p *faulttest.Pair, s *testenv.Started) {
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
	torn := func(p *faulttest.Pair, to string) (from string, next []testenv.Advice) {
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
	cured := func(p *faulttest.Pair, next testenv.Advice, want, linked string) {
		require.Equal(p.T, want, next.Command)
		p.Run(0, linked, strings.Fields(next.Command)[1:]...)
		assert.Equal(p.T, p.All(linked), p.Links())
		assert.Equal(p.T, "uniform", p.Kis("status", "staging", "-o", "json").Events(p.T)[0].Status.Verdict)
	}
	both := []string{`"web1"`, `"web2"`}
	faulttest.Play(t, hosttest.Options{Network: true}, []faulttest.Scene{
		{Name: "C15: forward", Moment: (*faulttest.Pair).Calling, Exit: 5, Within: 3 * time.Minute, Says: both, Fault: dies, After: func(p *faulttest.Pair, to string) {
			_, next := torn(p, to)
			cured(p, next[0], "kis link staging "+to, to)
		}},
		{Name: "C15: back", Moment: (*faulttest.Pair).Calling, Exit: 5, Within: 3 * time.Minute, Says: both, Fault: dies, After: func(p *faulttest.Pair, to string) {
			from, next := torn(p, to)
			cured(p, next[1], "kis rollback staging --to "+from, from)
		}},
	})
}

// TestCommitInFlight_C3_C4_K4: the network loses it, or delivers it when nobody waits for it any more.
func TestCommitInFlight_C3_C4_K4(t *testing.T) {
	t.Parallel()
	faulttest.Play(t, hosttest.Options{Network: true}, []faulttest.Scene{
		{
			Name: "C3: it arrives after kis has died", Moment: (*faulttest.Pair).Calling, Exit: -1,
			Fault: func(p *faulttest.Pair, s *testenv.Started) {
				p.Hosts[web1].Block(p.T)
				s.Saw("web1", "link", "started", 10*time.Second)
				p.Marked(web2, "verifying")
				require.Eventually(p.T, func() bool { return p.Links()[web2] != p.Links()[web1] }, 10*time.Second, 5*time.Millisecond, "web2 links")
				s.Signal(syscall.SIGKILL)
				s.End(10 * time.Second)
				p.Hosts[web1].Unblock(p.T)
				require.Eventually(p.T, func() bool { return len(p.Armed(web1)) == 0 }, time.Minute, 5*time.Millisecond, "web1 links or gives up")
			},
			After: func(p *faulttest.Pair, to string) {
				assert.Equal(p.T, to, p.Links()[web2])
				if p.Links()[web1] == to {
					p.StatusSays("the same on all hosts, but the last run was interrupted")
				} else {
					p.StatusSays("hosts differ: a run was interrupted")
				}
			},
		},
		{
			Name: "C3: it arrives after kis has given up", Moment: (*faulttest.Pair).Calling, Exit: 5, Within: 2 * time.Minute, Says: []string{`"web1"`},
			Fault: func(p *faulttest.Pair, s *testenv.Started) {
				p.Hosts[web1].Block(p.T)
				s.Saw("web1", "link", "started", 10*time.Second)
				s.End(2 * time.Minute)
				p.Hosts[web1].Unblock(p.T)
				require.Eventually(p.T, func() bool { return len(p.Armed(web1)) == 0 }, time.Minute, 5*time.Millisecond, "web1 gives up by itself")
			},
			After: func(p *faulttest.Pair, to string) { p.Unswitched(to) },
		},
		{
			Name: "K4: Ctrl-C while it travels", Moment: (*faulttest.Pair).Calling, Exit: 0, Says: []string{"links are being switched"},
			Fault: func(p *faulttest.Pair, s *testenv.Started) {
				p.Hosts[web1].Block(p.T)
				s.Saw("web1", "link", "started", 10*time.Second)
				s.Signal(syscall.SIGINT)
				s.Says("links are being switched", 10*time.Second)
				require.True(p.T, s.Running())
				p.Hosts[web1].Unblock(p.T)
			},
		},
		{
			Name: "C4: its answer comes late", Moment: (*faulttest.Pair).Calling, Exit: 0,
			Fault: func(p *faulttest.Pair, s *testenv.Started) {
				p.Hosts[web1].Block(p.T)
				s.Saw("web1", "link", "started", 10*time.Second)
				p.Hosts[web1].Unblock(p.T)
			},
		},
	})
}
