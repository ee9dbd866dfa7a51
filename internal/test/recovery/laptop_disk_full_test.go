package recovery

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/testenv"
	"github.com/keep-it-simple/kis/internal/testenv/hosttest"
)

// smallState gives kis a disk of its own, of some kilobytes, for its logs. It is mounted in a mount
// namespace in which kis is run from then on; the returned path leads there.
func smallState(w *testenv.Env, size string) (state string) {
	w.T.Helper()
	dir := filepath.Join(w.Home, "state")
	require.NoError(w.T, os.MkdirAll(dir, 0o700))
	// The namespace lives until its input ends.
	holder := exec.CommandContext(w.T.Context(), "unshare", "--mount", "--propagation", "private", "--", "/bin/sh", "-euc",
		`mount -t tmpfs -o "size=$1,mode=700" none "$2"; echo mounted; exec cat`, "sh", size, dir)
	stdin, err := holder.StdinPipe()
	require.NoError(w.T, err)
	stdout, err := holder.StdoutPipe()
	require.NoError(w.T, err)
	require.NoError(w.T, holder.Start())
	w.T.Cleanup(func() {
		_ = stdin.Close()
		_ = holder.Wait()
	})
	said, err := bufio.NewReader(stdout).ReadString('\n')
	require.NoError(w.T, err)
	require.Equal(w.T, "mounted\n", said)
	pid := strconv.Itoa(holder.Process.Pid)
	w.Through = []string{"nsenter", "--target", pid, "--mount", "--", "/bin/sh", "-c", `cd "$0" && exec "$@"`, w.Dir}
	return filepath.Join("/proc", pid, "root", dir)
}

// TestLocalDiskFull_K6: the file of the log can be made, and nothing can be written into it.
func TestLocalDiskFull_K6(t *testing.T) {
	t.Parallel()
	w := testenv.New(t, 1, hosttest.Options{})
	proxy := w.Hosts[0].Proxy(t)
	w.Client.SetPort(t, "web1", proxy.Port())
	archive, before := w.Archive(), w.Trees()
	state := smallState(w, "4k")
	require.Error(t, os.WriteFile(filepath.Join(state, "other"), make([]byte, 64<<10), 0o600))
	r := w.Run(2, "", "push", "staging", "--sdist", archive)
	assert.Contains(t, r.Err, "no space left on device")
	assert.Contains(t, r.Err, "hint: kis keeps a log of every run: free some space, or set XDG_STATE_HOME")
	assert.Empty(t, proxy.Connections())
	assert.Equal(t, before, w.Trees())
	left, err := os.ReadDir(filepath.Join(state, "kis", "runs"))
	require.NoError(t, err)
	assert.Empty(t, left, "no log of a run that was not begun")
}

// TestRunLogFull_K6: the disk has room for the beginning only.
func TestRunLogFull_K6(t *testing.T) {
	t.Parallel()
	w := testenv.New(t, 1, hosttest.Options{})
	archive := w.Archive()
	smallState(w, "4k")
	r := w.Run(3, "hello-0.3", "push", "staging", "--sdist", archive)
	assert.Contains(t, r.Err, "not linked: the log of this run cannot be written: ")
	assert.Contains(t, r.Err, "no space left on device")
	assert.Equal(t, w.All(""), w.Links())
}

// TestStateDirectoryNotWritable_K6: there would be no log of the run, so that no host is contacted.
func TestStateDirectoryNotWritable_K6(t *testing.T) {
	t.Parallel()
	w := testenv.New(t, 1, hosttest.Options{})
	archive := w.Archive()
	before := w.Trees()
	w.Home = "/proc" // nobody can make a folder there, not even root
	r := w.Run(2, "", "push", "staging", "--sdist", archive)
	assert.Contains(t, r.Err, "XDG_STATE_HOME")
	assert.Equal(t, before, w.Trees())
}
