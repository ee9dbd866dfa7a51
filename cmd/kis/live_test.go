package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/keep-it-simple/kis/internal/event"
	"github.com/keep-it-simple/kis/internal/guard"
	"github.com/keep-it-simple/kis/internal/testenv/testcache"
)

func TestLiveLineSaysWhatIsWaitedFor(t *testing.T) {
	t.Parallel()
	begin := time.Now()
	var out bytes.Buffer
	l := newLiveLine(printer{&out}, func() int { return 64 }, func(p *guard.Panic) { t.Error(p) })
	defer l.stop()
	step := func(host string, s event.Step, state event.State, at time.Duration) {
		l.follow(event.Event{Type: event.TypeStep, Host: host, Step: s, State: state, Time: begin.Add(at)})
	}
	step("web1", event.StepEnvironment, event.Started, 0)
	step("web2", event.StepEnvironment, event.Started, 2*time.Second)
	step("web3", event.StepUpload, event.Started, 3*time.Second)
	l.follow(event.Event{Type: event.TypeProgress, Host: "web3", Step: event.StepUpload, Done: 30, Total: 120})
	require.Empty(t, l.text(begin), "a step that has just begun would flicker")
	require.Equal(t, "… environment on web1, web2 (9 s), upload on web3 (25 %, 6 s)", l.text(begin.Add(9*time.Second)))
	step("web1", event.StepEnvironment, event.Done, 9*time.Second)
	step("web3", event.StepUpload, event.Refused, 9*time.Second)
	require.Equal(t, "… environment on web2 (8 s)", l.text(begin.Add(10*time.Second)))
	step("a-host-with-quite-a-long-name.somewhere.example.org", event.StepVerify, event.Started, 0)
	require.Len(t, []rune(l.text(begin.Add(10*time.Second))), 63, "one column stays free, or some terminals wrap")
}

func TestLiveLineIsGoneWhenSomethingIsPrinted(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	l := newLiveLine(printer{&out}, func() int { return 80 }, func(p *guard.Panic) { t.Error(p) })
	l.follow(event.Event{Type: event.TypeStep, Host: "web1", Step: event.StepVerify, State: event.Started, Time: time.Now().Add(-time.Minute)})
	l.around(func() { out.WriteString("first\n") })
	l.around(func() { out.WriteString("second\n") })
	l.stop()
	require.Equal(t, "first\n… verify on web1 (60 s)\r\x1b[Ksecond\n… verify on web1 (60 s)\r\x1b[K", out.String())
}

func TestLiveLineGivesWayToQuestions(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	l := newLiveLine(printer{&out}, func() int { return 80 }, func(p *guard.Panic) { t.Error(p) })
	l.follow(event.Event{Type: event.TypeStep, Host: "web1", Step: event.StepVerify, State: event.Started, Time: time.Now().Add(-time.Minute)})
	release := l.pause()
	l.around(func() { out.WriteString("first\n") })
	require.Empty(t, out.String(), "somebody is typing")
	inner := l.pause()
	inner()
	require.Empty(t, out.String())
	release()
	require.Equal(t, "first\n… verify on web1 (60 s)", out.String())
	release = l.pause()
	l.around(func() { out.WriteString("second\n") })
	l.stop()
	release()
	require.Equal(t, "first\n… verify on web1 (60 s)\r\x1b[Ksecond\n", out.String())
}

// TestThePushSaysAtTheBottomThatItBuilds: nothing else is printed meanwhile, and it may take long. The build waits until the line is seen.
func TestThePushSaysAtTheBottomThatItBuilds(t *testing.T) {
	p := newPlace(t, "stages: {live: {hosts: [web1]}}\n")
	t.Setenv("TERM", "xterm")
	t.Setenv("XDG_CACHE_HOME", testcache.Dir(t))
	require.NoError(t, os.CopyFS(p.folder, os.DirFS("sample")))
	p.write("VERSION", "1.0\n")
	backend, err := os.ReadFile("sample/build_backend/backend.py")
	require.NoError(t, err)
	hold := filepath.Join(p.folder, "hold")
	require.NoError(t, unix.Mkfifo(hold, 0o600))
	p.write("build_backend/backend.py", string(backend)+"\n_build = build_sdist\n\n\ndef build_sdist(*args):\n    open("+strconv.Quote(hold)+").read()\n    return _build(*args)\n")
	a, _, _ := p.app()
	seen := make(chan struct{})
	screen := &watched{text: "… building the source distribution here (", seen: seen}
	a.Out, a.Terminal, a.Color, a.Columns = printer{screen}, true, true, func() int { return 80 }
	ended := make(chan int)
	go func() { ended <- execute(t.Context(), a, p.args("push", "live", "--dry-run", "--color", "never")) }() // the test waits for it
	select {
	case <-seen:
	case <-ended:
		require.Fail(t, "it was not said")
	case <-time.After(30 * time.Second):
		assert.Fail(t, "it was not said")
	}
	release, err := os.OpenFile(hold, os.O_WRONLY, 0)
	require.NoError(t, err)
	require.NoError(t, release.Close())
	require.Equal(t, 3, <-ended)
	// The first time, the build environment is made in between.
	require.Regexp(t, `^(… building the source distribution here \(\d+ s\)\r\x1b\[K(making a private build environment .*\n)?)+hello 1\.0: `, screen.String())
}

// watched is a screen that tells when a text is on it.
type watched struct {
	mu   sync.Mutex
	all  bytes.Buffer
	text string
	seen chan struct{} // closed then, and nil
}

func (w *watched) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	n, err := w.all.Write(p)
	if w.seen != nil && strings.Contains(w.all.String(), w.text) {
		close(w.seen)
		w.seen = nil
	}
	return n, err
}

func (w *watched) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.all.String()
}
