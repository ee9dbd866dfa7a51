package recovery

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/testenv"
	"github.com/keep-it-simple/kis/internal/testenv/hosttest"
	"github.com/keep-it-simple/kis/internal/testenv/oracle"
)

// TestPushEndedDuringBuild_B2_K1_K2_K5_L1_L3: kis is ended in three ways, and a host in one.
func TestPushEndedDuringBuild_B2_K1_K2_K5_L1_L3(t *testing.T) {
	t.Parallel()
	w := testenv.New(t, 2, hosttest.Options{})
	archive := w.Hold()
	w.Tell([]testenv.Chapter{
		{Name: "K1,L3: kis is killed", Tell: func(w *testenv.Env) {
			p := w.PushHeld(archive)
			p.Signal(syscall.SIGKILL)
			p.End(10 * time.Second)
			p.Watch.Check(oracle.Expect{Exit: -1, To: "hello-0.4", Within: 10 * time.Second})
			w.Quiet(10 * time.Second)
			assert.Equal(w.T, w.All("hello-0.3"), w.Links())
			assert.Contains(w.T, w.Run(0, "", "status", "staging").Out, "the same on all hosts")
		}},
		{Name: "K2: Ctrl-C", Tell: func(w *testenv.Env) {
			p := w.PushHeld(archive)
			p.Signal(syscall.SIGINT)
			assert.Equal(w.T, 130, p.End(20*time.Second).Exit)
			p.Watch.Check(oracle.Expect{Exit: 130, To: "hello-0.4"})
			w.Quiet(time.Second) // kis has waited for the hosts
			assert.Contains(w.T, p.Screen(), "interrupted before link: no stage link was changed")
		}},
		{Name: "K5: the terminal is closed", Tell: func(w *testenv.Env) {
			p := w.PushHeld(archive)
			p.Signal(syscall.SIGHUP)
			assert.Equal(w.T, 130, p.End(20*time.Second).Exit)
			p.Watch.Check(oracle.Expect{Exit: 130, To: "hello-0.4"})
			w.Quiet(time.Second)
		}},
		{Name: "L1: another push meets the lock", Tell: func(w *testenv.Env) {
			p := w.PushHeld(archive)
			r := w.Kis("push", "staging", "--sdist", archive)
			assert.Equal(w.T, 6, r.Exit)
			assert.Contains(w.T, r.Err, "web1, web2: lock: staging is locked by another run: ")
			assert.Contains(w.T, r.Err, "push staging hello-0.4")
			assert.Contains(w.T, r.Err, "locked by another run: no stage link was changed")
			assert.Contains(w.T, w.Kis("status", "staging").Out, "(push staging hello-0.4)")
			p.Signal(syscall.SIGTERM)
			assert.Equal(w.T, 130, p.End(20*time.Second).Exit)
			p.Watch.Check(oracle.Expect{Exit: 130, To: "hello-0.4"})
		}},
		{Name: "B2: a host loses its power", Tell: func(w *testenv.Env) {
			p := w.PushHeld(archive)
			w.Hosts[1].Kill()
			w.Release()
			assert.Equal(w.T, 3, p.End(30*time.Second).Exit)
			assert.Contains(w.T, p.Screen(), "web2: environment (unknown): ")
			w.Hosts[1].Restart(w.T)
			p.Watch.Check(oracle.Expect{Exit: 3, To: "hello-0.4", Dirty: true})
			assert.Equal(w.T, w.All("hello-0.3"), w.Links())
		}},
		{Name: "the same push succeeds", Tell: func(w *testenv.Env) {
			w.Run(0, "hello-0.4", "push", "staging", "--sdist", archive)
			w.Uniform("hello-0.4")
			w.Quiet(time.Second)
		}},
	})
}

// TestCtrlCWhileThisMachineBuilds: no host has been spoken to, so there is none to wait for.
func TestCtrlCWhileThisMachineBuilds(t *testing.T) {
	t.Parallel()
	w := testenv.Around(t, nil)
	w.Inventory("stages:\n  staging: {hosts: [nowhere.invalid]}\n")
	reached := filepath.Join(t.TempDir(), "reached")
	backend, err := os.ReadFile(filepath.Join(w.Dir, "build_backend", "backend.py"))
	require.NoError(t, err)
	w.Write("build_backend/backend.py", string(backend)+"\n\ndef build_sdist(*args):\n    import signal\n    open('"+reached+"', 'w').close()\n    signal.pause()\n")
	p := w.Start("push", "staging")
	require.Eventually(t, func() bool { _, err := os.Stat(reached); return err == nil }, time.Minute, 20*time.Millisecond)
	p.Signal(syscall.SIGINT)
	assert.Equal(t, 130, p.End(20*time.Second).Exit)
	assert.Equal(t, 1, strings.Count(p.Screen(), "interrupted"), "told once")
	assert.Contains(t, p.Screen(), "kis: interrupted\n")
	assert.NotContains(t, p.Screen(), "hosts")
}

func TestOutputClosed_K5(t *testing.T) {
	t.Parallel()
	w := testenv.New(t, 1, hosttest.Options{})
	watch := oracle.Start(t, w.Stage, w.OracleHosts()...)
	cmd := w.Command(t.Context(), "push", "staging", "--sdist", w.Archive())
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	require.NoError(t, out.Close()) // as `kis push | head -0`
	require.NoError(t, cmd.Wait())
	watch.Check(oracle.Expect{Exit: 0, To: "hello-0.3"})
}
