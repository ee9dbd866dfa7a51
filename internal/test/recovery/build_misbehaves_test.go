package recovery

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/testenv"
	"github.com/keep-it-simple/kis/internal/testenv/hosttest"
	"github.com/keep-it-simple/kis/internal/testenv/oracle"
)

// culprit makes the sample's build backend do, on a host, what the file ~/culprit says.
const culprit = `

def misbehave(kind):
    import signal
    import subprocess
    import sys
    open(os.path.expanduser("~/misbehaved"), "w").close()
    if kind == "reads":
        assert sys.stdin.read() == ""
        try:
            open("/dev/tty").read()
        except OSError:
            pass  # there is no terminal
    elif kind == "loops":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        while True:
            pass
    elif kind == "daemon":
        subprocess.Popen(["setsid", "sleep", "1000"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    elif kind == "open":
        subprocess.Popen(["setsid", "sleep", "1000"])


_build_editable_well = build_editable


def build_editable(directory, config_settings=None, metadata_directory=None):
    path = os.path.expanduser("~/culprit")
    if os.path.exists(path):
        with open(path) as f:
            misbehave(f.read())
    return _build_editable_well(directory, config_settings, metadata_directory)
`

// TestBuildMisbehaves_B7_B8: what a build backend does on a host is bounded, and ended with it.
func TestBuildMisbehaves_B7_B8(t *testing.T) {
	t.Parallel()
	w := testenv.New(t, 2, hosttest.Options{})
	w.BuildOnHosts(culprit)
	for _, c := range []struct {
		name  string
		kinds [2]string // by host
		exit  int
		says  []string
	}{
		{"it reads, and leaves a daemon", [2]string{"reads", "daemon"}, 0, nil},
		{"B8: it never ends", [2]string{"open", "loops"}, 3, []string{"web1, web2: environment: still running at its deadline, killed"}},
	} {
		if !t.Run(c.name, func(t *testing.T) {
			w := w.In(t)
			for i, h := range w.Hosts {
				require.NoError(t, os.WriteFile(filepath.Join(h.Home, "culprit"), []byte(c.kinds[i]), 0o644))
			}
			w.Version("1+" + c.kinds[0])
			archive := w.Archive()
			args := []string{"push", "staging", "--sdist", archive}
			if c.exit != 0 {
				args = append(args, "--timeout", "12s")
			}
			r := w.Run(c.exit, "hello-1+"+c.kinds[0], args...)
			for _, part := range c.says {
				assert.Contains(t, r.Screen(), part)
			}
			assert.Less(t, r.Took, time.Minute)
			w.Quiet(time.Second) // all of it had ended when kis did
			for _, h := range w.Hosts {
				assert.FileExists(t, filepath.Join(h.Home, "misbehaved"))
				require.NoError(t, os.Remove(filepath.Join(h.Home, "culprit")))
			}
			w.Run(0, "hello-1+"+c.kinds[0], "push", "staging", "--sdist", archive)
		}) {
			return
		}
	}
}

// TestBuildOutlivesAgent_B3: the agent is killed, and what it has started is not. The next run ends that before it builds.
func TestBuildOutlivesAgent_B3(t *testing.T) {
	t.Parallel()
	w := testenv.New(t, 1, hosttest.Options{})
	archive := w.Hold()
	s := w.PushHeld(archive)
	w.Signal(w.Hosts[0], w.Agent(w.Hosts[0]), syscall.SIGKILL)
	r := s.End(time.Minute)
	require.Equal(t, 3, r.Exit)
	assert.Contains(t, r.Err, "web1: environment (unknown): ")
	before := w.PIDs(w.Hosts[0], "/pip --no-color install")
	require.Len(t, before, 1, "pip goes on")

	again := w.PushHeld(archive)
	now := w.PIDs(w.Hosts[0], "/pip --no-color install")
	require.Len(t, now, 1)
	assert.NotEqual(t, before, now)
	w.Release()
	require.Equal(t, 0, again.End(time.Minute).Exit)
	again.Watch.Check(oracle.Expect{Exit: 0, To: "hello-0.4"})
	assert.Equal(t, w.All("hello-0.4"), w.Links())
}
