package apps

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestInitAndLogs: a new inventory has the services that run the application, and their logs are shown: of all hosts in one
// stream, and only to users who may read them.
func TestInitAndLogs(t *testing.T) {
	a := newHello(t)
	require.NoError(t, os.Remove(filepath.Join(a.dir, "inventory.yaml")))
	r := a.kis("init", "production=deploy@web1,web2", "--root", "/var/webcode/hello")
	require.Equal(t, 0, r.exit, r.screen)
	assert.Equal(t, "asking the hosts for the services of hello\nhello: backend\n  production on web1, web2; services: hello.service\nwrote inventory.yaml; read it, then:\n  next: kis check production\n", r.screen)
	text, err := os.ReadFile(filepath.Join(a.dir, "inventory.yaml"))
	require.NoError(t, err)
	assert.Contains(t, string(text), "    services:\n      - hello.service\n")
	assert.Equal(t, 2, a.kis("init", "production=web1").exit, "it replaces no inventory")
	require.Equal(t, 0, a.kis("check", "production").exit, "the next command that it names")
	a.run(0, "production", a.release("1.0"), "push", "production")
	say := func(host, text string) {
		a.site.hosts[host].Shell(t, "systemd-run --quiet --wait --unit=said-"+text+" /bin/echo said "+text)
	}
	say("web1", "a")
	say("web2", "b")
	say("web1", "c")
	units := []string{"said-a.service", "said-b.service", "said-c.service"}

	r = a.kis(append([]string{"logs", "production"}, units...)...)
	assert.Equal(t, 3, r.exit)
	assert.Contains(t, r.screen, "web1, web2: logs: this user may not read the system's journal\n  hint: on the host: sudo usermod -aG systemd-journal deploy\n")

	for _, name := range a.hosts {
		a.site.hosts[name].Shell(t, "usermod -aG systemd-journal deploy")
	}
	r = a.kis(append([]string{"logs", "production"}, units...)...)
	require.Equal(t, 0, r.exit, r.screen)
	var said []string
	for line := range strings.Lines(r.screen) {
		if _, text, found := strings.Cut(line, "]: said "); found {
			said = append(said, line[:4]+" "+strings.TrimSpace(text))
		}
	}
	assert.Equal(t, []string{"web1 a", "web2 b", "web1 c"}, said, r.screen)
	r = a.kis("logs", "production", "--since", "-1h", "-n", "1", "--hosts", "web1", "said-a.service", "said-c.service")
	assert.Equal(t, 0, r.exit, r.screen)
	assert.Contains(t, r.screen, "]: said c\n", "the newest, where journalctl shows the oldest")
	assert.Equal(t, 1, strings.Count(r.screen, "\n"))
	r = a.kis("logs", "production", "--since", "never")
	assert.Equal(t, 5, r.exit, r.screen)
	r = a.kis("logs", "production")
	assert.Equal(t, 0, r.exit)
	assert.Contains(t, r.screen, "]: the sample starts\n", "the services of the stage")

	follow := exec.CommandContext(t.Context(), "/bin/sh", "-c", "exec kis logs production -F -n 1 said-c.service")
	follow.Dir, follow.Env = a.dir, a.env
	stream, err := follow.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, follow.Start())
	lines := bufio.NewReader(stream)
	for range 2 { // the newest line so far, then one that is new
		line, err := lines.ReadString('\n')
		require.NoError(t, err)
		assert.Regexp(t, `^web1  \S+ \S+  .*\]: said c\n$`, line)
		say("web1", "c")
	}
	require.NoError(t, follow.Process.Signal(syscall.SIGINT))
	_ = follow.Wait()
	assert.Equal(t, 130, follow.ProcessState.ExitCode())
	for _, name := range a.hosts {
		assert.Empty(t, strings.TrimSpace(a.site.hosts[name].Shell(t, "pgrep -f '[s]aid-c' || true")), "it ended on %s", name)
	}
}
