package deploy_test

import (
	"cmp"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"

	"github.com/keep-it-simple/kis/internal/deploy"
	"github.com/keep-it-simple/kis/internal/event"
	"github.com/keep-it-simple/kis/internal/fleet"
	"github.com/keep-it-simple/kis/internal/name"
	"github.com/keep-it-simple/kis/internal/sdist"
	"github.com/keep-it-simple/kis/internal/sshtest"
	"github.com/keep-it-simple/kis/internal/testenv/agenttest"
	"github.com/keep-it-simple/kis/internal/testenv/opensshtest"
	"github.com/keep-it-simple/kis/internal/testenv/oracle"
	"github.com/keep-it-simple/kis/internal/testenv/proxytest"
	"github.com/keep-it-simple/kis/internal/testenv/testcache"
	"github.com/keep-it-simple/kis/internal/timeouts"
	"github.com/keep-it-simple/kis/inventory"
	"github.com/keep-it-simple/kis/sshx"
)

// world is some hosts with a proxy in front of each, and what is needed to reach them.
type world struct {
	hosts  []inventory.Host
	roots  []oracle.Host
	proxy  map[string]*proxytest.Proxy
	config string // path of the ssh_config
	ask    func(context.Context, string) bool
	gone   []string      // packages that runs may remove
	index  time.Duration // what takes longer to send is asked of the index; 0: nothing is
	maker  time.Duration // after which a second host makes the wheels as well; 0: the default
}

// backend starts the far side of one host and says how to log in there.
type backend func(t testing.TB, home string) login

type login struct{ addr, user, key, hostKey string }

// embedded is the host of package sshtest.
func embedded(t testing.TB, home string) login {
	t.Helper()
	return embeddedWith(sshtest.Faults{})(t, home)
}

// embeddedWith is the host of package sshtest that misbehaves.
func embeddedWith(faults sshtest.Faults) backend {
	return func(t testing.TB, home string) login {
		t.Helper()
		return startEmbedded(t, home, sshtest.Options{Faults: faults})
	}
}

func startEmbedded(t testing.TB, home string, options sshtest.Options) login {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	block, err := ssh.MarshalPrivateKey(private, "")
	require.NoError(t, err)
	key := filepath.Join(home, "key")
	require.NoError(t, os.WriteFile(key, pem.EncodeToMemory(block), 0o600))
	authorized, err := ssh.NewPublicKey(public)
	require.NoError(t, err)
	options.Home, options.AuthorizedKeys = home, []ssh.PublicKey{authorized}
	h, err := sshtest.Start(options)
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, h.Close())
		require.Empty(t, h.Record().Foreign())
		require.Subset(t, []string{"exec", "subsystem"}, h.Record().Requests)
		require.Subset(t, []string{"keepalive@openssh.com"}, h.Record().Globals)
	})
	return login{addr: h.Addr(), user: "deploy", key: key, hostKey: strings.TrimSpace(string(ssh.MarshalAuthorizedKey(h.HostKey())))}
}

// openssh is a real sshd.
func openssh(t testing.TB, _ string) login {
	t.Helper()
	s := opensshtest.Start(t, opensshtest.Options{})
	return login{addr: s.Addr, user: s.User, key: s.UserKey, hostKey: s.PublicHostKey(t, 0)}
}

// newWorld starts n hosts, web1, web2 and so on.
func newWorld(t testing.TB, start backend, n int) *world {
	t.Helper()
	dir := t.TempDir()
	w := &world{proxy: map[string]*proxytest.Proxy{}, config: filepath.Join(dir, "ssh_config")}
	var config, known strings.Builder
	for i := range n {
		name := fmt.Sprintf("web%d", i+1)
		home := filepath.Join(dir, name)
		root := filepath.Join(home, "webcode")
		require.NoError(t, os.MkdirAll(root, 0o755))
		agenttest.Into(t, "/usr/bin/python3", root)
		l := start(t, home)
		proxy, err := proxytest.New(l.addr)
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, proxy.Close()) })
		w.proxy[name] = proxy
		w.hosts = append(w.hosts, inventory.Host{Name: name, Root: root, Python: python(t, "/usr/bin/python3")})
		w.roots = append(w.roots, oracle.Host{Name: name, Root: root})
		fmt.Fprintf(&config, "Host %s\n HostName 127.0.0.1\n Port %d\n HostKeyAlias %s\n User %s\n IdentityFile %s\n", name, proxy.Port(), name, l.user, l.key)
		fmt.Fprintf(&known, "%s %s\n", name, l.hostKey)
	}
	knownHosts := filepath.Join(dir, "known_hosts")
	fmt.Fprintf(&config, "Host *\n IdentitiesOnly yes\n IdentityAgent none\n UserKnownHostsFile %s\n GlobalKnownHostsFile /dev/null\n"+
		" ServerAliveInterval 1\n ServerAliveCountMax 3\n", knownHosts)
	require.NoError(t, os.WriteFile(w.config, []byte(config.String()), 0o600))
	require.NoError(t, os.WriteFile(knownHosts, []byte(known.String()), 0o600))
	t.Cleanup(func() { makeRemovable(dir) })
	return w
}

// makeRemovable undoes what sealing did to directories, so that the test's directory can be removed
// by an ordinary user too.
func makeRemovable(dir string) {
	_ = exec.Command("chmod", "-R", "u+w", dir).Run()
}

// deployer carries plans out on these hosts, and waits less long than kis does for hosts that do
// not answer.
func (w *world) deployer(dialer *sshx.Dialer, emit func(event.Event)) *deploy.Deployer {
	bounds := timeouts.Default()
	bounds.Arm, bounds.Link, bounds.Reconnect = 3*time.Second, 3*time.Second, 8*time.Second
	bounds.Index, bounds.Module = cmp.Or(w.index, time.Hour), time.Hour // on a busy machine, too
	bounds.Maker = cmp.Or(w.maker, bounds.Maker)
	return &deploy.Deployer{
		Fleet: &fleet.Fleet{Resolver: sshx.Resolver{ConfigFile: w.config}, Dialer: dialer, Timeouts: bounds}, Who: "test@laptop", Emit: emit,
	}
}

// run carries a plan out and has the oracle judge it. at is called for every event, and may break
// things.
func (w *world) run(ctx context.Context, t testing.TB, p deploy.Plan, at func(event.Event)) event.Report {
	t.Helper()
	var events []event.Event
	var mu sync.Mutex
	dialer := &sshx.Dialer{}
	f := w.deployer(dialer, func(e event.Event) {
		mu.Lock()
		events = append(events, e)
		mu.Unlock()
		if at != nil {
			at(e)
		}
	})
	f.Ask = w.ask
	p.Hosts = w.hosts
	if p.Stage.Name.IsZero() {
		p.Stage.Name = stageNamed(t, "staging")
	}
	require.NoError(t, f.Fleet.Ready(t.Context(), p.Hosts)) // as kis does, so that nothing is resolved while time counts
	watch := oracle.Start(t, p.Stage.Name.String(), w.roots...)
	report := f.Run(ctx, p)
	require.NoError(t, dialer.Close())
	to := report.Package
	if p.NoLink || p.DryRun {
		to = ""
	}
	for _, proxy := range w.proxy {
		proxy.Heal() // what was stalled sees the end now, as after a repaired network
		proxy.Cut()
	}
	watch.Check(oracle.Expect{Exit: report.Exit, To: to, Gone: w.gone})
	requireStream(t, events)
	return report
}

// link has every host linked to each of the versions of the sample application, in this order.
func (w *world) link(t testing.TB, versions ...string) {
	t.Helper()
	w.install(t, versions...)
	for _, version := range versions {
		require.Empty(t, w.run(t.Context(), t, push(t, version), nil).Failures)
	}
}

// install has versions of the sample application installed on every host, as a push with --no-link
// does, for tests that are about what comes after that. Only the first test with a version builds it: the
// hosts are of one machine, so the others get copies.
func (w *world) install(t testing.TB, versions ...string) {
	t.Helper()
	for _, version := range versions {
		name := "hello-" + version
		plan := push(t, version)
		plan.NoLink = true
		kept := testcache.Entry(t, "deployed-"+builder(t)+"-"+name+"-"+plan.Archive.Content[len("sha256:"):][:12], func(path string) {
			built := newWorld(t, embedded, 1)
			require.Empty(t, built.run(t.Context(), t, plan, nil).Failures)
			copied(t, filepath.Join(built.hosts[0].Root, name), path)
		})
		for _, h := range w.hosts {
			copied(t, kept, filepath.Join(h.Root, name))
		}
	}
}

// copied copies a package with all that its fingerprint is made of.
func copied(t testing.TB, from, to string) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "cp", "-a", from, to).CombinedOutput()
	require.NoError(t, err, "%s", out)
}

// builder is a short name of what builds a package here: this program, with all that it runs on hosts.
func builder(t testing.TB) string {
	t.Helper()
	path, err := os.Executable()
	require.NoError(t, err)
	program, err := os.ReadFile(path)
	require.NoError(t, err)
	sum := sha256.Sum256(program)
	return hex.EncodeToString(sum[:6])
}

// requireStream checks what every stream of events has in common.
func requireStream(t testing.TB, events []event.Event) {
	t.Helper()
	for i, e := range events {
		require.Equal(t, i+1, e.Seq)
	}
	require.Equal(t, event.TypeStart, events[0].Type)
	require.Equal(t, event.TypeReport, events[len(events)-1].Type)
}

// archive is the sample application in a version, as a source distribution. Only the first test with it builds it.
func archive(t testing.TB, version string) *sdist.Archive {
	t.Helper()
	sample := filepath.Join(t.TempDir(), "sample")
	require.NoError(t, os.CopyFS(sample, os.DirFS("../demo/sample")))
	require.NoError(t, os.WriteFile(filepath.Join(sample, "VERSION"), []byte(version+"\n"), 0o644))
	sum := sha256.New()
	for _, name := range []string{"README.md", "VERSION", "build_backend/backend.py", "check.sh", "hello/__init__.py", "hello/__main__.py", "pyproject.toml"} {
		require.NoError(t, os.Chtimes(filepath.Join(sample, name), time.Time{}, time.Unix(315532800, 0)), "as reproducible builds do")
		text, err := os.ReadFile(filepath.Join(sample, name))
		require.NoError(t, err)
		_, _ = fmt.Fprintf(sum, "%s\x00%s\x00", name, text)
	}
	built := testcache.Entry(t, "sample-"+hex.EncodeToString(sum.Sum(nil)[:6]), func(path string) {
		require.NoError(t, os.Mkdir(path, 0o700))
		// The application brings its own build backend, so one call of it is the build.
		program := "import sys; sys.path.insert(0, 'build_backend'); import backend; backend.build_sdist(sys.argv[1])"
		command := exec.CommandContext(t.Context(), "/usr/bin/python3", "-B", "-c", program, path)
		command.Dir = sample
		out, err := command.CombinedOutput()
		require.NoError(t, err, string(out))
	})
	a, err := sdist.Open(filepath.Join(built, "hello-"+version+".tar.gz"))
	require.NoError(t, err)
	t.Cleanup(func() { _ = a.Close() })
	return a
}

// push is the plan to push the sample application in a version.
func push(t testing.TB, version string) deploy.Plan {
	t.Helper()
	recipe, err := deploy.NewRecipe(t.Context(), inventory.Install{Mode: inventory.ModeRegular}, inventory.Shared{}, nil, deploy.Sources{Dir: t.TempDir()})
	require.NoError(t, err)
	return deploy.Plan{Op: event.Push, Archive: archive(t, version), Recipe: recipe}
}

func pkg(t testing.TB, text string) name.Package {
	t.Helper()
	p, err := name.ParsePackage(text)
	require.NoError(t, err)
	return p
}

func stageNamed(t testing.TB, text string) name.Stage {
	t.Helper()
	s, err := name.ParseStage(text)
	require.NoError(t, err)
	return s
}

func python(t testing.TB, text string) name.Interpreter {
	t.Helper()
	p, err := name.ParseInterpreter(text)
	require.NoError(t, err)
	return p
}
