// Package piptest spares the hosts of tests the first seconds of their first push: there the agent unpacks and compiles the pip that comes with
// Python (scripts/kisagent/bundled.py), which is the same for all hosts of a machine.
package piptest

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/testenv/testcache"
	"github.com/keep-it-simple/kis/scripts"
)

// unpack has the agent's own code do it.
const unpack = `import os, sys
sys.path.insert(0, sys.argv[1])
from kisagent.bundled import unpack_pip
from kisagent.store import Repository
os.umask(0o022)
repository = Repository(sys.argv[2])
os.mkdir(repository.kis, 0o700)
unpack_pip(repository, repository.root)
`

// Into makes .kis/pip in a package repository that is empty, with a link to the unpacked pip of
// python in it.
func Into(tb testing.TB, python, repository string) {
	tb.Helper()
	Link(tb, Folder(tb, python), repository)
}

// Link is Into for a pip that is somewhere else on the host whose repository it is. It returns the
// two directories: the caller gives them to the deploying user.
func Link(tb testing.TB, pip, repository string) (made []string) {
	tb.Helper()
	made = []string{filepath.Join(repository, ".kis"), filepath.Join(repository, ".kis", "pip")}
	for _, folder := range made {
		require.NoError(tb, os.Mkdir(folder, 0o700))
	}
	require.NoError(tb, os.Symlink(pip, filepath.Join(made[1], filepath.Base(pip))))
	return made
}

// Folder is the unpacked pip of python. All tests of the user have the same, so nobody may change
// it.
func Folder(tb testing.TB, python string) string {
	tb.Helper()
	pips, err := filepath.Glob(filepath.Join(unpacked(tb, python), ".kis", "pip", "*"))
	require.NoError(tb, err)
	require.Len(tb, pips, 1)
	return pips[0]
}

// unpacked is a package repository with nothing else in it.
func unpacked(tb testing.TB, python string) string {
	tb.Helper()
	code := agent(tb)
	text, err := os.ReadFile(filepath.Join(code, "kisagent", "bundled.py"))
	require.NoError(tb, err)
	sum := sha256.Sum256([]byte(string(text) + unpack + run(tb, python, "-VV")))
	return testcache.Entry(tb, "pip-"+hex.EncodeToString(sum[:6]), func(path string) {
		require.NoError(tb, os.Mkdir(path, 0o755)) //nolint:gosec // pip is no secret
		run(tb, python, "-B", "-c", unpack, code, path)
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

func run(tb testing.TB, name string, args ...string) string {
	tb.Helper()
	out, err := exec.CommandContext(tb.Context(), name, args...).CombinedOutput()
	require.NoError(tb, err, "%s %v: %s", name, args, out)
	return string(out)
}
