package apps

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/testenv"
	"github.com/keep-it-simple/kis/internal/testenv/debhost"
	"github.com/keep-it-simple/kis/internal/testenv/docpage"
	"github.com/keep-it-simple/kis/internal/testenv/oracle"
	"github.com/keep-it-simple/kis/internal/testenv/testcache"
)

// site is some Debian hosts and the machine of a developer who can reach them by name, as pages assume.
type site struct {
	t     *testing.T
	hosts map[string]*debhost.Host
	env   []string // of the developer's commands
}

// newSite boots hosts. balancer is the one that visitors reach.
func newSite(t *testing.T, balancer string, names ...string) *site {
	t.Helper()
	s := &site{t: t, hosts: map[string]*debhost.Host{}}
	var config strings.Builder
	for _, h := range debhost.Named(t, debhost.Bookworm, names...) {
		s.hosts[h.Name] = h
		fmt.Fprintf(&config, "Host %s\n  HostName %s\n  IdentityFile %s\n  UserKnownHostsFile %s\n", h.Name, h.Address, h.Key, h.KnownHosts())
	}
	config.WriteString("Host *\n  User deploy\n  IdentitiesOnly yes\n  IdentityAgent none\n  BatchMode yes\n")
	home := t.TempDir()
	path := filepath.Join(home, "ssh_config")
	require.NoError(t, os.WriteFile(path, []byte(config.String()), 0o600))
	// ssh and kis take the home directory from the user database, so that they are told of the file.
	bin := filepath.Join(home, "bin")
	require.NoError(t, os.Mkdir(bin, 0o700))
	for name, line := range map[string]string{"ssh": "/usr/bin/ssh -F", "scp": "/usr/bin/scp -F", "kis": testenv.Binary() + " --ssh-config"} {
		require.NoError(t, os.WriteFile(filepath.Join(bin, name), fmt.Appendf(nil, "#!/bin/sh\nexec %s '%s' \"$@\"\n", line, path), 0o700))
	}
	curl := fmt.Sprintf("connect-to = \"::%s:80\"\n", s.hosts[balancer].Address) // what the name service would say
	require.NoError(t, os.WriteFile(filepath.Join(home, ".curlrc"), []byte(curl), 0o600))
	s.env = append([]string{
		"PATH=" + bin + ":/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8", "HOME=" + home,
		"XDG_STATE_HOME=" + filepath.Join(home, "state"), "XDG_CACHE_HOME=" + testcache.Dir(t),
	}, testenv.Environment()...)
	return s
}

// app is an application of a page, on the hosts of a site.
type app struct {
	*site
	name  string
	dir   string // the developer's project
	page  *docpage.Page
	hosts []string // those that the application is deployed to
}

// follow opens a page for an application.
func (s *site) follow(page, name string, hosts ...string) *app {
	s.t.Helper()
	dir := s.t.TempDir()
	return &app{site: s, name: name, dir: dir, page: docpage.Open(s.t, page, dir, s.env), hosts: hosts}
}

// result is what a run of kis came to.
type result struct {
	exit   int
	screen string
}

// kis runs kis as the developer does, outside of what the page says.
func (a *app) kis(args ...string) result {
	a.t.Helper()
	ctx, cancel := context.WithTimeout(a.t.Context(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "/bin/sh", append([]string{"-c", `exec kis "$@"`, "kis"}, args...)...)
	var out bytes.Buffer
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr, cmd.WaitDelay = a.dir, a.env, &out, &out, 10*time.Second
	begin := time.Now()
	_ = cmd.Run()
	r := result{cmd.ProcessState.ExitCode(), out.String()}
	a.t.Logf("%s: kis %s: exit %d after %v\n%s", a.name, strings.Join(args, " "), r.exit, time.Since(begin).Round(time.Millisecond), r.screen)
	oracle.Output(a.t, r.screen)
	return r
}

// repositories are the application's, as the oracle sees them.
func (a *app) repositories(hosts ...string) []oracle.Host {
	all := make([]oracle.Host, len(hosts))
	for i, name := range hosts {
		all[i] = oracle.Host{Name: name, Root: filepath.Join(a.site.hosts[name].Root, "var/webcode", a.name)}
	}
	return all
}

// run runs kis on a stage under the eyes of the oracle: to is the package that it is to link, "" for none.
func (a *app) run(exit int, stage, to string, args ...string) result {
	a.t.Helper()
	watch := oracle.Start(a.t, stage, a.repositories(a.hosts...)...)
	r := a.kis(args...)
	require.Equal(a.t, exit, r.exit, "exit status")
	watch.Check(oracle.Expect{Exit: exit, To: to})
	return r
}

// links are what a stage is linked to on the application's hosts, in their order; "" for nothing.
func (a *app) links(stage string) []string {
	var all []string
	for _, h := range a.repositories(a.hosts...) {
		target, _ := os.Readlink(filepath.Join(h.Root, stage))
		all = append(all, target)
	}
	return all
}

// replace changes a text of a project's file, which must be there.
func (a *app) replace(file, old, replacement string) {
	a.t.Helper()
	path := filepath.Join(a.dir, file)
	text, err := os.ReadFile(path)
	require.NoError(a.t, err)
	require.Contains(a.t, string(text), old, file)
	require.NoError(a.t, os.WriteFile(path, []byte(strings.ReplaceAll(string(text), old, replacement)), 0o644))
}

// write writes a file of the project.
func (a *app) write(file, text string) {
	a.t.Helper()
	require.NoError(a.t, os.WriteFile(filepath.Join(a.dir, file), []byte(text), 0o644))
}

// version changes the version, in pyproject.toml and where the shop's page names it.
func (a *app) version(old, next string) {
	a.t.Helper()
	a.replace("pyproject.toml", `version = "`+old+`"`, `version = "`+next+`"`)
	if _, err := os.Stat(filepath.Join(a.dir, "shop", "page.txt")); err == nil {
		a.replace("shop/page.txt", old, next)
	}
}

// visitor is a browser's HTTP client, for which every name leads to a host's port 80.
func (s *site) visitor(host string) *http.Client {
	transport := &http.Transport{MaxIdleConnsPerHost: 1000, IdleConnTimeout: time.Minute}
	address := net.JoinHostPort(s.hosts[host].Address, "80")
	transport.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{Timeout: 10 * time.Second}).DialContext(ctx, network, address)
	}
	s.t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: 30 * time.Second}
}
