package e2e

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/hosttest"
	"github.com/keep-it-simple/kis/internal/oracle"
)

// world is a person at a machine, with a project and some hosts.
type world struct {
	t      *testing.T
	hosts  []*hosttest.Host
	client *hosttest.Client
	home   string // the person's home folder
	dir    string // the project's folder, where kis is run
	stage  string // the one that oracle and helpers look at

	roots map[string]string // host → its repository as seen from here, where that is not the host's Repo
}

// inventoryText is the inventory of most tests; hosts that a site does not have are not named in it.
func inventoryText(hosts []*hosttest.Host, more string) string {
	names := make([]string, len(hosts))
	for i, h := range hosts {
		names[i] = h.Name
	}
	return fmt.Sprintf("stages:\n  staging: {hosts: [%s]}\n%s", strings.Join(names, ", "), more)
}

// siteEnvironment is what the hosts' pip needs to reach the index that this machine is configured for.
func siteEnvironment() []string {
	var env []string
	for _, v := range os.Environ() {
		name, value, _ := strings.Cut(v, "=")
		if (strings.HasPrefix(name, "PIP_") || strings.HasPrefix(name, "SSL_CERT_") || strings.HasSuffix(strings.ToLower(name), "_proxy")) && !strings.ContainsAny(value, "\" ") {
			env = append(env, v)
		}
	}
	return env
}

// newWorld starts n hosts and writes the sample application and an inventory with them as stage "staging".
func newWorld(t *testing.T, n int, o hosttest.Options) *world {
	t.Helper()
	return newSite(t, hosttest.New(t, n, o))
}

// newSite is newWorld for hosts that run, or for none.
func newSite(t *testing.T, hosts []*hosttest.Host) *world {
	t.Helper()
	w := &world{t: t, hosts: hosts, client: hosttest.NewClient(t, hosts), home: t.TempDir(), dir: t.TempDir(), stage: "staging"}
	require.NoError(t, os.CopyFS(w.dir, os.DirFS("../../cmd/kis/sample")))
	w.version("0.3")
	w.inventory(inventoryText(hosts, ""))
	return w
}

// in is the same world for a subtest.
func (w *world) in(t *testing.T) *world {
	own := *w
	own.t = t
	return &own
}

// write writes a file of the project.
func (w *world) write(name, text string) {
	w.t.Helper()
	path := filepath.Join(w.dir, name)
	require.NoError(w.t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(w.t, os.WriteFile(path, []byte(text), 0o644))
}

// version gives the sample application a version.
func (w *world) version(v string) { w.write("VERSION", v+"\n") }

// inventory writes the inventory of the project.
func (w *world) inventory(text string) { w.write("inventory.yaml", text) }

// archive builds the source distribution of the project by the sample's own backend, which is faster than letting kis do it; for tests that
// are about something else. It returns its path.
func (w *world) archive() string {
	w.t.Helper()
	out := w.t.TempDir()
	cmd := exec.CommandContext(w.t.Context(), "/usr/bin/python3", "-B", "-c", "import sys; sys.path.insert(0, 'build_backend'); import backend; print(backend.build_sdist(sys.argv[1]))", out)
	cmd.Dir = w.dir
	name, err := cmd.CombinedOutput()
	require.NoError(w.t, err, "%s", name)
	return filepath.Join(out, strings.TrimSpace(string(name)))
}

// on is the same world, looked at on some hosts only.
func (w *world) on(names ...string) *world {
	narrow := *w
	narrow.hosts = slices.DeleteFunc(slices.Clone(w.hosts), func(h *hosttest.Host) bool { return !slices.Contains(names, h.Name) })
	return &narrow
}

// oracleHosts are the hosts as the oracle sees them.
func (w *world) oracleHosts() []oracle.Host {
	var all []oracle.Host
	for _, h := range w.hosts {
		all = append(all, oracle.Host{Name: h.Name, Root: w.root(h)})
	}
	return all
}

// root is a host's repository as seen from here.
func (w *world) root(h *hosttest.Host) string {
	if root := w.roots[h.Name]; root != "" {
		return root
	}
	return h.Repo
}

// result is what a run of kis has come to.
type result struct {
	exit     int
	out, err string
	took     time.Duration
}

// screen is everything a person has before them.
func (r result) screen() string { return r.out + r.err }

// command is kis as the person would run it in the project's folder.
func (w *world) command(ctx context.Context, args ...string) *exec.Cmd {
	w.t.Helper()
	cache, err := os.UserCacheDir()
	require.NoError(w.t, err)
	cmd := exec.CommandContext(ctx, os.Getenv(binaryVariable), append([]string{"--ssh-config", w.client.Config}, args...)...)
	cmd.Dir = w.dir
	cmd.Env = append([]string{
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8", "HOME=" + w.home,
		"XDG_STATE_HOME=" + filepath.Join(w.home, "state"), "XDG_CACHE_HOME=" + filepath.Join(cache, "kis-test"),
	}, siteEnvironment()...)
	cmd.WaitDelay = 10 * time.Second
	return cmd
}

// kis runs kis to its end. Whatever it prints must be harmless on a terminal, and no race may have been seen.
func (w *world) kis(args ...string) result {
	w.t.Helper()
	return w.wait(w.command(w.t.Context(), args...))
}

func (w *world) wait(cmd *exec.Cmd) result {
	w.t.Helper()
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	begin := time.Now()
	err := cmd.Run()
	if _, exited := err.(*exec.ExitError); !exited { //nolint:errorlint // as os/exec returns it
		require.NoError(w.t, err)
	}
	r := result{exit: cmd.ProcessState.ExitCode(), out: out.String(), err: errs.String(), took: time.Since(begin)}
	w.t.Logf("kis %s: exit %d after %v\n%s", strings.Join(cmd.Args[3:], " "), r.exit, r.took.Round(time.Millisecond), brief(r.screen()))
	oracle.Output(w.t, r.screen())
	require.NotContains(w.t, r.err, "DATA RACE")
	return r
}

// brief leaves of JSON what a reader of a test's log wants: the failures and the end.
func brief(screen string) string {
	var kept []string
	for line := range strings.Lines(screen) {
		if !strings.HasPrefix(line, `{"type":"step"`) || strings.Contains(line, `"failure"`) {
			kept = append(kept, line[:min(len(line), 600)])
		}
	}
	return strings.Join(kept, "")
}

// run runs kis under the eyes of the oracle, which is told what exit status is expected and what package the run is to link.
func (w *world) run(exit int, to string, args ...string) result {
	w.t.Helper()
	watch := oracle.Start(w.t, w.stage, w.oracleHosts()...)
	r := w.kis(args...)
	require.Equal(w.t, exit, r.exit, "exit status")
	watch.Check(oracle.Expect{Exit: exit, To: to})
	return r
}

// links are what the stage is linked to, host by host.
func (w *world) links() []string {
	w.t.Helper()
	var all []string
	for _, h := range w.hosts {
		target, err := os.Readlink(filepath.Join(w.root(h), w.stage))
		if err != nil {
			require.ErrorIs(w.t, err, fs.ErrNotExist)
		}
		all = append(all, target)
	}
	return all
}

// trees are the package repositories of all hosts, as text: one line per member, with all that a run could change of it.
func (w *world) trees() string {
	w.t.Helper()
	var all strings.Builder
	for _, h := range w.hosts {
		root := w.root(h)
		require.NoError(w.t, filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			info, err := e.Info()
			if err != nil {
				return err
			}
			target, _ := os.Readlink(path)
			_, err = fmt.Fprintf(&all, "%s%s %v %d %v %s\n", h.Name, strings.TrimPrefix(path, root), info.Mode(), info.Size(), info.ModTime().UnixNano(), target)
			return err
		}))
	}
	return all.String()
}
