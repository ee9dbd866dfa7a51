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

	"github.com/keep-it-simple/kis/internal/testenv/testcache"
	"github.com/keep-it-simple/kis/internal/ui"
)

// TestThePushShowsThatItBuilds: nothing else is printed meanwhile, and a build may take long. The
// build waits until the live line was seen.
func TestThePushShowsThatItBuilds(t *testing.T) {
	p := newProject(t, "stages: {live: {hosts: [web1]}}\n")
	t.Setenv("TERM", "xterm")
	t.Setenv("XDG_CACHE_HOME", testcache.Dir(t))
	require.NoError(t, os.CopyFS(p.dir, os.DirFS("../../internal/demo/sample")))
	p.write("VERSION", "1.0\n")
	backend, err := os.ReadFile("../../internal/demo/sample/build_backend/backend.py")
	require.NoError(t, err)
	hold := filepath.Join(p.dir, "hold")
	require.NoError(t, unix.Mkfifo(hold, 0o600))
	p.write("build_backend/backend.py", string(backend)+"\n_build = build_sdist\n\n\ndef build_sdist(*args):\n    open("+strconv.Quote(hold)+").read()\n    return _build(*args)\n")
	a, _, _ := p.app()
	seen := make(chan struct{})
	screen := &watched{text: "building the source distribution", seen: seen}
	a.ui.Out, a.ui.Interactive, a.ui.Terminal, a.ui.Columns = ui.NewPrinter(screen), true, true, func() int { return 80 }
	ended := make(chan int)
	go func() { ended <- execute(t.Context(), a, p.args("push", "live", "--dry-run", "--color", "never")) }() // the test waits for it
	select {
	case <-seen:
	case <-ended:
		require.Fail(t, "it was not shown")
	case <-time.After(30 * time.Second):
		assert.Fail(t, "it was not shown")
	}
	release, err := os.OpenFile(hold, os.O_WRONLY, 0)
	require.NoError(t, err)
	require.NoError(t, release.Close())
	require.Equal(t, 3, <-ended)
	// The first time, the build environment is made in between.
	require.Regexp(t, `^(?:making a private build environment .*\n)?\rbuilding the source distribution.*\x1b\[K\n\x1b\[J`, screen.String())
	require.Contains(t, screen.String(), "\r\x1b[1A\x1b[Jhello 1.0: ", "the row is erased")
}

// watched is a screen that reports when a text is on it.
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
