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
	"github.com/keep-it-simple/kis/internal/testenv/oracle"
	"github.com/keep-it-simple/kis/internal/testenv/proxytest"
)

// colleague is another person at another machine, with the same project and the same hosts.
func colleague(p *faulttest.Pair) *faulttest.Pair {
	p.T.Helper()
	other := *p
	other.Env = testenv.Around(p.T, p.Hosts)
	return &other
}

// TestConcurrentRuns_L1_L5_L7_L8: one person's push waits before the barrier, and somebody else does something.
func TestConcurrentRuns_L1_L5_L7_L8(t *testing.T) {
	t.Parallel()
	p := faulttest.NewPair(t, hosttest.Options{})
	for _, c := range []struct {
		name string
		args []string // nil: the same push
	}{
		{name: "L1: the same push", args: nil},
		{name: "L7: a push to one of the hosts", args: []string{"--hosts", "web2"}},
		{name: "L8: a roll-back", args: []string{"rollback", "staging", "--to", "hello-0.3"}},
		{name: "L8: a link", args: []string{"link", "staging", "hello-0.4"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := p.Sub(t)
			to := p.Next()
			s := p.Holding(to)
			other := colleague(p)
			args := c.args
			if len(args) == 0 || args[0] == "--hosts" {
				args = append(other.Push(to), args...)
			}
			r := other.Kis(args...)
			require.Equal(t, 6, r.Exit)
			assert.Contains(t, r.Err, "locked by another run")
			assert.Contains(t, r.Err, "push staging "+to, "what the other does")
			p.Unmark(web1, "hold")
			require.Equal(t, 0, s.End(time.Minute).Exit, "the first is not disturbed")
			s.Watch.Check(oracle.Expect{Exit: 0, To: to})
		})
	}
	t.Run("L5: the lock file is removed", func(t *testing.T) { lockFileRemoved(p.Sub(t)) })
}

// lockFileRemoved: another run could hold the new file, so that this one may not go on.
func lockFileRemoved(p *faulttest.Pair) {
	p.T.Helper()
	to := p.Next()
	s := p.Holding(to)
	p.Hosts[web1].Shell(p.T, "rm /var/webcode/.kis/locks/staging")
	p.Unmark(web1, "hold")
	r := s.End(time.Minute)
	require.Equal(p.T, 3, r.Exit)
	s.Watch.Check(oracle.Expect{Exit: 3, To: to})
	assert.Contains(p.T, r.Out, "was removed or replaced")
	p.Again(to)
}

// halves starts the same push of two people, who are each near one host and far from the other, and returns when each has the lock of the near
// one and has asked for that of the other, which is told only then.
func halves(p, other *faulttest.Pair, to string, more ...string) (both []*testenv.Started) {
	p.T.Helper()
	people, hosts := []*faulttest.Pair{p, other}, []string{p.Hosts[web2].Name, p.Hosts[web1].Name}
	var ways []*proxytest.Proxy
	for i, who := range people {
		way := p.Hosts[1-i].Proxy(p.T)
		ways = append(ways, way)
		who.Client.SetPort(p.T, hosts[i], way.Port())
		who.Client.Set(p.T, "ServerAliveInterval 60") // the silence until the other has come so far is not to be taken for death
		way.Delay(300 * time.Millisecond)
		both = append(both, who.Start(who.Push(to, append(more, "-o", "json")...)...))
	}
	// Each time what a host has said has arrived, and what it is asked next is on its way still, and time enough to stop that. Neither waits
	// for the other here: that may be far behind.
	steps := []struct {
		name string
		then func(*proxytest.Proxy)
	}{
		{"connect", func(way *proxytest.Proxy) { way.Delay(3 * time.Second) }},
		{"check", func(way *proxytest.Proxy) { way.Stall() }},
	}
	var come [2]int
	require.Eventually(p.T, func() bool {
		for i, s := range both {
			if come[i] < len(steps) && s.Has(hosts[i], steps[come[i]].name, "done") {
				steps[come[i]].then(ways[i])
				come[i]++
			}
		}
		return come == [2]int{len(steps), len(steps)}
	}, time.Minute, 5*time.Millisecond, "both have checked")
	for _, h := range p.Hosts {
		require.Eventually(p.T, func() bool { return p.Locked(h) }, time.Minute, 5*time.Millisecond, "%s is locked", h.Name)
	}
	count := func(of func(proxytest.Traffic) int64) (bytes [2]int64) {
		for i, way := range ways {
			for _, c := range way.Connections() {
				bytes[i] += of(c)
			}
		}
		return bytes
	}
	// moved waits until so much more has passed on each of both ways.
	moved := func(of func(proxytest.Traffic) int64, since [2]int64, bytes int64, what string) {
		require.Eventually(p.T, func() bool {
			now := count(of)
			return now[0] >= since[0]+bytes && now[1] >= since[1]+bytes
		}, time.Minute, 5*time.Millisecond, what)
	}
	// Both have asked, and both are told before either can do anything about it. Signs of life that pass meanwhile are shorter than either.
	toHost := func(c proxytest.Traffic) int64 { return c.ToHost }
	toClient := func(c proxytest.Traffic) int64 { return c.ToClient }
	asked, told := count(toHost), count(toClient)
	for _, way := range ways {
		way.StallOnly(proxytest.ToClient)
	}
	moved(toHost, asked, 200, "both have asked for the lock that the other has")
	for _, s := range both {
		s.Signal(syscall.SIGSTOP)
	}
	for _, way := range ways {
		way.Heal()
	}
	moved(toClient, told, 300, "both are told")
	for _, s := range both {
		s.Signal(syscall.SIGCONT)
	}
	return both
}

// TestHalfTheLocksEach_L2: nobody waits for the other for ever, and nothing is half.
func TestHalfTheLocksEach_L2(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		args []string
		says string // of the lock that the other has
		exit int
	}{
		{"L2: both give up", nil, "locked by another run", 6},
		{"L2: both wait", []string{"--lock-wait", "2m"}, "waiting up to 2 min 00 s for the lock", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := faulttest.NewPair(t, hosttest.Options{})
			other := colleague(p)
			to := p.Next()
			both := halves(p, other, to, c.args...)
			for _, s := range both {
				s.Says(c.says, time.Minute)
			}
			for _, s := range both {
				require.Equal(t, c.exit, s.End(time.Minute).Exit)
			}
			for _, s := range both {
				s.Watch.Check(oracle.Expect{Exit: c.exit, To: to, Within: 10 * time.Second})
			}
		})
	}
}

// TestLockFreedAfterPartition_L4: no host can see that kis has died, so the lease ends it.
func TestLockFreedAfterPartition_L4(t *testing.T) {
	t.Parallel()
	p := faulttest.NewPair(t, hosttest.Options{Network: true})
	to := p.Next()
	s := p.Holding(to)
	for _, h := range p.Hosts {
		h.Block(t)
	}
	s.Signal(syscall.SIGKILL)
	s.End(10 * time.Second)
	s.Watch.Check(oracle.Expect{Exit: -1, To: to, Within: 80 * time.Second})
	for _, h := range p.Hosts {
		h.Unblock(t)
	}
	p.Again(to)
}
