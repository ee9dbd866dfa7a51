package testenv

import (
	"crypto/rand"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/stretchr/testify/require"
)

// heldBackend makes the sample's build backend wait, on a host where the file ~/hold exists, with a child of its own and after saying so in
// the file ~/reached.
const heldBackend = `

def hold():
    import subprocess
    import time
    hold, reached = os.path.expanduser("~/hold"), os.path.expanduser("~/reached")
    if os.path.exists(hold):
        child = subprocess.Popen(["sleep", "1000"])
        open(reached, "w").close()
        while os.path.exists(hold):
            time.sleep(0.05)
        child.kill()


_build_editable_held = build_editable


def build_editable(directory, config_settings=None, metadata_directory=None):
    hold()
    return _build_editable_held(directory, config_settings, metadata_directory)
`

// hostsOnly makes the sample's build backend refuse to build wheels anywhere but on a host.
const hostsOnly = `

def on_hosts(build):
    def checked(*args, **more):
        if not os.path.exists(os.path.expanduser("~/.ssh/authorized_keys")):
            raise SystemExit("only hosts can build this")
        return build(*args, **more)
    return checked


build_wheel, build_editable = on_hosts(build_wheel), on_hosts(build_editable)
`

// BuildOnHosts has hosts build the application, as one that is not pure Python: more is added to its build backend.
func (w *Env) BuildOnHosts(more string) {
	w.T.Helper()
	backend, err := os.ReadFile(filepath.Join(w.Dir, "build_backend", "backend.py"))
	require.NoError(w.T, err)
	w.Write("build_backend/backend.py", string(backend)+more+hostsOnly)
}

// Hold gives the project a build that waits on the hosts, and links an earlier version, so that there is something to lose. It returns the
// archive of hello-0.4, for PushHeld. The build waits only where Trap is set.
func (w *Env) Hold() (archive string) {
	w.T.Helper()
	w.Earlier("0.3")
	w.BuildOnHosts(heldBackend)
	w.Version("0.4")
	return w.Archive()
}

// Pad makes the archive of the project larger by so many bytes that nothing can compress.
func (w *Env) Pad(size int) {
	w.T.Helper()
	padding := make([]byte, size)
	_, _ = rand.Read(padding) // never fails
	w.Write("padding", string(padding))
	backend, err := os.ReadFile(filepath.Join(w.Dir, "build_backend", "backend.py"))
	require.NoError(w.T, err)
	const files = "FILES = [\n"
	require.Contains(w.T, string(backend), files)
	w.Write("build_backend/backend.py", strings.Replace(string(backend), files, files+"    \"padding\",\n", 1))
}

// Trap makes builds wait on all hosts of the world, until Release.
func (w *Env) Trap() {
	w.T.Helper()
	for _, h := range w.Hosts {
		require.NoError(w.T, os.WriteFile(filepath.Join(h.Home, "hold"), nil, 0o600))
		require.NoError(w.T, os.RemoveAll(filepath.Join(h.Home, "reached")))
	}
}

// Reached waits until every host of the world builds.
func (w *Env) Reached() {
	w.T.Helper()
	for _, h := range w.Hosts {
		require.Eventually(w.T, func() bool {
			_, err := os.Stat(filepath.Join(h.Home, "reached"))
			return err == nil
		}, time.Minute, 20*time.Millisecond, "%s does not come to building the environment", h.Name)
	}
}

// PushHeld starts the push of what Hold has returned, and waits until every host builds, and stays there.
func (w *Env) PushHeld(archive string) *Started {
	w.T.Helper()
	w.Trap()
	s := w.Start("push", "staging", "--sdist", archive)
	w.Reached()
	return s
}

// Release lets builds go on.
func (w *Env) Release() {
	w.T.Helper()
	for _, h := range w.Hosts {
		require.NoError(w.T, os.RemoveAll(filepath.Join(h.Home, "hold")))
	}
}

// Quiet waits until nothing runs for the deploying user on any host.
func (w *Env) Quiet(within time.Duration) {
	w.T.Helper()
	for _, h := range w.Hosts {
		require.Eventually(w.T, func() bool { return len(h.Processes(w.T)) == 0 }, within, 50*time.Millisecond, "%s: %v", h.Name, h.Processes(w.T))
	}
}
