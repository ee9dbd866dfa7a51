package apps

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/testenv/oracle"
)

// slowUnit takes as long to start as a test wants: while /srv/hold exists. With /srv/broken it fails, once.
const slowUnit = `[Service]
Type=exec
WorkingDirectory=/var/webcode/hello/production
ExecStartPre=/bin/sh -c 'echo the sample starts; touch /srv/starting; while test -e /srv/hold; do sleep 0.05; done; if test -e /srv/broken; then rm /srv/broken; exit 1; fi'
ExecStart=/bin/sleep infinity
`

// newHello has the sample application on two hosts, as a service that starts slowly.
func newHello(t *testing.T) *app {
	t.Helper()
	s := newSite(t, "web1", "web1", "web2")
	a := &app{site: s, name: "hello", dir: t.TempDir(), hosts: []string{"web1", "web2"}}
	require.NoError(t, os.CopyFS(a.dir, os.DirFS("../../demo/sample")))
	a.write("inventory.yaml", "root: /var/webcode/hello\nssh: {user: deploy}\nstages:\n  production:\n    hosts: [web1, web2]\n    services: [hello.service]\n")
	for _, name := range a.hosts {
		h := s.hosts[name]
		h.Write(t, "/etc/systemd/system/hello.service", slowUnit, 0o644)
		h.Write(t, "/etc/sudoers.d/hello", "deploy ALL=(root) NOPASSWD: /usr/bin/systemctl restart hello.service\n", 0o440)
		h.Shell(t, "install -d -o deploy -m 755 /var/webcode/hello; systemctl daemon-reload")
	}
	return a
}

// mark makes a file in /srv of every host; unmark removes it.
func (a *app) mark(file string) {
	for _, name := range a.hosts {
		a.site.hosts[name].Shell(a.t, "touch /srv/"+file)
	}
}

func (a *app) unmark(file string) {
	for _, name := range a.hosts {
		a.site.hosts[name].Shell(a.t, "rm -f /srv/"+file)
	}
}

// release is a version of the sample.
func (a *app) release(version string) string {
	a.t.Helper()
	a.write("VERSION", version+"\n")
	return "hello-" + version
}

// restarting starts a push that has switched the links and waits for the services of all hosts.
func (a *app) restarting(to string) (kis *exec.Cmd, screen *bytes.Buffer, watch *oracle.Watch) {
	a.t.Helper()
	a.unmark("starting")
	a.mark("hold")
	watch = oracle.Start(a.t, "production", a.repositories(a.hosts...)...)
	kis = exec.CommandContext(a.t.Context(), "/bin/sh", "-c", "exec kis push production")
	screen = &bytes.Buffer{}
	kis.Dir, kis.Env, kis.Stdout, kis.Stderr = a.dir, a.env, screen, screen
	require.NoError(a.t, kis.Start())
	for _, name := range a.hosts {
		require.Eventually(a.t, func() bool {
			_, err := os.Stat(filepath.Join(a.site.hosts[name].Root, "srv/starting"))
			return err == nil
		}, 2*time.Minute, 50*time.Millisecond, "%s restarts %s", name, to)
	}
	return kis, screen, watch
}

// running is the package that the service of each host runs.
func (a *app) running() []string {
	a.t.Helper()
	var all []string
	for _, name := range a.hosts {
		out := a.site.hosts[name].Shell(a.t, "readlink /proc/$(systemctl show -p MainPID --value hello)/cwd")
		all = append(all, filepath.Base(strings.TrimSpace(out)))
	}
	return all
}

// TestFaultDuringServices_V15: the links of all hosts are switched, their units are being restarted, and something goes wrong.
func TestFaultDuringServices_V15(t *testing.T) {
	a := newHello(t)
	a.run(0, "production", a.release("1.0"), "push", "production")
	both := func(p string) []string { return []string{p, p} }
	require.Equal(t, both("hello-1.0"), a.running())
	for i, scene := range []struct {
		name  string
		exit  int
		dirty bool
		fault func(kis *exec.Cmd)
	}{
		{"kis is killed", -1, false, func(kis *exec.Cmd) { assert.NoError(t, kis.Process.Kill()) }},
		{"Ctrl-C", 4, false, func(kis *exec.Cmd) { assert.NoError(t, kis.Process.Signal(syscall.SIGINT)) }},
		{"an agent is killed", 4, true, func(*exec.Cmd) { a.site.hosts["web1"].Shell(t, "pkill -KILL -u deploy python3") }},
		{"a unit does not start", 4, false, func(*exec.Cmd) { a.site.hosts["web2"].Shell(t, "touch /srv/broken") }},
	} {
		before, to := fmt.Sprintf("hello-1.%d", i), a.release(fmt.Sprintf("1.%d", i+1))
		kis, screen, watch := a.restarting(to)
		scene.fault(kis)
		a.unmark("hold")
		_ = kis.Wait() // its status is looked at
		t.Logf("%s: exit %d\n%s", scene.name, kis.ProcessState.ExitCode(), screen)
		require.Equal(t, scene.exit, kis.ProcessState.ExitCode(), scene.name)
		watch.Check(oracle.Expect{Exit: scene.exit, To: to, Dirty: scene.dirty, Within: 90 * time.Second})
		if scene.exit == 4 {
			assert.Equal(t, both(before), a.links("production"), scene.name)
			assert.Equal(t, both(before), a.running(), "%s: what is linked runs", scene.name)
		}
		a.run(0, "production", to, "push", "production")
		assert.Equal(t, both(to), a.running(), "%s: the same command completes it", scene.name)
	}
	for i, gone := range []string{"hello-1.0", "hello-1.1"} {
		to := a.release(fmt.Sprintf("1.%d", i+5))
		watch := oracle.Start(t, "production", a.repositories(a.hosts...)...)
		require.Zero(t, a.kis("push", "production").exit)
		watch.Check(oracle.Expect{To: to, Gone: []string{gone}})
	}
	for _, name := range a.hosts {
		found, err := filepath.Glob(filepath.Join(a.site.hosts[name].Root, "var/webcode/hello/hello-*"))
		require.NoError(t, err)
		for i := range found {
			found[i] = filepath.Base(found[i])
		}
		assert.Equal(t, []string{"hello-1.2", "hello-1.3", "hello-1.4", "hello-1.5", "hello-1.6"}, found, "%s keeps five of seven versions", name)
	}
	assert.Equal(t, both("hello-1.6"), a.running())
}
