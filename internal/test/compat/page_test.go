package compat

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/testenv"
	"github.com/keep-it-simple/kis/internal/testenv/hosttest"
)

// TestRunPageInABrowser pushes, and reads the page of that run in a browser.
func TestRunPageInABrowser(t *testing.T) {
	t.Parallel()
	w := testenv.New(t, 2, hosttest.Options{})
	w.Run(0, "hello-0.3", "push", "staging", "--sdist", w.Archive())
	page := filepath.Join(t.TempDir(), "run.html")
	require.Equal(t, 0, w.Kis("log", "staging", "--html", page).Exit)

	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	picture := filepath.Join(t.TempDir(), "run.png")
	browser := exec.CommandContext(ctx, "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync",
		"--user-data-dir="+t.TempDir(), "--dump-dom", "--virtual-time-budget=1000", "file://"+page)
	dom, err := browser.Output()
	require.NoError(t, err, "make setup installs chromium for this tier")
	for _, text := range []string{"staging is linked to hello-0.3 on 2 hosts", `data-host="web1"`, `data-host="web2"`, `class="barrier"`, "<td>hello-0.3</td>"} {
		assert.Contains(t, string(dom), text)
	}
	assert.Greater(t, strings.Count(string(dom), "<rect"), 20)

	shot := exec.CommandContext(ctx, "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync",
		"--user-data-dir="+t.TempDir(), "--screenshot="+picture, "--window-size=1200,900", "file://"+page)
	require.NoError(t, shot.Run())
	info, err := os.Stat(picture)
	require.NoError(t, err)
	assert.Greater(t, info.Size(), int64(20_000), "there is something to see")
}
