package recovery

import (
	"fmt"
	"os"
	"path/filepath"
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

// goingBack starts a push whose after-link command fails for what is pushed, and waits for ~/wait to go once the links are back.
func goingBack(p *faulttest.Pair, to string) *testenv.Started {
	p.T.Helper()
	args := p.Push(to)
	p.Inventory(fmt.Sprintf(`
stages:
  staging:
    hosts: [web1, web2]
    verify: ["true # %s"]
    after_link: ["test $KIS_PACKAGE != %s || exit 1; touch ~/linked; while test -e ~/wait; do sleep 0.02; done; touch ~/up"]
`, p.T.Name(), to))
	for host := range p.Hosts {
		p.Unmark(host, "linked")
		p.Unmark(host, "up")
		p.Mark(host, "wait")
	}
	s := p.Start(args...)
	p.Marked(web1, "linked")
	p.Marked(web2, "linked")
	return s
}

// TestRollbackInterrupted_K13: the links are back, and something dies while the after-link commands run for what is linked again.
func TestRollbackInterrupted_K13(t *testing.T) {
	t.Parallel()
	p := faulttest.NewPair(t, hosttest.Options{})
	from, to := p.Links()[web1], p.Next()
	for _, c := range []struct {
		name  string
		exit  int
		fault func(p *faulttest.Pair, s *testenv.Started)
		says  string
		next  string
	}{
		{"K13: kis is killed", -1, func(p *faulttest.Pair, s *testenv.Started) {
			s.Signal(syscall.SIGKILL)
			s.End(10 * time.Second)
			p.Quiet(10 * time.Second)
		}, "", "kis link staging " + from},
		{"K13: an agent is killed", 4, func(p *faulttest.Pair, s *testenv.Started) {
			p.Kill(web1, p.Agent(p.Hosts[web1]))
			s.Says("connection lost", 30*time.Second)
			p.EndCommands()
		}, "it did not come back into service on web1", "kis link staging " + from + " --hosts web1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := p.Sub(t)
			s := goingBack(p, to)
			c.fault(p, s)
			r := s.End(time.Minute)
			require.Equal(t, c.exit, r.Exit)
			require.Equal(t, p.All(from), p.Links())
			assert.Contains(t, r.Err, c.says)
			if c.says != "" {
				assert.Contains(t, r.Err, "next: "+c.next)
			}
			judged := p.Kis("status", "staging", "-o", "json").Events(t)[0].Status
			assert.Equal(t, "degraded", judged.Verdict)
			p.StatusSays("the package did not come back into service after a rollback", "not back in service", "next: kis link staging "+from)
			p.EndCommands()
			p.Unmark(web1, "up")
			p.Run(0, from, strings.Fields(judged.Next[0].Command)[1:]...)
			_, err := os.Stat(filepath.Join(p.Hosts[web1].Home, "up"))
			require.NoError(t, err, "the command has run to its end")
			assert.Equal(t, "uniform", p.Kis("status", "staging", "-o", "json").Events(t)[0].Status.Verdict)
		})
	}
}
