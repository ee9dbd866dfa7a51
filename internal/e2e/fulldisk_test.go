package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/hosttest"
	"github.com/keep-it-simple/kis/internal/site"
)

// smallState gives kis a disk of its own, of some kilobytes, for its logs.
func smallState(w *site.World, size string) (state string) {
	w.T.Helper()
	state = filepath.Join(w.Home, "state")
	require.NoError(w.T, os.MkdirAll(state, 0o700))
	hosttest.Run(w.T, "mount", "-t", "tmpfs", "-o", "size="+size+",mode=700", "none", state)
	w.T.Cleanup(func() { assert.NoError(w.T, exec.Command("umount", state).Run()) })
	return state
}

// TestADiskThatIsFullHereIsFoundBeforeAnyHostIsContacted: the file of the log can be made, and nothing can be written into it.
func TestADiskThatIsFullHereIsFoundBeforeAnyHostIsContacted(t *testing.T) {
	t.Parallel()
	w := site.New(t, 1, hosttest.Options{})
	proxy := w.Hosts[0].Proxy(t)
	w.Client.SetPort(t, "web1", proxy.Port())
	archive, before := w.Archive(), w.Trees()
	state := smallState(w, "4k")
	require.Error(t, os.WriteFile(filepath.Join(state, "other"), make([]byte, 64<<10), 0o600))
	r := w.Run(2, "", "push", "staging", "--sdist", archive)
	assert.Contains(t, r.Err, "no space left on device")
	assert.Contains(t, r.Err, "hint: kis keeps a log of every run: make room, or set XDG_STATE_HOME")
	assert.Empty(t, proxy.Connections())
	assert.Equal(t, before, w.Trees())
	left, err := os.ReadDir(filepath.Join(state, "kis", "runs"))
	require.NoError(t, err)
	assert.Empty(t, left, "no log of a run that was not begun")
}

// TestARunWhoseLogCannotBeWrittenAnyMoreDoesNotLink: the disk has room for the beginning only.
func TestARunWhoseLogCannotBeWrittenAnyMoreDoesNotLink(t *testing.T) {
	t.Parallel()
	w := site.New(t, 1, hosttest.Options{})
	archive := w.Archive()
	smallState(w, "4k")
	r := w.Run(3, "hello-0.3", "push", "staging", "--sdist", archive)
	assert.Contains(t, r.Err, "not linked: the log of this run cannot be written: ")
	assert.Contains(t, r.Err, "no space left on device")
	assert.Equal(t, w.All(""), w.Links())
}
