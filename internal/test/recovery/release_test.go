package recovery

import (
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/testenv"
	"github.com/keep-it-simple/kis/internal/testenv/faulttest"
	"github.com/keep-it-simple/kis/internal/testenv/hosttest"
)

// kill kills kis.
func kill(_ *faulttest.Pair, s *testenv.Started) { s.Signal(syscall.SIGKILL) }

// killSession kills the session of a host: its agent loses the connection.
func killSession(host int) func(*faulttest.Pair, *testenv.Started) {
	return func(p *faulttest.Pair, _ *testenv.Started) { p.Kill(host, p.Session(host)) }
}

// killAgent kills the agent of a host, which cannot clean up.
func killAgent(host int) func(*faulttest.Pair, *testenv.Started) {
	return func(p *faulttest.Pair, _ *testenv.Started) { p.Kill(host, p.Agent(p.Hosts[host])) }
}

// migrating starts a push whose before_link command runs on web1.
func migrating(p *faulttest.Pair, to string) *testenv.Started {
	p.T.Helper()
	p.Unmark(web1, "migrating")
	p.Mark(web1, "migrate")
	s := p.Start(p.Push(to, "-o", "json")...)
	p.Marked(web1, "migrating")
	return s
}

// TestFaultInBeforeLink_V12: nothing is armed yet, so that no link changes, whatever happens.
func TestFaultInBeforeLink_V12(t *testing.T) {
	t.Parallel()
	p := faulttest.NewPair(t, hosttest.Options{})
	p.Stage = `    before_link: [{run: 'echo >>~/migrated; touch ~/migrating; while test -e ~/migrate; do sleep 0.02; done; ! test -e ~/fail', once: true}]` + "\n"
	unswitched := (*faulttest.Pair).Unswitched
	faulttest.PlayOn(p, []faulttest.Scene{
		{Name: "kis is killed", Moment: migrating, Exit: -1, Fault: kill, After: unswitched},
		{Name: "Ctrl-C", Moment: migrating, Exit: 130, After: unswitched, Fault: func(_ *faulttest.Pair, s *testenv.Started) { s.Signal(syscall.SIGINT) }},
		{Name: "the session is killed", Moment: migrating, Exit: 3, Fault: killSession(web1), After: unswitched, Says: []string{`"before_link"`, `"unknown"`}},
		{Name: "the agent is killed", Moment: migrating, Exit: 3, Dirty: true, After: unswitched, Says: []string{`"before_link"`}, Fault: func(p *faulttest.Pair, s *testenv.Started) {
			killAgent(web1)(p, s)
			p.Unmark(web1, "migrate") // what it ran goes on
		}},
		{Name: "it fails", Moment: migrating, Exit: 3, After: unswitched, Says: []string{`"before_link"`, `"command-failed"`}, Fault: func(p *faulttest.Pair, _ *testenv.Started) {
			p.Mark(web1, "fail")
			p.Unmark(web1, "migrate")
		}},
	})
	ran, err := os.ReadFile(filepath.Join(p.Hosts[web1].Home, "migrated"))
	require.NoError(t, err)
	assert.Equal(t, 10, strings.Count(string(ran), "\n"), "once for each push")
	assert.NoFileExists(t, filepath.Join(p.Hosts[web2].Home, "migrated"), "on one host only")
}

// betweenBatches starts a push whose web1 is in service and whose web2 is being brought into service.
func betweenBatches(p *faulttest.Pair, to string) *testenv.Started {
	p.T.Helper()
	for host := range p.Hosts {
		p.Unmark(host, "linked")
	}
	p.Mark(web2, "wait")
	s := p.Start(p.Push(to, "-o", "json")...)
	p.Marked(web1, "linked")
	p.Marked(web2, "linked")
	return s
}

// TestFaultBetweenBatches_V13: all hosts are linked, one of them is in service.
func TestFaultBetweenBatches_V13(t *testing.T) {
	t.Parallel()
	p := faulttest.NewPair(t, hosttest.Options{})
	p.Stage = "    rollout: {batch: 1}\n"
	back := func(p *faulttest.Pair, to string) { assert.NotContains(p.T, p.Links(), to) }
	faulttest.PlayOn(p, []faulttest.Scene{
		{Name: "kis is killed", Moment: betweenBatches, Exit: -1, Fault: kill, After: func(p *faulttest.Pair, to string) {
			assert.Equal(p.T, p.All(to), p.Links())
			p.StatusSays("the last run was interrupted", "next: kis link staging "+to+" ")
		}},
		{Name: "the session of the second host is killed", Moment: betweenBatches, Exit: 4, Dirty: true, After: back, Fault: func(p *faulttest.Pair, s *testenv.Started) {
			killSession(web2)(p, s)
			p.EndCommands()
		}},
		{Name: "the second host fails", Moment: betweenBatches, Exit: 4, After: back, Fault: func(p *faulttest.Pair, s *testenv.Started) {
			p.Unmark(web1, "linked")
			p.Mark(web2, "fail")
			p.EndCommands()
			p.Marked(web1, "linked") // it is brought into service again, with the previous package
			p.Unmark(web2, "fail")
		}, Within: time.Minute},
	})
}

// healthOf answers the health checks of the hosts: well or not.
func healthOf(p *faulttest.Pair) (well *atomic.Bool) {
	p.T.Helper()
	well = &atomic.Bool{}
	well.Store(true)
	server := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if !well.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})}
	for _, h := range p.Hosts {
		path := filepath.Join(h.Home, "health.sock")
		listener, err := net.Listen("unix", path)
		require.NoError(p.T, err)
		require.NoError(p.T, os.Chmod(path, 0o777))
		go func() { _ = server.Serve(listener) }() // until it is closed
	}
	p.T.Cleanup(func() { _ = server.Close() })
	return well
}

// TestFaultDuringHealth_V14: all hosts are linked, and their applications do not answer well yet.
func TestFaultDuringHealth_V14(t *testing.T) {
	t.Parallel()
	p := faulttest.NewPair(t, hosttest.Options{})
	well := healthOf(p)
	p.Stage = `    health: {url: "http://localhost/healthz", unix: /home/kistest/health.sock, within: 8s}` + "\n"
	asking := func(p *faulttest.Pair, to string) *testenv.Started {
		p.T.Helper()
		well.Store(false)
		s := p.Start(p.Push(to, "-o", "json")...)
		s.Saw("web1", "health", "started", time.Minute)
		s.Saw("web2", "health", "started", time.Minute)
		return s
	}
	back := func(p *faulttest.Pair, to string) {
		assert.NotContains(p.T, p.Links(), to)
		well.Store(true)
	}
	faulttest.PlayOn(p, []faulttest.Scene{
		{Name: "kis is killed", Moment: asking, Exit: -1, Fault: kill, After: func(p *faulttest.Pair, to string) {
			assert.Equal(p.T, p.All(to), p.Links())
			well.Store(true)
		}},
		{Name: "the session is killed", Moment: asking, Exit: 4, Dirty: true, After: back, Fault: func(p *faulttest.Pair, s *testenv.Started) {
			killSession(web1)(p, s)
			well.Store(true)
		}},
		{Name: "the agent is killed", Moment: asking, Exit: 4, Dirty: true, After: back, Fault: func(p *faulttest.Pair, s *testenv.Started) {
			killAgent(web2)(p, s)
			well.Store(true)
		}},
		{Name: "Ctrl-C", Moment: asking, Exit: 4, After: back, Fault: func(_ *faulttest.Pair, s *testenv.Started) {
			s.Signal(syscall.SIGINT)
			s.Says("ending what follows the switch", 10*time.Second)
			well.Store(true)
		}},
		{Name: "it stays unhealthy", Moment: asking, Exit: 4, Within: 2 * time.Minute, After: back, Says: []string{`"unhealthy"`, "is not healthy for 8 s: the status is 503"}, Fault: func(*faulttest.Pair, *testenv.Started) {}},
	})
}
