package e2e

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/testenv"
	"github.com/keep-it-simple/kis/internal/testenv/faulttest"
	"github.com/keep-it-simple/kis/internal/testenv/hosttest"
	"github.com/keep-it-simple/kis/internal/testenv/oracle"
)

// This file has one witness for each class of fault. All faults, in all variants, are in package
// recovery; what one package of kis can show alone is tested there.

const web1, web2 = faulttest.Web1, faulttest.Web2

// TestFaultBeforeTheSwitch_C1_C6_C8_C11_C17_K1_K2_L3: web1 is prepared, web2 is not yet, and something
// fails. Nothing was linked, or everything is rolled back.
func TestFaultBeforeTheSwitch_C1_C6_C8_C11_C17_K1_K2_L3(t *testing.T) {
	t.Parallel()
	faulttest.Play(t, hosttest.Options{}, []faulttest.Scene{
		{
			Name: "C1,K1,L3: laptop killed before the switch", Moment: (*faulttest.Pair).Arming, Exit: -1, After: (*faulttest.Pair).Unswitched,
			Fault: func(p *faulttest.Pair, s *testenv.Started) {
				s.Signal(syscall.SIGKILL)
				require.Eventually(p.T, func() bool { return len(p.Armed(web1)) == 0 }, 10*time.Second, 5*time.Millisecond, "web1 gives up by itself")
				p.StartAgent(web2)
			},
		},
		{
			Name: "C17: host lost before the switch", Moment: (*faulttest.Pair).Arming, Exit: 3, Dirty: true,
			Fault: func(p *faulttest.Pair, s *testenv.Started) {
				p.Hosts[web1].Kill()
				p.StartAgent(web2)
				s.End(30 * time.Second)
				p.Hosts[web1].Restart(p.T)
			},
		},
		{
			Name: "C11: host stops to answer before the switch", Moment: (*faulttest.Pair).Arming, Exit: 3, After: (*faulttest.Pair).Unswitched,
			Fault: func(p *faulttest.Pair, s *testenv.Started) {
				s.Saw("web1", "arm", "done", 10*time.Second)
				p.StopAgent(web1)
				p.StartAgent(web2)
				s.Saw("web1", "roll call", "unknown", 20*time.Second)
				s.End(30 * time.Second)
				assert.Len(p.T, p.Armed(web1), 1, "what kis says is true although the host knows nothing of it")
				p.StartAgent(web1)
			},
		},
		{
			Name: "K2: Ctrl-C before the switch", Moment: (*faulttest.Pair).Arming, Exit: 130, After: (*faulttest.Pair).Unswitched,
			Fault: func(p *faulttest.Pair, s *testenv.Started) {
				s.Signal(syscall.SIGINT)
				s.Says("waiting for", 10*time.Second)
				p.StartAgent(web2)
			},
		},
		{
			Name: "C6: rename refused at the switch", Moment: (*faulttest.Pair).Arming, Exit: 4, Says: []string{"operation not permitted"},
			Fault: func(p *faulttest.Pair, s *testenv.Started) {
				p.Hosts[web1].Shell(p.T, "chattr +i /var/webcode")
				p.StartAgent(web2)
				s.End(30 * time.Second)
				p.Hosts[web1].Shell(p.T, "chattr -i /var/webcode")
			},
		},
		{
			Name: "C8: link changed outside kis before the switch", Moment: (*faulttest.Pair).Arming, Exit: 5, Blind: true, Says: []string{"not to hello-0."},
			Fault: func(p *faulttest.Pair, s *testenv.Started) {
				p.Hosts[web1].Shell(p.T, "cp -a /var/webcode/$(readlink /var/webcode/staging) /var/webcode/other && ln -sfn other /var/webcode/staging")
				p.StartAgent(web2)
			},
			After: func(p *faulttest.Pair, to string) {
				assert.Equal(p.T, "other", p.Links()[web1], "the change is left alone")
				assert.NotEqual(p.T, to, p.Links()[web2])
				p.Hosts[web1].Shell(p.T, "ln -sfn "+p.Links()[web2]+" /var/webcode/staging && rm -r /var/webcode/other")
			},
		},
	})
}

// TestFaultAtTheSwitch_C4: web1 links, and its answer does not arrive. kis asks over a new connection.
func TestFaultAtTheSwitch_C4(t *testing.T) {
	t.Parallel()
	faulttest.Play(t, hosttest.Options{Network: true}, []faulttest.Scene{
		{
			Name: "C4: answer of the commit lost", Moment: (*faulttest.Pair).Calling, Exit: 0,
			Fault: func(p *faulttest.Pair, s *testenv.Started) {
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

// TestFaultAfterTheSwitch_K1_K4_V6: both hosts are linked, the after-link commands run, and something
// fails.
func TestFaultAfterTheSwitch_K1_K4_V6(t *testing.T) {
	t.Parallel()
	faulttest.Play(t, hosttest.Options{}, []faulttest.Scene{
		{
			Name: "K1: laptop killed after the switch", Moment: (*faulttest.Pair).Linking, Exit: -1, Dirty: true,
			Fault: func(p *faulttest.Pair, s *testenv.Started) {
				s.Signal(syscall.SIGKILL)
				s.End(10 * time.Second)
				p.Quiet(10 * time.Second)
			},
			After: func(p *faulttest.Pair, to string) {
				assert.Equal(p.T, p.All(to), p.Links(), "what is linked stays linked")
				assert.Equal(p.T, "unconfirmed", p.Kis("status", "staging", "-o", "json").Events(p.T)[0].Status.Verdict)
			},
		},
		{
			Name: "agent killed after the switch", Moment: (*faulttest.Pair).Linking, Exit: 4, Dirty: true,
			Fault: func(p *faulttest.Pair, _ *testenv.Started) {
				p.Kill(web1, p.Agent(p.Hosts[web1]))
				p.EndCommands()
			},
		},
		{
			Name: "K4: Ctrl-C after the switch", Moment: (*faulttest.Pair).Linking, Exit: 4,
			Fault: func(p *faulttest.Pair, s *testenv.Started) {
				s.Signal(syscall.SIGINT)
				s.Says("what follows the switch", 10*time.Second)
				p.EndCommands() // for the commands of the package before
			},
		},
		{
			Name: "V6: after-link command fails on one host", Moment: (*faulttest.Pair).Linking, Exit: 4,
			Fault: func(p *faulttest.Pair, _ *testenv.Started) {
				p.Mark(web2, "fail")
				p.EndCommands()
			},
		},
	})
}

// TestFaultBeforeTheBarrier_L1_V2: one push prepares web1 and web2, and is disturbed by another push, or
// by a verification that fails.
func TestFaultBeforeTheBarrier_L1_V2(t *testing.T) {
	t.Parallel()
	p := faulttest.NewPair(t, hosttest.Options{})
	t.Run("L1: lock held by another push", func(t *testing.T) {
		p := p.Sub(t)
		to := p.Next()
		first := p.Holding(to)
		second := p.Kis("link", "staging", to)
		assert.Equal(t, 6, second.Exit)
		assert.Contains(t, second.Err, "locked by another run")
		assert.Contains(t, second.Err, "push staging "+to, "what the other does")
		p.Unmark(web1, "hold")
		require.Equal(t, 0, first.End(time.Minute).Exit, "the first is not disturbed")
		first.Watch.Check(oracle.Expect{Exit: 0, To: to})
	})
	t.Run("V2: verification fails on one host", func(t *testing.T) {
		p := p.Sub(t)
		to := p.Next()
		args := p.Push(to)
		p.Inventory("stages: {staging: {hosts: [web1, web2], verify: ['echo the tests say no; test $KIS_HOST = web1']}}\n")
		r := p.Run(3, to, args...)
		assert.Contains(t, r.Err, "web2: verify stage: ")
		assert.Contains(t, r.Err, "the tests say no")
		p.Again(to)
	})
}

// TestBuildFailsOnOneHost_B1: the application cannot be built on this machine, and pip builds it on both hosts, each for
// itself because it is editable. The build of web2 fails. In mode regular web1 would build it for web2.
func TestBuildFailsOnOneHost_B1(t *testing.T) {
	t.Parallel()
	w := testenv.New(t, 2, hosttest.Options{})
	w.Earlier("0.3")
	backend, err := os.ReadFile(filepath.Join(w.Dir, "build_backend", "backend.py"))
	require.NoError(t, err)
	w.Write("build_backend/backend.py", string(backend)+`

def needs_libfoo(build):
    def checked(*args):
        if not os.path.exists(os.path.expanduser("~/libfoo.h")):
            raise SystemExit("libfoo.h is missing: apt install libfoo-dev")
        return build(*args)
    return checked


build_editable, build_wheel = needs_libfoo(build_editable), needs_libfoo(build_wheel)
`)
	w.Version("0.4")
	archive := w.Archive()
	header := func(h *hosttest.Host) string { return filepath.Join(h.Home, "libfoo.h") }
	require.NoError(t, os.WriteFile(header(w.Hosts[web1]), nil, 0o644))
	r := w.Run(3, "hello-0.4", "push", "staging", "--sdist", archive)
	assert.Contains(t, r.Err, "web2: environment: pip could not install the application")
	assert.Contains(t, r.Err, "libfoo.h is missing: apt install libfoo-dev", "the words of the build itself")
	assert.Contains(t, r.Err, "no stage link was changed (1 of 2 hosts ready)")
	assert.Equal(t, w.All("hello-0.3"), w.Links())
	assert.Contains(t, r.Screen(), "hosts build the application: ")

	w.Inventory(testenv.InventoryText(w.Hosts, "install: {mode: regular}\n"))
	w.Version("0.5")
	r = w.Run(0, "hello-0.5", "push", "staging", "--sdist", w.Archive())
	assert.NotContains(t, r.Err, "web2: wheels")

	w.Inventory(testenv.InventoryText(w.Hosts, ""))
	require.NoError(t, os.WriteFile(header(w.Hosts[web2]), nil, 0o644))
	w.Run(0, "hello-0.4", "push", "staging", "--sdist", archive)
}
