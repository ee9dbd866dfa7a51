package deploy_test

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/pkg/sftp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/deploy"
	"github.com/keep-it-simple/kis/internal/event"
	"github.com/keep-it-simple/kis/internal/fleet"
	"github.com/keep-it-simple/kis/internal/testenv/oracle"
	"github.com/keep-it-simple/kis/inventory"
	"github.com/keep-it-simple/kis/remote"
	"github.com/keep-it-simple/kis/sshx"
)

// bug is where kis panics in a test: in what it does about one host, or in what it calls.
type bug struct {
	t          *testing.T
	w          *world
	emit       func(event.Event)
	interrupts func()
	sftp       func()                                               // on web2
	dial       func()                                               // on web2, again
	streams    func(connection fleet.Connection, s *remote.Streams) // of web2
	at         func(event.Event)
}

// run carries a plan out, and has the oracle judge what the report says: the exit status makes no
// promise.
func (b bug) run(ctx context.Context, p deploy.Plan) (event.Report, []event.Event) {
	b.t.Helper()
	w, dialer := b.w, &sshx.Dialer{}
	var mu sync.Mutex
	var events []event.Event
	d := w.deployer(dialer, func(e event.Event) {
		mu.Lock()
		events = append(events, e)
		mu.Unlock()
		if b.at != nil {
			b.at(e)
		}
		if b.emit != nil {
			b.emit(e)
		}
	})
	if b.interrupts != nil {
		d.Interrupts = func() <-chan struct{} { b.interrupts(); return nil }
	}
	var dialed atomic.Int32
	d.Fleet.Dial = func(ctx context.Context, h inventory.Host) (fleet.Connection, remote.Streams, error) {
		if h.Name == "web2" && dialed.Add(1) > 1 && b.dial != nil {
			b.dial()
		}
		target, err := d.Fleet.Resolver.Resolve(ctx, fleet.SSHHost(h, ""))
		if err != nil {
			return nil, remote.Streams{}, err
		}
		client, err := dialer.Dial(ctx, target)
		if err != nil {
			return nil, remote.Streams{}, err
		}
		process, err := client.Start(ctx, remote.Command(h.Python, h.Become))
		if err != nil {
			_ = client.Close()
			return nil, remote.Streams{}, err
		}
		s := remote.Streams{In: process.Stdin, Out: process.Stdout, Err: process.Stderr}
		if h.Name == "web2" && b.streams != nil {
			b.streams(client, &s)
		}
		return panicking{client, b.sftp, h.Name}, s, nil
	}
	p.Hosts = w.hosts
	if p.Stage.Name.IsZero() {
		p.Stage.Name = stageNamed(b.t, "staging")
	}
	watch := oracle.Start(b.t, "staging", w.roots...)
	report := d.Run(ctx, p)
	require.NoError(b.t, dialer.Close())
	for _, proxy := range w.proxy {
		proxy.Heal()
		proxy.Cut()
	}
	watch.Check(oracle.Expect{Exit: report.Outcome.Exit(), To: report.Package})
	for i, h := range report.Hosts {
		linked, err := os.Readlink(filepath.Join(w.hosts[i].Root, "staging"))
		if h.LinkKnown && assert.True(b.t, err == nil || os.IsNotExist(err)) {
			assert.Equal(b.t, linked, h.Linked, "the report is true: %s", h.Host)
		}
	}
	requireStream(b.t, events)
	assert.Equal(b.t, 1, report.Exit)
	require.NotEmpty(b.t, report.Bugs)
	assert.Contains(b.t, report.Bugs[0].Stack, "panic_test.go", "the stack names the place")
	return report, events
}

type panicking struct {
	fleet.Connection
	sftp func()
	host string
}

func (p panicking) SFTP(ctx context.Context) (*sftp.Client, error) {
	if p.sftp != nil && p.host == "web2" {
		p.sftp()
	}
	return p.Connection.SFTP(ctx)
}

// onReading calls at when a text has been read.
type onReading struct {
	io.Reader
	text string
	at   func()
}

func (r onReading) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	if bytes.Contains(p[:n], []byte(r.text)) {
		r.at()
	}
	return n, err
}

type onWriting struct {
	io.WriteCloser
	text string
	at   func()
}

func (w onWriting) Write(p []byte) (int, error) {
	if bytes.Contains(p, []byte(w.text)) {
		w.at()
	}
	return w.WriteCloser.Write(p)
}

// TestAPanicInAStepIsThatHostsFailure: before the barrier nothing is linked anywhere, and nothing
// is left.
func TestAPanicInAStepIsThatHostsFailure(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]func(){
		"panic":  func() { panic("a bug") },
		"Goexit": func() { runtime.Goexit() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, embedded, 2)
			report, events := bug{t: t, w: w, sftp: fault}.run(t.Context(), push(t, "1.0"))
			assert.Equal(t, event.Aborted, report.Outcome)
			require.Len(t, report.Failures, 1)
			f := report.Failures[0]
			assert.Equal(t, "web2", f.Host)
			assert.Equal(t, event.StepUpload, f.Step)
			assert.Equal(t, event.Unknown, f.State)
			assert.Equal(t, event.CodePanic, f.Code)
			assert.Equal(t, map[string]string{"panic": "panic: a bug", "Goexit": "panic: runtime.Goexit was called"}[name], f.Message)
			assert.Equal(t, event.Bug{Host: "web2", Message: f.Message, Stack: report.Bugs[0].Stack}, report.Bugs[0])
			for host, all := range steps(events, event.StepUpload) {
				assert.Len(t, all, 2, "%s: the step has ended", host)
			}
			require.Empty(t, w.run(t.Context(), t, push(t, "1.0"), nil).Failures, "the same push again succeeds")
		})
	}
}

// TestAPanicOfWhoGetsTheEvents is about the user's view, and changes nothing that is done on the
// hosts; before the commit, nothing is.
func TestAPanicOfWhoGetsTheEvents(t *testing.T) {
	t.Parallel()
	w := newWorld(t, embedded, 2)
	w.link(t, "1.0", "1.1")
	for _, test := range []struct {
		name    string
		at      func(event.Event) bool
		outcome event.Outcome
	}{
		{"at the beginning", func(e event.Event) bool { return e.Type == event.TypeStart }, event.Aborted},
		{"of a check", func(e event.Event) bool {
			return e.Step == event.StepCheck && e.State == event.Done && e.Host == "web2"
		}, event.Aborted},
		{"at the barrier", func(e event.Event) bool { return e.Type == event.TypeBarrier }, event.Aborted},
		{"of an arm", func(e event.Event) bool { return e.Step == event.StepArm && e.State == event.Done && e.Host == "web2" }, event.Aborted},
		{"every time", func(event.Event) bool { return true }, event.Aborted},
		{"of a link", func(e event.Event) bool {
			return e.Step == event.StepLink && e.State == event.Started && e.Host == "web2"
		}, event.Succeeded},
		{"of what is confirmed", func(e event.Event) bool { return e.Step == event.StepConfirm && e.State == event.Done }, event.Succeeded},
		{"of the report", func(e event.Event) bool { return e.Type == event.TypeReport }, event.Succeeded},
	} {
		plan := deploy.Plan{Op: event.Relink, Target: pkg(t, "hello-1.0")}
		report, _ := bug{t: t, w: w, emit: func(e event.Event) {
			if test.at(e) {
				panic("no view")
			}
		}}.run(t.Context(), plan)
		assert.Equal(t, test.outcome, report.Outcome, test.name)
		assert.Empty(t, report.Failures, "%s: no host's failure", test.name)
		assert.Equal(t, "panic: no view", report.Bugs[0].Message)
		assert.Empty(t, report.Bugs[0].Host)
		require.Empty(t, w.run(t.Context(), t, deploy.Plan{Op: event.Relink, Target: pkg(t, "hello-1.1")}, nil).Failures, test.name)
	}
}

// TestAPanicAfterTheCommitEndsInARecoveryAndATrueReport: a panic is a lost answer. The hosts are
// reached again, and read.
func TestAPanicAfterTheCommitEndsInARecoveryAndATrueReport(t *testing.T) {
	t.Parallel()
	w := newWorld(t, embedded, 2)
	w.link(t, "1.0", "1.1")
	afterLink := inventory.Stage{AfterLink: []inventory.Command{{Run: "true"}}}
	first := func() func() { // panics once
		var once sync.Once
		return func() { once.Do(func() { panic("a bug") }) }
	}
	cutAt := func(s event.Step) func(event.Event) {
		var once sync.Once
		return func(e event.Event) {
			if e.Step == s && e.Host == "web2" && e.State == event.Started {
				once.Do(w.proxy["web2"].Cut)
			}
		}
	}
	reading := func(text string, at func()) func(fleet.Connection, *remote.Streams) {
		return func(_ fleet.Connection, s *remote.Streams) { s.Out = onReading{s.Out, text, at} }
	}
	writing := func(text string, at func()) func(fleet.Connection, *remote.Streams) {
		return func(_ fleet.Connection, s *remote.Streams) { s.In = onWriting{s.In, text, at} }
	}
	for _, test := range []struct {
		name    string
		stage   inventory.Stage
		bug     bug
		outcome event.Outcome
		unknown string // host whose link is unknown, "" for none
		host    string // that the bug is about
	}{
		{"the coordinator, after the switch", afterLink, bug{interrupts: first()}, event.RolledBack, "", ""},
		{"the coordinator, always", afterLink, bug{interrupts: func() { panic("a bug") }}, event.RolledBack, "", ""},
		{"who reads the answer to a commit", inventory.Stage{}, bug{streams: reading(`"durable"`, first())}, event.Succeeded, "", "web2"},
		{"who writes the commit", inventory.Stage{}, bug{streams: writing(`"op":"commit"`, first())}, event.RolledBack, "", "web2"},
		{"who writes what confirms", inventory.Stage{}, bug{streams: writing(`"op":"confirm"`, first())}, event.Succeeded, "", "web2"},
		{"who reaches a lost host again", inventory.Stage{}, bug{at: cutAt(event.StepConfirm), dial: first()}, event.Split, "", "web2"},
		{"who reaches a lost host again, always", inventory.Stage{}, bug{at: cutAt(event.StepConfirm), dial: func() { panic("a bug") }}, event.Split, "web2", "web2"},
		{"who reaches a host whose commit was lost", inventory.Stage{}, bug{at: cutAt(event.StepLink), dial: first()}, event.RolledBack, "", "web2"},
		{"after_link", afterLink, bug{streams: writing(`"op":"command"`, first())}, event.RolledBack, "", "web2"},
	} {
		test.stage.Name = stageNamed(t, "staging")
		test.bug.t, test.bug.w = t, w
		report, _ := test.bug.run(t.Context(), deploy.Plan{Op: event.Relink, Target: pkg(t, "hello-1.0"), Stage: test.stage})
		assert.Equal(t, test.outcome, report.Outcome, "%s: %v", test.name, report.Failures)
		assert.Equal(t, "panic: a bug", report.Bugs[0].Message, test.name)
		assert.Equal(t, test.host, report.Bugs[0].Host, test.name)
		for _, h := range report.Hosts {
			assert.Equal(t, h.Host != test.unknown, h.LinkKnown, "%s: %s", test.name, h.Host)
			assert.False(t, h.Degraded, "%s: %s: where nothing was begun, nothing is to be restored", test.name, h.Host)
		}
		for _, f := range report.Failures {
			assert.NotContains(t, strings.ToLower(f.Message), "runtime error", test.name)
		}
		require.Empty(t, w.run(t.Context(), t, deploy.Plan{Op: event.Relink, Target: pkg(t, "hello-1.1")}, nil).Failures, test.name)
	}
}
