// Package faulttest plays faults at named moments of a push against a pair of hosts, and judges what
// comes of them. A fault is a Scene; what is done in its course is a method of Pair.
package faulttest

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/testenv"
	"github.com/keep-it-simple/kis/internal/testenv/hosttest"
	"github.com/keep-it-simple/kis/internal/testenv/oracle"
)

// Pair is two hosts with two packages each, between which a stage is pushed forth and back, so that every push is about its switch and builds
// nothing. Commands of the inventory make it wait where a test wants to break something: before the barrier while ~/hold exists on a host, and
// after the switch while ~/wait does. With ~/fail on a host the after-link command fails there.
type Pair struct {
	*testenv.Env
	Stage    string            // more lines of the stage in the inventory
	archives map[string]string // package → source distribution
	pushes   int
	agents   map[string]int // host → its agent, stopped
}

// The hosts of a pair, as indices of its Hosts.
const (
	Web1 = 0
	Web2 = 1
)

// NewPair starts two hosts with both packages installed and hello-0.3 linked.
func NewPair(t *testing.T, o hosttest.Options) *Pair {
	t.Helper()
	return PairOf(testenv.New(t, 2, o))
}

// PairOf is NewPair for an environment of two hosts.
func PairOf(w *testenv.Env) *Pair {
	w.T.Helper()
	p := &Pair{Env: w, archives: map[string]string{}, agents: map[string]int{}}
	for _, version := range []string{"0.4", "0.3"} {
		p.Version(version)
		p.archives["hello-"+version] = p.Archive()
		p.Install(p.archives["hello-"+version])
	}
	p.Run(0, "hello-0.3", "link", "staging", "hello-0.3")
	return p
}

// Sub is the same pair for a subtest.
func (p *Pair) Sub(t *testing.T) *Pair {
	t.Helper()
	own := *p
	own.Env = p.In(t)
	return &own
}

// Next is the package that the stage is not linked to.
func (p *Pair) Next() string {
	p.T.Helper()
	links := p.Links()
	require.Equal(p.T, links[Web1], links[Web2], "the hosts are alike when a push begins")
	return map[string]string{"hello-0.3": "hello-0.4", "hello-0.4": "hello-0.3"}[links[Web1]]
}

// Push are the arguments of a push. Every push has a verification of its own, because what was verified once is not verified again.
func (p *Pair) Push(to string, more ...string) []string {
	p.T.Helper()
	p.pushes++
	p.Inventory(fmt.Sprintf(`
stages:
  staging:
    hosts: [web1, web2]
    verify: ["touch ~/verifying; while test -e ~/hold; do sleep 0.02; done # %d of %s"]
    after_link: ["touch ~/linked; while test -e ~/wait; do sleep 0.02; done; ! test -e ~/fail"]
%s`, p.pushes, p.T.Name(), p.Stage))
	return append([]string{"push", "staging", "--sdist", p.archives[to]}, more...)
}

// Mark makes a file in the home folder of the deploying user on a host.
func (p *Pair) Mark(host int, name string) {
	p.T.Helper()
	require.NoError(p.T, os.WriteFile(filepath.Join(p.Hosts[host].Home, name), nil, 0o644)) //nolint:gosec // a mark, no secret
}

// Unmark removes it.
func (p *Pair) Unmark(host int, name string) {
	p.T.Helper()
	require.NoError(p.T, os.RemoveAll(filepath.Join(p.Hosts[host].Home, name)))
}

// Marked waits until the host has made it.
func (p *Pair) Marked(host int, name string) {
	p.T.Helper()
	require.Eventually(p.T, func() bool {
		_, err := os.Stat(filepath.Join(p.Hosts[host].Home, name))
		return err == nil
	}, time.Minute, 5*time.Millisecond, "%s: there is no ~/%s", p.Hosts[host].Name, name)
}

// Armed are the prepared links of a host.
func (p *Pair) Armed(host int) []string {
	p.T.Helper()
	found, err := filepath.Glob(filepath.Join(p.Root(p.Hosts[host]), ".kis", "armed", "staging.*"))
	require.NoError(p.T, err)
	return found
}

// Holding starts a push that has prepared everything on Web2 and waits on Web1, before the barrier.
func (p *Pair) Holding(to string) *testenv.Started {
	p.T.Helper()
	p.Unmark(Web1, "verifying")
	p.Mark(Web1, "hold")
	s := p.Start(p.Push(to, "-o", "json")...)
	s.Saw("web2", "verify stage", "done", time.Minute)
	p.Marked(Web1, "verifying")
	return s
}

// Arming starts a push whose Web1 is armed and whose Web2 is not, because its agent is stopped: kis waits for it, up to 15 seconds.
func (p *Pair) Arming(to string) *testenv.Started {
	p.T.Helper()
	s := p.Holding(to)
	p.StopAgent(Web2)
	p.Unmark(Web1, "hold")
	require.Eventually(p.T, func() bool { return len(p.Armed(Web1)) == 1 }, 15*time.Second, 2*time.Millisecond, "Web1 is armed")
	return s
}

// Calling starts a push whose web1 has answered the roll call and whose web2 has a long way to go, a second and a half: what is done to web1
// now is done after the last question and before the word to link.
func (p *Pair) Calling(to string) *testenv.Started {
	p.T.Helper()
	proxy := p.Hosts[Web2].Proxy(p.T)
	p.Client.SetPort(p.T, "web2", proxy.Port())
	s := p.Arming(to)
	proxy.Delay(250 * time.Millisecond)
	p.StartAgent(Web2)
	s.Saw("web1", "roll call", "done", 10*time.Second)
	return s
}

// Linking starts a push that has linked both hosts, and waits in the after-link commands.
func (p *Pair) Linking(to string) *testenv.Started {
	p.T.Helper()
	for host := range p.Hosts {
		p.Unmark(host, "linked")
		p.Mark(host, "wait")
	}
	s := p.Start(p.Push(to, "-o", "json")...)
	p.Marked(Web1, "linked")
	p.Marked(Web2, "linked")
	return s
}

// StopAgent stops the agent of a host as SIGSTOP does, and StartAgent lets it continue.
func (p *Pair) StopAgent(host int) {
	p.T.Helper()
	p.agents[p.Hosts[host].Name] = p.Agent(p.Hosts[host])
	p.Signal(p.Hosts[host], p.agents[p.Hosts[host].Name], syscall.SIGSTOP)
}

// StartAgent lets the agent of a host continue.
func (p *Pair) StartAgent(host int) {
	p.T.Helper()
	p.Signal(p.Hosts[host], p.agents[p.Hosts[host].Name], syscall.SIGCONT)
}

// Session is the process of sshd that serves the deploying user's connection on a host.
func (p *Pair) Session(host int) int {
	p.T.Helper()
	found := p.PIDs(p.Hosts[host], "sshd:")
	require.Len(p.T, found, 1)
	return found[0]
}

// Again ends what a scene has broken: the same push has to succeed.
func (p *Pair) Again(to string) {
	p.T.Helper()
	for host := range p.Hosts {
		for _, name := range []string{"hold", "wait", "fail", "migrate"} {
			p.Unmark(host, name)
		}
	}
	p.Run(0, to, p.Push(to)...)
	require.Equal(p.T, p.All(to), p.Links())
}

// Scene is a moment of a switch, what breaks there, and what is promised.
type Scene struct {
	Name   string
	Moment func(p *Pair, to string) *testenv.Started
	Fault  func(p *Pair, s *testenv.Started)
	Exit   int           // -1: kis was killed
	Says   []string      // parts of what kis prints
	Dirty  bool          // an agent was killed: what it had prepared goes with the next run
	Blind  bool          // the fault itself changes packages or links, so that the oracle would see it: after looks instead
	Within time.Duration // until kis ends; default 30 s
	After  func(p *Pair, to string)
}

// play plays a scene, and pushes the same once more.
func (c Scene) play(p *Pair) {
	p.T.Helper()
	to := p.Next()
	s := c.Moment(p, to)
	c.Fault(p, s)
	r := s.End(max(c.Within, 30*time.Second))
	require.Equal(p.T, c.Exit, r.Exit, "exit status")
	if !c.Blind {
		s.Watch.Check(oracle.Expect{Exit: c.Exit, To: to, Dirty: c.Dirty, Within: 10 * time.Second})
	}
	for _, part := range c.Says {
		if !strings.Contains(r.Screen(), part) {
			require.FailNow(p.T, "kis does not say it", "%q is not in %s", part, brief(r.Screen()))
		}
	}
	if c.After != nil {
		c.After(p, to)
	}
	p.Again(to)
}

// Play plays scenes in order on one pair of hosts.
func Play(t *testing.T, o hosttest.Options, scenes []Scene) {
	t.Helper()
	PlayOn(NewPair(t, o), scenes)
}

// PlayOn is Play on a pair that exists.
func PlayOn(p *Pair, scenes []Scene) {
	p.T.Helper()
	for _, c := range scenes {
		if !p.T.Run(c.Name, func(t *testing.T) { c.play(p.Sub(t)) }) {
			return // what it has left is no state to begin with
		}
	}
}

// brief is the end of a long text.
func brief(text string) string { return text[max(0, len(text)-1500):] }

// Kill kills a process of a host, by the number that the host gives it.
func (p *Pair) Kill(host, pid int) {
	p.T.Helper()
	require.Positive(p.T, pid, strconv.Itoa(pid))
	p.Signal(p.Hosts[host], pid, syscall.SIGKILL)
}

// EndCommands lets the after-link commands of both hosts end.
func (p *Pair) EndCommands() {
	p.T.Helper()
	p.Unmark(Web1, "wait")
	p.Unmark(Web2, "wait")
}

// Unswitched checks that nothing was switched, whatever happened, and that no prepared link is left.
func (p *Pair) Unswitched(to string) {
	p.T.Helper()
	assert.NotContains(p.T, p.Links(), to)
	assert.Empty(p.T, p.Armed(Web1))
	assert.Empty(p.T, p.Armed(Web2))
}

// StatusSays checks what `kis status` says.
func (p *Pair) StatusSays(parts ...string) {
	p.T.Helper()
	r := p.Kis("status", "staging")
	for _, part := range parts {
		assert.Contains(p.T, r.Screen(), part)
	}
}
