package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/event"
	"github.com/keep-it-simple/kis/internal/guard"
	"github.com/keep-it-simple/kis/internal/testenv/oracle"
	"github.com/keep-it-simple/kis/internal/ui"
)

// panics is an output that panics at a text, as a bug in a view would.
type panics struct {
	io.Writer
	text string
}

func (w panics) Write(p []byte) (int, error) {
	if bytes.Contains(p, []byte(w.text)) {
		panic("a bug")
	}
	return w.Writer.Write(p)
}

// bugHint is what a user reads about a bug.
const bugHint = "this is a bug of kis: please report it, with what kis prints with -v; what is linked: kis status"

// kisPanics runs kis as a process of its own.
func kisPanics(t *testing.T, at string, env []string, args ...string) (exit int, out, errs string) {
	t.Helper()
	program, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), program)
	cmd.Env = append(append(os.Environ(), panicAt+"="+at, panicArgs+"="+strings.Join(args, "\n")), env...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err = cmd.Run()
	var failed *exec.ExitError
	require.True(t, err == nil || errors.As(err, &failed), err)
	return cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()
}

// TestAPanicOfTheProgramIsExitStatus1: Go's own is 2, which promises that no host was contacted.
func TestAPanicOfTheProgramIsExitStatus1(t *testing.T) {
	t.Parallel()
	exit, _, errs := kisPanics(t, "kis ", nil, "version")
	assert.Equal(t, 1, exit)
	assert.Equal(t, "kis: internal error: panic: a bug\n  hint: "+bugHint+"\n", errs)

	exit, _, errs = kisPanics(t, "kis ", nil, "-v", "version")
	assert.Equal(t, 1, exit)
	assert.Contains(t, errs, "kis: internal error: panic: a bug\n    | goroutine ")
	assert.Contains(t, errs, "panics.Write")
	oracle.Output(t, errs)

	exit, out, errs := kisPanics(t, `"type":"status"`, nil, "-o", "json", "-i", "/nowhere", "version")
	assert.Zero(t, exit, "nothing has panicked: %s%s", out, errs)
}

// TestAPanicAfterTheBuildRemovesTheSourceDistribution and everything else that is temporary.
func TestAPanicAfterTheBuildRemovesTheSourceDistribution(t *testing.T) {
	t.Parallel()
	p := newProject(t, "stages: {live: {hosts: [web1]}}\n")
	require.NoError(t, os.CopyFS(p.dir, os.DirFS("../../internal/demo/sample")))
	temporary, state := t.TempDir(), t.TempDir()
	env := []string{"TMPDIR=" + temporary, "XDG_STATE_HOME=" + state}
	exit, _, errs := kisPanics(t, " entries\n", env, p.args("push", "live")...)
	assert.Equal(t, 1, exit)
	assert.Equal(t, "kis: internal error: panic: a bug\n  hint: "+bugHint+"\n", errs)
	left, err := os.ReadDir(temporary)
	require.NoError(t, err)
	assert.Empty(t, left)
}

// TestAPanicOfTheViewEndsTheRunInOrder: it is reported, the log has its place, and the host is not
// contacted any more.
func TestAPanicOfTheViewEndsTheRunInOrder(t *testing.T) {
	t.Parallel()
	p := newProject(t, "stages: {live: {hosts: [web1]}}\n")
	state := t.TempDir()
	for _, args := range [][]string{{"link", "live", "app-1"}, {"-o", "json", "link", "live", "app-1"}} {
		exit, out, errs := kisPanics(t, map[bool]string{true: `"type":"start"`, false: "to live on"}[len(args) > 3], []string{"XDG_STATE_HOME=" + state}, p.args(args...)...)
		assert.Equal(t, 1, exit, out+errs)
		logs, err := filepath.Glob(filepath.Join(state, "kis", "runs", "*.jsonl"))
		require.NoError(t, err)
		require.NotEmpty(t, logs)
		text, err := os.ReadFile(logs[len(logs)-1])
		require.NoError(t, err)
		lines := strings.Split(strings.TrimSpace(string(text)), "\n")
		var last event.Event
		require.NoError(t, json.Unmarshal([]byte(lines[len(lines)-1]), &last))
		require.NotNil(t, last.Report)
		assert.Equal(t, 1, last.Report.Exit)
		assert.Equal(t, event.Aborted, last.Report.Outcome)
		require.NotEmpty(t, last.Report.Bugs)
		assert.Contains(t, last.Report.Bugs[0].Stack, "panics.Write")
		if len(args) == 3 {
			assert.Contains(t, errs, "kis: internal error: panic: a bug\n")
			assert.Contains(t, errs, "kis: aborted before link: no stage link was changed\n")
			assert.Contains(t, errs, bugHint)
			oracle.Output(t, errs)
		}
		require.NoError(t, os.Remove(logs[len(logs)-1]))
	}
}

func TestAPanicBesideTheCommandIsReportedAtItsEnd(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		status int
		found  func(b *event.Stream)
		want   int
	}{
		"none":   {5, func(*event.Stream) {}, 5},
		"one":    {0, func(b *event.Stream) { guard.Do(func() { panic("a bug") }, b.Bug) }, 1},
		"Goexit": {0, func(b *event.Stream) { _ = guard.Run(func() error { guard.Do(runtime.Goexit, b.Bug); return nil }) }, 1},
	} {
		var errs bytes.Buffer
		a := newApp(ui.Streams{Err: ui.NewPrinter(&errs)}, nil, event.NewStream("", nil))
		test.found(a.bugs)
		assert.Equal(t, test.want, a.exitStatus(a.bugs.Bugs(), test.status), name)
		assert.Equal(t, test.want == 1, strings.Contains(errs.String(), "kis: internal error: panic: "), name)
	}
}

// TestASignalIsHandledAfterAPanicOfTheLast: a bug in the message must not block the next signal.
func TestASignalIsHandledAfterAPanicOfTheLast(t *testing.T) {
	t.Parallel()
	found := make(chan *guard.Panic, 2)
	ctx, s := catchSignals(context.Background(), newApp(ui.Streams{Err: ui.NewPrinter(panics{io.Discard, "interrupted"})}, nil, nil).ui.Message, func(int) { found <- nil }, func(p *guard.Panic) { found <- p })
	s.caught <- os.Interrupt
	assert.Equal(t, "panic: a bug", (<-found).Error())
	<-ctx.Done()
	s.caught <- os.Interrupt
	assert.Nil(t, <-found, "the second signal ends kis")
}

func TestAFailureThatIsABugIsExitStatus1(t *testing.T) {
	t.Parallel()
	var errs bytes.Buffer
	a := newApp(ui.Streams{Err: ui.NewPrinter(&errs)}, nil, event.NewStream("", nil))
	lost := event.NewFailure("web1", event.StepCheck, errors.New("lost"))
	assert.Equal(t, 5, a.exitStatus(event.Bugs([]event.Failure{*lost}), 5))
	bug := event.NewFailure("web2", event.StepCheck, guard.Try(func() error { panic("a bug") }))
	assert.Equal(t, event.Unknown, bug.State)
	assert.Equal(t, 1, a.exitStatus(event.Bugs([]event.Failure{*lost, *bug}), 5))
	assert.Equal(t, "kis: web2: internal error: panic: a bug\n  hint: "+bugHint+"\n", errs.String())
}
