package backends

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/testenv"
	"github.com/keep-it-simple/kis/internal/testenv/debhost"
	"github.com/keep-it-simple/kis/internal/testenv/hosttest"
	"github.com/keep-it-simple/kis/internal/testenv/testcache"
)

// environment is a Python and its pip on a host: those of a Debian, or of pyenv on a host like this
// machine.
type environment struct {
	name   string
	suite  debhost.Suite // or "": then
	python string        // is the version's beginning, and
	pip    string        // what ensurepip has there, "" for what came with it
}

// environments are in the order of the table. A pip that is given replaces the one of ensurepip. That of
// Python 3.9 is the first with PEP 660, those of 3.10 and 3.12 are Ubuntu 22.04's and 24.04's, that of 3.13 the
// newest.
func environments() []environment {
	return []environment{
		{name: "Debian 11", suite: debhost.Bullseye},
		{name: "Debian 12", suite: debhost.Bookworm},
		{name: "Debian 13", suite: debhost.Trixie},
		{name: "pyenv", python: "3.8"},
		{name: "pyenv", python: "3.9", pip: "21.3"},
		{name: "pyenv", python: "3.10", pip: "22.0.2"},
		{name: "pyenv", python: "3.11"},
		{name: "pyenv", python: "3.12", pip: "24.0"},
		{name: "pyenv", python: "3.13", pip: "26.3"},
	}
}

// host is where an environment is.
type host struct {
	config string // path of an ssh_config(5) in which it is web1
	python string // path of its interpreter
	root   string // a package repository for this environment only
	shell  func(tb testing.TB, script string) string
	// compilers says whether it has a C and a Rust compiler.
	compilers bool
}

// debian boots a host for one environment.
func debian(t *testing.T, e environment) host {
	t.Helper()
	h := debhost.New(t, e.suite, 1)[0]
	config := filepath.Join(t.TempDir(), "ssh_config")
	text := fmt.Sprintf("Host web1\n  HostName %s\n  IdentityFile %s\n  UserKnownHostsFile %s\n  User %s\n  IdentitiesOnly yes\n  IdentityAgent none\n", h.Address, h.Key, h.KnownHosts(), debhost.User)
	require.NoError(t, os.WriteFile(config, []byte(text), 0o600))
	return host{config: config, python: "python3", root: "/var/webcode", shell: h.Shell}
}

// shared starts the host of all environments that are no Debian. It sees pyenv and the Rust compiler of this machine, in the user's home
// directory, to which its deploying user has no access otherwise.
func shared(t *testing.T) *hosttest.Host {
	t.Helper()
	home, err := os.UserHomeDir()
	require.NoError(t, err)
	rust := toolchain(t)
	variables := append(testenv.Environment(), "PATH="+rust+"/bin:/usr/local/bin:/usr/bin:/bin")
	h := hosttest.New(t, 1, hosttest.Options{Env: variables, Bare: true})[0]
	settings := "[build]\nbuild-base = /home/" + h.User + "/elsewhere\n"
	require.NoError(t, os.WriteFile(filepath.Join(h.Home, ".pydistutils.cfg"), []byte(settings), 0o644))
	// Pythons and modes share what is compiled.
	require.NoError(t, os.Mkdir(filepath.Join(h.Home, ".cargo"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(h.Home, ".cargo/config.toml"), []byte("[build]\ntarget-dir = \"/home/"+h.User+"/rust\"\n"), 0o644))
	h.Give(t, filepath.Join(h.Home, ".cargo"))
	h.Shell(t, fmt.Sprintf(`
mount -t tmpfs -o mode=1777 none /srv
mkdir /srv/pyenv /srv/rust /srv/bin
ln -s %[2]s/bin/* /srv/bin
mount --bind /srv/bin /usr/local/bin
mount --bind %[1]s/.pyenv /srv/pyenv
mount --bind %[2]s /srv/rust
mount -t tmpfs -o mode=755 none %[1]s
mkdir -p %[1]s/.pyenv %[2]s
mount --move /srv/pyenv %[1]s/.pyenv
mount --move /srv/rust %[2]s
# Debian's pip, which may be the version that the ensurepip of another Python names
[ ! -d /usr/share/python-wheels ] || mount -t tmpfs none /usr/share/python-wheels
`, home, rust))
	return h
}

// toolchain is the directory of this machine's Rust compiler.
func toolchain(t *testing.T) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "rustc", "--print", "sysroot").Output()
	require.NoError(t, err, "install Rust: https://rustup.rs")
	return strings.TrimSpace(string(out))
}

// on makes an environment on the host, with a package repository of its own.
func (e environment) on(t *testing.T, h *hosttest.Host, config string) host {
	t.Helper()
	home, err := os.UserHomeDir()
	require.NoError(t, err)
	found, err := filepath.Glob(filepath.Join(home, ".pyenv/versions", e.python+".*/bin/python3"))
	require.NoError(t, err)
	require.NotEmpty(t, found, "install Python %s: pyenv install %s", e.python, e.python)
	if e.pip != "" {
		bundled := filepath.Join(filepath.Dir(found[0]), "../lib/python"+e.python, "ensurepip/_bundled")
		h.Shell(t, fmt.Sprintf("mount --bind %s %s", pipWheel(t, e), bundled))
	}
	root := "/var/webcode/python" + e.python
	h.Shell(t, fmt.Sprintf("install -d -o %s %s", h.User, root))
	return host{config: config, python: found[0], root: root, shell: h.Shell, compilers: true}
}

// pipWheel is a directory with the wheel of the environment's pip.
func pipWheel(t *testing.T, e environment) string {
	t.Helper()
	dir := testcache.Entry(t, "pip-wheel-"+e.pip, func(path string) {
		out, err := exec.CommandContext(t.Context(), testenv.Python, "-m", "pip", "download", "-q", "--no-deps", "--only-binary", ":all:", "--python-version", e.python, "-d", path, "pip=="+e.pip).CombinedOutput()
		require.NoError(t, err, "%s", out)
	})
	readable := t.TempDir() // by the deploying user, unlike the cache
	require.NoError(t, os.Chmod(readable, 0o755))
	require.NoError(t, os.CopyFS(readable, os.DirFS(dir)))
	return readable
}
