package testenv

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/testenv/hosttest"
	"github.com/keep-it-simple/kis/internal/testenv/oracle"
)

// Env is a person at a machine, with a project and some hosts. It is for one goroutine.
type Env struct {
	T      *testing.T
	Hosts  []*hosttest.Host
	Client *hosttest.Client
	Home   string // the person's home folder
	Dir    string // the project's folder, where kis is run
	Stage  string // the one that oracle and helpers look at

	Program string   // the path of kis; usually "", for Binary
	Through []string // what kis is run through, before its own command line; usually nothing

	Roots map[string]string // host → its repository as seen from here, where that is not the host's Repo
}

// InventoryText is the inventory of most tests; hosts that an environment does not have are not named in it.
func InventoryText(hosts []*hosttest.Host, more string) string {
	names := make([]string, len(hosts))
	for i, h := range hosts {
		names[i] = h.Name
	}
	return fmt.Sprintf("stages:\n  staging: {hosts: [%s]}\n%s", strings.Join(names, ", "), more)
}

// Environment is what the hosts' pip needs to reach the index that this machine is configured for.
func Environment() []string {
	var env []string
	for _, v := range os.Environ() {
		name, value, _ := strings.Cut(v, "=")
		if (strings.HasPrefix(name, "PIP_") || strings.HasPrefix(name, "SSL_CERT_") || strings.HasSuffix(strings.ToLower(name), "_proxy")) && !strings.ContainsAny(value, "\" ") {
			env = append(env, v)
		}
	}
	return env
}

// New starts n hosts and writes the sample application and an inventory with them as stage "staging".
func New(t *testing.T, n int, o hosttest.Options) *Env {
	t.Helper()
	return Around(t, hosttest.New(t, n, o))
}

// Around is New for hosts that run, or for none.
func Around(t *testing.T, hosts []*hosttest.Host) *Env {
	t.Helper()
	w := At(t, t.TempDir(), hosts)
	w.Sample("0.3")
	w.Inventory(InventoryText(hosts, ""))
	return w
}

// At is Around for a project that is in a directory already, or that the test writes there.
func At(t *testing.T, dir string, hosts []*hosttest.Host) *Env {
	t.Helper()
	return &Env{T: t, Hosts: hosts, Client: hosttest.NewClient(t, hosts), Home: t.TempDir(), Dir: dir, Stage: "staging"}
}

// Sample adds the sample application to a project that has none of its files.
func (w *Env) Sample(version string) {
	w.T.Helper()
	require.NoError(w.T, os.CopyFS(w.Dir, os.DirFS(sample(w.T))))
	w.Version(version)
}

// sample is the folder of the sample application, wherever below the module the tests are run.
func sample(t *testing.T) string {
	t.Helper()
	top, err := os.Getwd()
	require.NoError(t, err)
	for {
		folder := filepath.Join(top, "internal", "demo", "sample")
		if _, err := os.Stat(folder); err == nil {
			return folder
		}
		require.NotEqual(t, filepath.Dir(top), top, "run the tests inside of the module")
		top = filepath.Dir(top)
	}
}

// In is the same world for a subtest.
func (w *Env) In(t *testing.T) *Env {
	own := *w
	own.T = t
	return &own
}

// Write writes a file of the project.
func (w *Env) Write(name, text string) {
	w.T.Helper()
	path := filepath.Join(w.Dir, name)
	require.NoError(w.T, os.MkdirAll(filepath.Dir(path), 0o755))  //nolint:gosec // a project is no secret
	require.NoError(w.T, os.WriteFile(path, []byte(text), 0o644)) //nolint:gosec // likewise
}

// Version gives the sample application a version.
func (w *Env) Version(v string) { w.Write("VERSION", v+"\n") }

// Inventory writes the inventory of the project.
func (w *Env) Inventory(text string) { w.Write("inventory.yaml", text) }

// Archive builds the source distribution of the project by the sample's own backend, which is faster than letting kis do it; for tests that
// are about something else. It returns its path.
func (w *Env) Archive() string {
	w.T.Helper()
	out := w.T.TempDir()
	cmd := exec.CommandContext(w.T.Context(), Python, "-B", "-c", "import sys; sys.path.insert(0, 'build_backend'); import backend; print(backend.build_sdist(sys.argv[1]))", out)
	cmd.Dir = w.Dir
	name, err := cmd.CombinedOutput()
	require.NoError(w.T, err, "%s", name)
	return filepath.Join(out, strings.TrimSpace(string(name)))
}

// On is the same world, looked at on some hosts only.
func (w *Env) On(names ...string) *Env {
	narrow := *w
	narrow.Hosts = slices.DeleteFunc(slices.Clone(w.Hosts), func(h *hosttest.Host) bool { return !slices.Contains(names, h.Name) })
	return &narrow
}

// OracleHosts are the hosts as the oracle sees them.
func (w *Env) OracleHosts() []oracle.Host {
	var all []oracle.Host
	for _, h := range w.Hosts {
		all = append(all, oracle.Host{Name: h.Name, Root: w.Root(h)})
	}
	return all
}

// Root is a host's repository as seen from here.
func (w *Env) Root(h *hosttest.Host) string {
	if root := w.Roots[h.Name]; root != "" {
		return root
	}
	return h.Repo
}

// Links are what the stage is linked to, host by host.
func (w *Env) Links() []string {
	w.T.Helper()
	var all []string
	for _, h := range w.Hosts {
		target, err := os.Readlink(filepath.Join(w.Root(h), w.Stage))
		if err != nil {
			require.ErrorIs(w.T, err, fs.ErrNotExist)
		}
		all = append(all, target)
	}
	return all
}

// All is the same text for every host of the world, as Links would tell it.
func (w *Env) All(text string) []string {
	all := make([]string, len(w.Hosts))
	for i := range all {
		all[i] = text
	}
	return all
}

// Trees are the package repositories of all hosts, as text: one line per member, with all that a run could change of it.
func (w *Env) Trees() string {
	w.T.Helper()
	var all strings.Builder
	for _, h := range w.Hosts {
		root := w.Root(h)
		require.NoError(w.T, filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
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
