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

// TestLostLock_L6_L10: a run loses its lock after it has linked, and its kis goes on.
func TestLostLock_L6_L10(t *testing.T) {
	t.Parallel()
	stays := func(p *pair, to string) { assert.Equal(p.T, p.All(to), p.Links(), "nobody takes it back") }
	playAll(t, hosttest.Options{}, []scene{
		{name: "L6: it is ended by force", moment: (*pair).linking, exit: 5, after: stays, says: []string{"this run was ended by", "with kis unlock --force"}, fault: func(p *pair, s *testenv.Started) {
			p.colleague().Run(0, "", "unlock", "staging", "--force", "--yes")
			p.letGo()
		}},
		{name: "L10: another run has pushed the same while it slept", moment: (*pair).linking, exit: 5, after: stays, says: []string{"another run has worked on this stage meanwhile: push by"}, fault: func(p *pair, s *testenv.Started) {
			s.Signal(syscall.SIGSTOP)
			other := p.colleague()
			other.Run(0, "", "unlock", "staging", "--force", "--yes")
			p.letGo()
			to := p.Links()[web1]
			other.Run(0, to, other.push(to)...)
			s.Signal(syscall.SIGCONT)
			s.End(time.Minute)
			assert.Equal(p.T, "uniform", p.Kis("status", "staging", "-o", "json").Events(p.T)[0].Status.Verdict)
		}},
	})
}

// TestRunAfterInterruptedRun_K12_R10 takes up what that one has linked: to finish it, or to go back to what was confirmed before.
func TestRunAfterInterruptedRun_K12_R10(t *testing.T) {
	t.Parallel()
	p := newPair(t, hosttest.Options{})
	from, to := p.Links()[web1], p.next()
	p.Run(0, to, p.push(to)...)

	// A roll-back is killed, and run again: it goes no further back.
	for host := range p.Hosts {
		p.unmark(host, "linked")
		p.mark(host, "wait")
	}
	s := p.Start("rollback", "staging")
	p.marked(web1, "linked")
	p.marked(web2, "linked")
	kill := func(s *testenv.Started) {
		s.Signal(syscall.SIGKILL)
		s.End(10 * time.Second)
		p.letGo()
		p.Quiet(10 * time.Second)
	}
	kill(s)
	require.Equal(t, p.All(from), p.Links())
	p.Run(0, from, "rollback", "staging")
	require.Equal(t, p.All(from), p.Links())

	// A push is killed, and its after-link command fails when it is run again: nobody has confirmed it, so that it goes.
	kill(p.linking(to))
	require.Equal(t, p.All(to), p.Links())
	p.mark(web2, "fail")
	r := p.Kis(p.push(to)...)
	require.Equal(t, 4, r.Exit)
	require.Equal(t, p.All(from), p.Links())

	// So it is where only one host had come so far.
	p.unmark(web2, "fail")
	kill(p.linking(to))
	require.Equal(t, 0, p.Kis("link", "staging", from, "--hosts", "web2").Exit)
	p.mark(web2, "fail")
	require.Equal(t, 4, p.Kis(p.push(to)...).Exit)
	require.Equal(t, p.All(from), p.Links())
	p.again(to)
}
