package e2e

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
	tell(w, []chapter{
		{"K1,L3: kis is killed", func(w *testenv.Env) {
			p := w.PushHeld(archive)
			p.Signal(syscall.SIGKILL)
			p.End(10 * time.Second)
			p.Watch.Check(oracle.Expect{Exit: -1, To: "hello-0.4", Within: 10 * time.Second})
			w.Quiet(10 * time.Second)
			assert.Equal(w.T, w.All("hello-0.3"), w.Links())
			assert.Contains(w.T, w.Run(0, "", "status", "staging").Out, "the same on all hosts")
		}},
		{"K2: Ctrl-C", func(w *testenv.Env) {
			p := w.PushHeld(archive)
			p.Signal(syscall.SIGINT)
			assert.Equal(w.T, 130, p.End(20*time.Second).Exit)
			p.Watch.Check(oracle.Expect{Exit: 130, To: "hello-0.4"})
			w.Quiet(time.Second) // kis has waited for the hosts
			assert.Contains(w.T, p.Screen(), "interrupted before link: no stage link was changed")
		}},
		{"K5: the terminal is closed", func(w *testenv.Env) {
			p := w.PushHeld(archive)
			p.Signal(syscall.SIGHUP)
			assert.Equal(w.T, 130, p.End(20*time.Second).Exit)
			p.Watch.Check(oracle.Expect{Exit: 130, To: "hello-0.4"})
			w.Quiet(time.Second)
		}},
		{"L1: another push meets the lock", func(w *testenv.Env) {
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
		{"B2: a host loses its power", func(w *testenv.Env) {
			p := w.PushHeld(archive)
			w.Hosts[1].Kill()
			w.Release()
			assert.Equal(w.T, 3, p.End(30*time.Second).Exit)
			assert.Contains(w.T, p.Screen(), "web2: environment (unknown): ")
			w.Hosts[1].Restart(w.T)
			p.Watch.Check(oracle.Expect{Exit: 3, To: "hello-0.4", Dirty: true})
			assert.Equal(w.T, w.All("hello-0.3"), w.Links())
		}},
		{"the same push succeeds", func(w *testenv.Env) {
			w.Run(0, "hello-0.4", "push", "staging", "--sdist", archive)
			uniform(w, "hello-0.4")
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

// TestDiskFillsUpDuringBuild_U6: what the check before could not foresee. web1 runs out of space, web2 of inodes, and web3's
// folder comes to its quota, on a disk that has space. (What is used here is btrfs's quota, which every kernel with btrfs has.)
func TestDiskFillsUpDuringBuild_U6(t *testing.T) {
	t.Parallel()
	w := testenv.New(t, 3, hosttest.Options{})
	image := filepath.Join(t.TempDir(), "image")
	w.Roots = map[string]string{}
	for i, mount := range []string{
		"mount -t tmpfs -o size=100m,mode=755 none /var/webcode",
		"mount -t tmpfs -o nr_inodes=20000,mode=755 none /var/webcode",
		"truncate -s 300m " + image + "; mkfs.btrfs -q -m single " + image + "; mount -o loop " + image + " /var/webcode; btrfs quota enable /var/webcode",
	} {
		w.Hosts[i].Shell(t, mount+"; chown kistest: /var/webcode")
		w.Roots[w.Hosts[i].Name] = w.Hosts[i].Inside(hosttest.Repository)
	}
	archive := w.Hold()
	quota := w.On("web3") // when btrfs's quota is reached nothing can be removed either, so that the next run does
	quota.Trap()
	watch := oracle.Start(t, w.Stage, quota.OracleHosts()...)
	p := w.On("web1", "web2").PushHeld(archive)
	quota.Reached()
	for i, fill := range []string{
		"cat /dev/zero >/var/webcode/other 2>/dev/null || :",
		"mkdir /var/webcode/other; cd /var/webcode/other; seq 30000 | xargs touch 2>/dev/null || :",
		"head -c 80m /dev/zero >/var/webcode/other; sync -f /var/webcode; btrfs qgroup limit 80m /var/webcode",
	} {
		w.Hosts[i].Shell(t, fill)
	}
	w.Release()
	assert.Equal(t, 3, p.End(time.Minute).Exit)
	for _, h := range w.Hosts {
		assert.Regexp(t, "(?m)^(web., )*"+h.Name+"(, web.)*: environment: disk full: ", p.Screen())
	}
	assert.Contains(t, p.Screen(), "hint: see: df -h /var/webcode; df -i /var/webcode")
	p.Watch.Check(oracle.Expect{Exit: 3, To: "hello-0.4"})
	watch.Check(oracle.Expect{Exit: 3, To: "hello-0.4", Dirty: true})
	assert.Equal(t, w.All("hello-0.3"), w.Links())

	for _, h := range w.Hosts {
		h.Shell(t, "rm -r /var/webcode/other; sync -f /var/webcode")
	}
	w.Run(0, "hello-0.4", "push", "staging", "--sdist", archive)
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

func TestLoginScriptPrints_H1(t *testing.T) {
	t.Parallel()
	w := testenv.New(t, 2, hosttest.Options{})
	// What sshd runs for everybody who has none of her own, before the command and before SFTP, see sshd(8).
	w.Hosts[0].Shell(t, "mount -t tmpfs -o mode=755 none /srv; cp -a /etc/ssh /srv; echo 'echo welcome to all' >/srv/ssh/sshrc; mount --bind /srv/ssh /etc/ssh")
	bashrc("echo welcome to web2; printf '\\033]0;title\\007no line end'; echo careful >&2")(w)
	r := w.Run(0, "hello-0.3", "push", "staging", "--sdist", w.Archive())
	assert.Contains(t, r.Err, "kis: web2: the login shell prints text without a terminal: welcome to web2")
	assert.Contains(t, r.Err, "kis: web1: the login shell prints text without a terminal: welcome to all")
	assert.Equal(t, 2, strings.Count(r.Screen(), "the login shell prints text without a terminal"), "each host once")
	assert.Equal(t, w.All("hello-0.3"), w.Links())
}
