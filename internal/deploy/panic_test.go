package deploy_test

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"runtime"
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

// TestAPanicWhileTheWheelIsBuilt: a program that has panicked links nothing.
func TestAPanicWhileTheWheelIsBuilt(t *testing.T) {
	t.Parallel()
	p := push(t, "1.0")
	p.BuildWheel = func(context.Context, func(string)) { panic("a bug") }
	report, _ := bug{t: t, w: newWorld(t, embedded, 1)}.run(t.Context(), p)
	assert.Equal(t, event.Aborted, report.Outcome)
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
