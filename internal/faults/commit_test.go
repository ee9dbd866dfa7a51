package faults_test

import (
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/hosttest"
	"github.com/keep-it-simple/kis/internal/site"
)

// calling starts a push whose web1 has answered the roll call and whose web2 has a long way to go, a second and a half: what is done to web1
// now is done after the last question and before the word to link.
func calling(p *pair, to string) *site.Started {
	p.T.Helper()
	proxy := p.Hosts[web2].Proxy(p.T)
	p.Client.SetPort(p.T, "web2", proxy.Port())
	s := p.arming(to)
	proxy.Delay(250 * time.Millisecond)
	p.start(web2)
	s.Saw("web1", "roll call", "done", 10*time.Second)
	return s
}

// TestAWordToLinkThatTravels: the network loses it, or delivers it when nobody waits for it any more.
func TestAWordToLinkThatTravels(t *testing.T) {
	t.Parallel()
	playAll(t, hosttest.Options{Network: true}, []scene{
		{
			name: "it arrives after kis has died", moment: calling, exit: -1,
			fault: func(p *pair, s *site.Started) {
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
				told(p, "staging", "web2")
			},
		},
		{
			name: "it arrives after kis has given up", long: true, moment: calling, exit: 5, within: 2 * time.Minute, says: []string{`"web1"`},
			fault: func(p *pair, s *site.Started) {
				p.Hosts[web1].Block(p.T)
				s.Saw("web1", "link", "started", 10*time.Second)
				s.End(2 * time.Minute)
				p.Hosts[web1].Unblock(p.T)
				require.Eventually(p.T, func() bool { return len(p.armed(web1)) == 0 }, time.Minute, 5*time.Millisecond, "web1 gives up by itself")
			},
			after: func(p *pair, to string) { old(p, to) },
		},
		{
			name: "Ctrl-C while it travels", moment: calling, exit: 0, says: []string{"the links are being switched"},
			fault: func(p *pair, s *site.Started) {
				p.Hosts[web1].Block(p.T)
				s.Saw("web1", "link", "started", 10*time.Second)
				s.Signal(syscall.SIGINT)
				s.Says("the links are being switched", 10*time.Second)
				require.True(p.T, s.Running())
				p.Hosts[web1].Unblock(p.T)
			},
		},
		{
			name: "its answer comes late", long: true, moment: calling, exit: 0,
			fault: func(p *pair, s *site.Started) {
				p.Hosts[web1].Block(p.T)
				s.Saw("web1", "link", "started", 10*time.Second)
				p.Hosts[web1].Unblock(p.T)
			},
		},
	})
}
