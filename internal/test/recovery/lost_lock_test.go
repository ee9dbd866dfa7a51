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

// TestLostLock_L6_L10: a run loses its lock after it has linked, and its kis goes on.
func TestLostLock_L6_L10(t *testing.T) {
	t.Parallel()
	stays := func(p *faulttest.Pair, to string) { assert.Equal(p.T, p.All(to), p.Links(), "nobody takes it back") }
	faulttest.Play(t, hosttest.Options{}, []faulttest.Scene{
		{Name: "L6: it is ended by force", Moment: (*faulttest.Pair).Linking, Exit: 5, After: stays, Says: []string{"this run was ended by", "with kis unlock --force"}, Fault: func(p *faulttest.Pair, s *testenv.Started) {
			colleague(p).Run(0, "", "unlock", "staging", "--force", "--yes")
			p.EndCommands()
		}},
		{Name: "L10: another run has pushed the same while it slept", Moment: (*faulttest.Pair).Linking, Exit: 5, After: stays, Says: []string{"another run has worked on this stage meanwhile: push by"}, Fault: func(p *faulttest.Pair, s *testenv.Started) {
			s.Signal(syscall.SIGSTOP)
			other := colleague(p)
			other.Run(0, "", "unlock", "staging", "--force", "--yes")
			p.EndCommands()
			to := p.Links()[web1]
			other.Run(0, to, other.Push(to)...)
			s.Signal(syscall.SIGCONT)
			s.End(time.Minute)
			assert.Equal(p.T, "uniform", p.Kis("status", "staging", "-o", "json").Events(p.T)[0].Status.Verdict)
		}},
	})
}

// TestRunAfterInterruptedRun_K12_R10 takes up what that one has linked: to finish it, or to go back to what was confirmed before.
func TestRunAfterInterruptedRun_K12_R10(t *testing.T) {
	t.Parallel()
	p := faulttest.NewPair(t, hosttest.Options{})
	from, to := p.Links()[web1], p.Next()
	p.Run(0, to, p.Push(to)...)

	// A roll-back is killed, and run again: it goes no further back.
	for host := range p.Hosts {
		p.Unmark(host, "linked")
		p.Mark(host, "wait")
	}
	s := p.Start("rollback", "staging")
	p.Marked(web1, "linked")
	p.Marked(web2, "linked")
	kill := func(s *testenv.Started) {
		s.Signal(syscall.SIGKILL)
		s.End(10 * time.Second)
		p.EndCommands()
		p.Quiet(10 * time.Second)
	}
	kill(s)
	require.Equal(t, p.All(from), p.Links())
	p.Run(0, from, "rollback", "staging")
	require.Equal(t, p.All(from), p.Links())

	// A push is killed, and its after-link command fails when it is run again: nobody has confirmed it, so that it goes.
	kill(p.Linking(to))
	require.Equal(t, p.All(to), p.Links())
	p.Mark(web2, "fail")
	r := p.Kis(p.Push(to)...)
	require.Equal(t, 4, r.Exit)
	require.Equal(t, p.All(from), p.Links())

	// So it is where only one host had come so far.
	p.Unmark(web2, "fail")
	kill(p.Linking(to))
	require.Equal(t, 0, p.Kis("link", "staging", from, "--hosts", "web2").Exit)
	p.Mark(web2, "fail")
	require.Equal(t, 4, p.Kis(p.Push(to)...).Exit)
	require.Equal(t, p.All(from), p.Links())
	p.Again(to)
}
