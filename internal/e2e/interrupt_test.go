package e2e

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/hosttest"
	"github.com/keep-it-simple/kis/internal/oracle"
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


_build_editable = build_editable


def build_editable(directory, config_settings=None, metadata_directory=None):
    hold()
    return _build_editable(directory, config_settings, metadata_directory)
`

// heldPush is a push that has come as far as building the environment on all hosts, and stays there.
type heldPush struct {
	w     *world
	cmd   *exec.Cmd
	out   bytes.Buffer
	watch *oracle.Watch
	ended chan struct{}
}

// hold gives the project a build that waits on the hosts, and links an earlier version, so that there is something to lose.
func (w *world) hold() (archive string) {
	w.t.Helper()
	w.run(0, "hello-0.3", "push", "staging", "--sdist", w.archive())
	backend, err := os.ReadFile(filepath.Join(w.dir, "build_backend", "backend.py"))
	require.NoError(w.t, err)
	w.write("build_backend/backend.py", string(backend)+heldBackend)
	w.version("0.4")
	return w.archive()
}

// pushHeld starts the push and waits until every host builds.
func (w *world) pushHeld(archive string) *heldPush {
	w.t.Helper()
	for _, h := range w.hosts {
		require.NoError(w.t, os.WriteFile(filepath.Join(h.Home, "hold"), nil, 0o644))
		require.NoError(w.t, os.RemoveAll(filepath.Join(h.Home, "reached")))
	}
	p := &heldPush{w: w, watch: oracle.Start(w.t, w.stage, w.oracleHosts()...), ended: make(chan struct{})}
	ctx, cancel := context.WithCancel(w.t.Context())
	p.cmd = w.command(ctx, "push", "staging", "--sdist", archive)
	p.cmd.Stdout, p.cmd.Stderr = &p.out, &p.out
	require.NoError(w.t, p.cmd.Start())
	go func() { // ends with kis, which the clean-up ends at the latest
		defer close(p.ended)
		_ = p.cmd.Wait() // its status is what tests look at
	}()
	w.t.Cleanup(func() { cancel(); <-p.ended })
	for _, h := range w.hosts {
		require.Eventually(w.t, func() bool {
			_, err := os.Stat(filepath.Join(h.Home, "reached"))
			return err == nil
		}, time.Minute, 20*time.Millisecond, "%s does not come to building the environment", h.Name)
	}
	return p
}

// end waits for kis and returns its exit status, -1 when it was killed.
func (p *heldPush) end(within time.Duration) int {
	p.w.t.Helper()
	select {
	case <-p.ended:
	case <-time.After(within):
		require.FailNow(p.w.t, "kis does not end", "%s", p.out.String())
	}
	p.w.t.Logf("%s", p.out.String())
	oracle.Output(p.w.t, p.out.String())
	require.NotContains(p.w.t, p.out.String(), "DATA RACE")
	return p.cmd.ProcessState.ExitCode()
}

// release lets builds go on.
func (w *world) release() {
	w.t.Helper()
	for _, h := range w.hosts {
		require.NoError(w.t, os.RemoveAll(filepath.Join(h.Home, "hold")))
	}
}

// quiet: nothing runs for the deploying user on any host.
func (w *world) quiet(within time.Duration) {
	w.t.Helper()
	for _, h := range w.hosts {
		require.Eventually(w.t, func() bool { return len(h.Processes(w.t)) == 0 }, within, 50*time.Millisecond, "%s: %v", h.Name, h.Processes(w.t))
	}
}

// TestWhateverEndsAPushWhileItBuildsTheSamePushSucceedsAfterIt: kis is ended in three ways, and a host in one.
func TestWhateverEndsAPushWhileItBuildsTheSamePushSucceedsAfterIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2, hosttest.Options{})
	archive := w.hold()
	w.tell([]chapter{
		{"kis is killed", func(w *world) {
			p := w.pushHeld(archive)
			require.NoError(w.t, p.cmd.Process.Signal(syscall.SIGKILL))
			p.end(10 * time.Second)
			p.watch.Check(oracle.Expect{Exit: -1, To: "hello-0.4", Within: 10 * time.Second})
			w.quiet(10 * time.Second)
			assert.Equal(w.t, w.all("hello-0.3"), w.links())
			assert.Contains(w.t, w.run(0, "", "status", "staging").out, "the same on all hosts")
		}},
		{"Ctrl-C", func(w *world) {
			p := w.pushHeld(archive)
			require.NoError(w.t, p.cmd.Process.Signal(syscall.SIGINT))
			assert.Equal(w.t, 130, p.end(20*time.Second))
			p.watch.Check(oracle.Expect{Exit: 130, To: "hello-0.4"})
			w.quiet(time.Second) // kis has waited for the hosts
			assert.Contains(w.t, p.out.String(), "interrupted before link: no stage link was changed")
		}},
		{"the terminal is closed", func(w *world) {
			p := w.pushHeld(archive)
			require.NoError(w.t, p.cmd.Process.Signal(syscall.SIGHUP))
			assert.Equal(w.t, 130, p.end(20*time.Second))
			p.watch.Check(oracle.Expect{Exit: 130, To: "hello-0.4"})
			w.quiet(time.Second)
		}},
		{"another push meets the lock", func(w *world) {
			p := w.pushHeld(archive)
			r := w.kis("push", "staging", "--sdist", archive)
			assert.Equal(w.t, 6, r.exit)
			assert.Contains(w.t, r.err, "web1, web2: lock: staging is locked by another run: ")
			assert.Contains(w.t, r.err, "push staging hello-0.4")
			assert.Contains(w.t, r.err, "locked by another run: nothing was changed")
			assert.Contains(w.t, w.kis("status", "staging").out, "is at work (push staging hello-0.4)")
			require.NoError(w.t, p.cmd.Process.Signal(syscall.SIGTERM))
			assert.Equal(w.t, 130, p.end(20*time.Second))
			p.watch.Check(oracle.Expect{Exit: 130, To: "hello-0.4"})
		}},
		{"a host loses its power", func(w *world) {
			p := w.pushHeld(archive)
			w.hosts[1].Kill()
			w.release()
			assert.Equal(w.t, 3, p.end(30*time.Second))
			assert.Contains(w.t, p.out.String(), "web2: environment (unknown): ")
			w.hosts[1].Restart(w.t)
			p.watch.Check(oracle.Expect{Exit: 3, To: "hello-0.4", Dirty: true})
			assert.Equal(w.t, w.all("hello-0.3"), w.links())
		}},
		{"the same push succeeds", func(w *world) {
			w.run(0, "hello-0.4", "push", "staging", "--sdist", archive)
			w.uniform("hello-0.4")
			w.quiet(time.Second)
		}},
	})
}

// TestADiskThatFillsUpWhileItBuildsMovesNoLink: what the check before could not foresee.
func TestADiskThatFillsUpWhileItBuildsMovesNoLink(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2, hosttest.Options{})
	w.hosts[1].Shell(t, "mount -t tmpfs -o size=100m,mode=755,uid=$(id -u kistest) none /var/webcode")
	w.roots = map[string]string{"web2": w.hosts[1].Inside(hosttest.Repository)}
	archive := w.hold()
	p := w.pushHeld(archive)
	w.hosts[1].Shell(t, "cat /dev/zero >/var/webcode/other 2>/dev/null || :")
	w.release()
	assert.Equal(t, 3, p.end(time.Minute))
	assert.Contains(t, p.out.String(), "web2: ")
	assert.Regexp(t, "(?i)disk full|no space left", p.out.String())
	p.watch.Check(oracle.Expect{Exit: 3, To: "hello-0.4"})
	assert.Equal(t, w.all("hello-0.3"), w.links())

	w.hosts[1].Shell(t, "rm /var/webcode/other")
	w.run(0, "hello-0.4", "push", "staging", "--sdist", archive)
}

func TestAPushWhoseOutputIsClosedGoesOnToItsEnd(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1, hosttest.Options{})
	watch := oracle.Start(t, w.stage, w.oracleHosts()...)
	cmd := w.command(t.Context(), "push", "staging", "--sdist", w.archive())
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	require.NoError(t, out.Close()) // as `kis push | head -0`
	require.NoError(t, cmd.Wait())
	watch.Check(oracle.Expect{Exit: 0, To: "hello-0.3"})
}

func TestALoginScriptThatPrintsIsNamedAndDoesNoHarm(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2, hosttest.Options{})
	bashrc("echo welcome to web2; printf '\\033]0;title\\007no line end'; echo careful >&2")(w)
	r := w.run(0, "hello-0.3", "push", "staging", "--sdist", w.archive())
	assert.Contains(t, r.err, "kis: web2: the login shell prints text without a terminal: welcome to web2")
	assert.NotContains(t, r.err, "web1: the login shell")
	assert.Equal(t, w.all("hello-0.3"), w.links())
}
