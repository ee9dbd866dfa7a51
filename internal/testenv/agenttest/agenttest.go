// Package agenttest makes package repositories as the agent leaves them after a first push. What it keeps there is the same for all hosts of
// a machine, and takes long to make: the pip that comes with Python, unpacked (scripts/kisagent/bundled.py), and the agent's own modules,
// compiled (scripts/kisagent/compiled.py). The agent's own code makes both.
package agenttest

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/testenv/testcache"
	"github.com/keep-it-simple/kis/scripts"
)

// unpack fills a package repository with the pip.
const unpack = `import os, sys
sys.path.insert(0, sys.argv[1])
from kisagent.bundled import unpack_pip
from kisagent.store import Repository
os.umask(0o022)
repository = Repository(sys.argv[2])
os.mkdir(repository.kis, 0o700)
unpack_pip(repository, repository.root)
`

// compile fills a package repository with the modules.
const compile = `import glob, marshal, os, sys
sys.path.insert(0, sys.argv[1])
from kisagent import compiled
os.mkdir(os.path.join(sys.argv[2], ".kis"), 0o700)
known = {}
for path in glob.glob(os.path.join(sys.argv[1], "kisagent", "*.py")):
    name = "kisagent." + os.path.basename(path)[:-3]
    name = name[:-9] if name.endswith(".__init__") else name
    with open(path) as f:
        known[name] = marshal.dumps(compile(f.read(), name, "exec"))
compiled.save({"root": sys.argv[2], "program": sys.argv[3]}, known)
`

// Into makes .kis, with both in it, in a package repository that is empty.
func Into(tb testing.TB, python, repository string) {
	tb.Helper()
	Link(tb, python, Pip(tb, python), repository)
}

// Link is Into for a pip that is somewhere else on the host whose repository it is. It returns what
// it has made: the caller gives it to the deploying user.
func Link(tb testing.TB, python, pip, repository string) (made []string) {
	tb.Helper()
	made = append(Modules(tb, python, repository), filepath.Join(repository, ".kis", "pip"))
	require.NoError(tb, os.Mkdir(made[len(made)-1], 0o700))
	require.NoError(tb, os.Symlink(pip, filepath.Join(made[len(made)-1], filepath.Base(pip))))
	return made
}

// Modules is Link without pip.
func Modules(tb testing.TB, python, repository string) (made []string) {
	tb.Helper()
	path := only(tb, entry(tb, "modules", python, compile+scripts.Program(), compile, scripts.Program()), "agent-*")
	text, err := os.ReadFile(path)
	require.NoError(tb, err)
	made = []string{filepath.Join(repository, ".kis"), filepath.Join(repository, ".kis", filepath.Base(path))}
	require.NoError(tb, os.Mkdir(made[0], 0o700))
	require.NoError(tb, os.WriteFile(made[1], text, 0o600)) //nolint:gosec // in the test's own folder
	return made
}

// Pip is the unpacked pip of python. All tests of the user have the same, so nobody may change it.
func Pip(tb testing.TB, python string) string {
	tb.Helper()
	var bundled string
	for _, m := range scripts.Modules() {
		if m.Name == "kisagent.bundled" {
			bundled = m.Source
		}
	}
	return only(tb, entry(tb, "pip", python, bundled+unpack, unpack), filepath.Join("pip", "*"))
}

// only is the one file of a pattern in .kis of a package repository.
func only(tb testing.TB, repository, pattern string) string {
	tb.Helper()
	found, err := filepath.Glob(filepath.Join(repository, ".kis", pattern))
	require.NoError(tb, err)
	require.Len(tb, found, 1)
	return found[0]
}

// entry is a package repository that a program has filled, which gets the folder with the agent's
// modules, the repository, and the arguments. It is made again when the interpreter or key changes.
func entry(tb testing.TB, what, python, key, program string, args ...string) string {
	tb.Helper()
	interpreter, err := filepath.EvalSymlinks(python)
	require.NoError(tb, err)
	info, err := os.Stat(interpreter)
	require.NoError(tb, err)
	sum := sha256.Sum256(fmt.Appendf(nil, "%s %d %d\n%s", interpreter, info.Size(), info.ModTime().UnixNano(), key))
	return testcache.Entry(tb, what+"-"+hex.EncodeToString(sum[:6]), func(path string) {
		require.NoError(tb, os.Mkdir(path, 0o755)) //nolint:gosec // neither is a secret
		command := exec.CommandContext(tb.Context(), python, append([]string{"-B", "-X", "utf8", "-c", program, agent(tb), path}, args...)...)
		out, err := command.CombinedOutput()
		require.NoError(tb, err, "%s", out)
	})
}

// agent writes the agent's modules as Python imports them, and returns the folder.
func agent(tb testing.TB) string {
	tb.Helper()
	folder := tb.TempDir()
	require.NoError(tb, os.Mkdir(filepath.Join(folder, "kisagent"), 0o700))
	for _, m := range scripts.Modules() {
		file := filepath.Join(folder, strings.ReplaceAll(m.Name, ".", "/")+".py")
		if m.Name == "kisagent" {
			file = filepath.Join(folder, m.Name, "__init__.py")
		}
		require.NoError(tb, os.WriteFile(file, []byte(m.Source), 0o600))
	}
	return folder
}
