package recovery

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/testenv"
	"github.com/keep-it-simple/kis/internal/testenv/hosttest"
	"github.com/keep-it-simple/kis/internal/testenv/oracle"
)

// pair is two hosts with two packages each, between which a stage is pushed forth and back, so that every push is about its switch and builds
// nothing. Commands of the inventory make it wait where a test wants to break something: before the barrier while ~/hold exists on a host, and
// after the switch while ~/wait does. With ~/fail on a host the after-link command fails there.
type pair struct {
	*testenv.Env
	archives map[string]string // package → source distribution
	pushes   int
	agents   map[string]int // host → its agent, stopped
}

const web1, web2 = 0, 1

func newPair(t *testing.T, o hosttest.Options) *pair {
	t.Helper()
	return pairOf(testenv.New(t, 2, o))
}

// pairOf is newPair for a world of two hosts.
func pairOf(w *testenv.Env) *pair {
	w.T.Helper()
	p := &pair{Env: w, archives: map[string]string{}, agents: map[string]int{}}
	for _, version := range []string{"0.4", "0.3"} {
		p.Version(version)
		p.archives["hello-"+version] = p.Archive()
		p.Install(p.archives["hello-"+version])
	}
	p.Run(0, "hello-0.3", "link", "staging", "hello-0.3")
	return p
}

// in is the same pair for a subtest.
func (p *pair) in(t *testing.T) *pair {
	t.Helper()
	own := *p
	own.Env = p.In(t)
	return &own
}

// next is the package that the stage is not linked to.
func (p *pair) next() string {
	p.T.Helper()
	links := p.Links()
	require.Equal(p.T, links[web1], links[web2], "the hosts are alike when a push begins")
	return map[string]string{"hello-0.3": "hello-0.4", "hello-0.4": "hello-0.3"}[links[web1]]
}

// push are the arguments of a push. Every push has a verification of its own, because what was verified once is not verified again.
func (p *pair) push(to string, more ...string) []string {
	p.T.Helper()
	p.pushes++
	p.Inventory(fmt.Sprintf(`
stages:
  staging:
    hosts: [web1, web2]
    verify: ["touch ~/verifying; while test -e ~/hold; do sleep 0.02; done # %d of %s"]
    after_link: ["touch ~/linked; while test -e ~/wait; do sleep 0.02; done; ! test -e ~/fail"]
`, p.pushes, p.T.Name()))
	return append([]string{"push", "staging", "--sdist", p.archives[to]}, more...)
}

// mark makes a file in the home folder of the deploying user on a host.
func (p *pair) mark(host int, name string) {
	p.T.Helper()
	require.NoError(p.T, os.WriteFile(filepath.Join(p.Hosts[host].Home, name), nil, 0o644))
}

// unmark removes it.
func (p *pair) unmark(host int, name string) {
	p.T.Helper()
	require.NoError(p.T, os.RemoveAll(filepath.Join(p.Hosts[host].Home, name)))
}

// marked waits until the host has made it.
func (p *pair) marked(host int, name string) {
	p.T.Helper()
	require.Eventually(p.T, func() bool {
		_, err := os.Stat(filepath.Join(p.Hosts[host].Home, name))
		return err == nil
	}, time.Minute, 5*time.Millisecond, "%s: there is no ~/%s", p.Hosts[host].Name, name)
}

// armed are the prepared links of a host.
func (p *pair) armed(host int) []string {
	p.T.Helper()
	found, err := filepath.Glob(filepath.Join(p.Root(p.Hosts[host]), ".kis", "armed", "staging.*"))
	require.NoError(p.T, err)
	return found
}

// holding starts a push that has prepared everything on web2 and waits on web1, before the barrier.
func (p *pair) holding(to string) *testenv.Started {
	p.T.Helper()
	p.unmark(web1, "verifying")
	p.mark(web1, "hold")
	s := p.Start(p.push(to, "-o", "json")...)
	s.Saw("web2", "verify", "done", time.Minute)
	p.marked(web1, "verifying")
	return s
}

// arming starts a push whose web1 is armed and whose web2 is not, because its agent is stopped: kis waits for it, up to 15 seconds.
func (p *pair) arming(to string) *testenv.Started {
	p.T.Helper()
	s := p.holding(to)
	p.stop(web2)
	p.unmark(web1, "hold")
	require.Eventually(p.T, func() bool { return len(p.armed(web1)) == 1 }, 15*time.Second, 2*time.Millisecond, "web1 is armed")
	return s
}

// linking starts a push that has linked both hosts, and waits in the after-link commands.
func (p *pair) linking(to string) *testenv.Started {
	p.T.Helper()
	for host := range p.Hosts {
		p.unmark(host, "linked")
		p.mark(host, "wait")
	}
	s := p.Start(p.push(to, "-o", "json")...)
	p.marked(web1, "linked")
	p.marked(web2, "linked")
	return s
}

// stop stops the agent of a host, and start lets it go on.
func (p *pair) stop(host int) {
	p.T.Helper()
	p.agents[p.Hosts[host].Name] = p.Agent(p.Hosts[host])
	p.Signal(p.Hosts[host], p.agents[p.Hosts[host].Name], syscall.SIGSTOP)
}

func (p *pair) start(host int) {
	p.T.Helper()
	p.Signal(p.Hosts[host], p.agents[p.Hosts[host].Name], syscall.SIGCONT)
}

// session is the process of sshd that serves the deploying user's connection on a host.
func (p *pair) session(host int) int {
	p.T.Helper()
	found := p.PIDs(p.Hosts[host], "sshd:")
	require.Len(p.T, found, 1)
	return found[0]
}

// again ends what a scene has broken: the same push has to succeed.
func (p *pair) again(to string) {
	p.T.Helper()
	for host := range p.Hosts {
		for _, name := range []string{"hold", "wait", "fail"} {
			p.unmark(host, name)
		}
	}
	p.Run(0, to, p.push(to)...)
	require.Equal(p.T, p.All(to), p.Links())
}

// scene is a moment of a switch, what breaks there, and what is promised.
type scene struct {
	name   string
	moment func(p *pair, to string) *testenv.Started
	fault  func(p *pair, s *testenv.Started)
	exit   int           // -1: kis was killed
	says   []string      // parts of what kis prints
	dirty  bool          // an agent was killed: what it had prepared goes with the next run
	blind  bool          // the fault itself changes packages or links, so that the oracle would see it: after looks instead
	long   bool          // takes a minute of waiting: only with -everything
	within time.Duration // until kis ends; default 30 s
	after  func(p *pair, to string)
}

// play plays a scene, and pushes the same once more.
func (c scene) play(p *pair) {
	p.T.Helper()
	to := p.next()
	s := c.moment(p, to)
	c.fault(p, s)
	r := s.End(max(c.within, 30*time.Second))
	require.Equal(p.T, c.exit, r.Exit, "exit status")
	if !c.blind {
		s.Watch.Check(oracle.Expect{Exit: c.exit, To: to, Dirty: c.dirty, Within: 10 * time.Second})
	}
	for _, part := range c.says {
		if !strings.Contains(r.Screen(), part) {
			require.FailNow(p.T, "kis does not say it", "%q is not in %s", part, brief(r.Screen()))
		}
	}
	if c.after != nil {
		c.after(p, to)
	}
	p.again(to)
}

// playAll plays scenes in order on one pair of hosts.
func playAll(t *testing.T, o hosttest.Options, scenes []scene) {
	t.Helper()
	playOn(newPair(t, o), scenes)
}

// playOn is playAll on a pair that is there.
func playOn(p *pair, scenes []scene) {
	p.T.Helper()
	for _, c := range scenes {
		if c.long && !*everything {
			continue
		}
		if !p.T.Run(c.name, func(t *testing.T) { c.play(p.in(t)) }) {
			return // what it has left is no state to begin with
		}
	}
}

// brief is the end of a long text.
func brief(text string) string { return text[max(0, len(text)-1500):] }

func (p *pair) kill(host, pid int) {
	p.T.Helper()
	require.Positive(p.T, pid, strconv.Itoa(pid))
	p.Signal(p.Hosts[host], pid, syscall.SIGKILL)
}
