package faults_test

import (
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/hosttest"
	"github.com/keep-it-simple/kis/internal/oracle"
	"github.com/keep-it-simple/kis/internal/site"
)

// colleague is another person at another machine, with the same project and the same hosts.
func (p *pair) colleague() *pair {
	p.T.Helper()
	other := *p
	other.World = site.Around(p.T, p.Hosts)
	return &other
}

// TestTwoPeopleAtOnce: one person's push waits before the barrier, and somebody else does something.
func TestTwoPeopleAtOnce(t *testing.T) {
	t.Parallel()
	p := newPair(t, hosttest.Options{})
	for _, c := range []struct {
		name string
		args []string // nil: the same push
	}{
		{name: "the same push", args: nil},
		{name: "a push to one of the hosts", args: []string{"--hosts", "web2"}},
		{name: "a roll-back", args: []string{"rollback", "staging", "--to", "hello-0.3"}},
		{name: "a link", args: []string{"link", "staging", "hello-0.4"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := p.in(t)
			to := p.next()
			s := p.holding(to)
			other := p.colleague()
			args := c.args
			if len(args) == 0 || args[0] == "--hosts" {
				args = append(other.push(to), args...)
			}
			r := other.Kis(args...)
			require.Equal(t, 6, r.Exit)
			assert.Contains(t, r.Err, "locked by another run")
			assert.Contains(t, r.Err, "push staging "+to, "what the other does")
			p.unmark(web1, "hold")
			require.Equal(t, 0, s.End(time.Minute).Exit, "the first is not disturbed")
			s.Watch.Check(oracle.Expect{Exit: 0, To: to})
		})
	}
	t.Run("the lock file is removed", func(t *testing.T) { lockFileRemoved(p.in(t)) })
}

// lockFileRemoved: another run could hold the new file, so that this one may not go on.
func lockFileRemoved(p *pair) {
	p.T.Helper()
	to := p.next()
	s := p.holding(to)
	p.Hosts[web1].Shell(p.T, "rm /var/webcode/.kis/locks/staging")
	p.unmark(web1, "hold")
	r := s.End(time.Minute)
	require.Equal(p.T, 3, r.Exit)
	s.Watch.Check(oracle.Expect{Exit: 3, To: to})
	assert.Contains(p.T, r.Out, "was removed or replaced")
	p.again(to)
}

// TestTwoPeopleWhoEachGetHalfOfTheHosts: nobody waits for the other for ever, and nothing is half.
func TestTwoPeopleWhoEachGetHalfOfTheHosts(t *testing.T) {
	long(t)
	t.Parallel()
	p := newPair(t, hosttest.Options{})
	other := p.colleague()
	for who, far := range map[*pair]int{p: web2, other: web1} { // the way to one host is long for one, and to the other for the other
		proxy := p.Hosts[far].Proxy(t)
		who.Client.SetPort(t, p.Hosts[far].Name, proxy.Port())
		proxy.Delay(20 * time.Millisecond)
	}
	for range 10 {
		to := p.next()
		first, second := p.Start(p.push(to)...), other.Start(other.push(to)...)
		a, b := first.End(time.Minute).Exit, second.End(time.Minute).Exit
		for _, exit := range []int{a, b} { // 3: between its look and its lock the other was there
			assert.Contains(t, []int{0, 3, 6}, exit)
		}
		links := p.Links()
		assert.Equal(t, links[web1], links[web2], "nothing is half")
		if a != 0 && b != 0 {
			p.Run(0, to, p.push(to)...)
		}
	}
}

// TestALockIsFreeWithinAMinuteAfterASilentPartition: no host can see that kis has died, so the lease ends it.
func TestALockIsFreeWithinAMinuteAfterASilentPartition(t *testing.T) {
	long(t)
	t.Parallel()
	p := newPair(t, hosttest.Options{Network: true})
	to := p.next()
	s := p.holding(to)
	for _, h := range p.Hosts {
		h.Block(t)
	}
	s.Signal(syscall.SIGKILL)
	s.End(10 * time.Second)
	s.Watch.Check(oracle.Expect{Exit: -1, To: to, Within: 80 * time.Second})
	for _, h := range p.Hosts {
		h.Unblock(t)
	}
	p.again(to)
}
