package recovery

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/testenv"
	"github.com/keep-it-simple/kis/internal/testenv/hosttest"
)

// noIndex leads pip to a port where nobody listens: an index that is asked all the same makes the build fail.
func noIndex() hosttest.Options {
	return hosttest.Options{Env: []string{"PIP_INDEX_URL=http://127.0.0.1:9/simple", "PIP_RETRIES=0"}}
}

func TestASetupScriptThatFailsOnOneHostMovesNoLink(t *testing.T) {
	t.Parallel()
	w := testenv.New(t, 2, noIndex())
	w.Earlier("0.3")
	w.Project("testdata/fickle", "1.0")
	w.Inventory(testenv.InventoryText(w.Hosts, "install: {wheels: "+testenv.Wheelhouse(t, "setuptools", "wheel")+"}\n"))
	header := func(i int) string { return filepath.Join(w.Hosts[i].Home, "libfoo.h") }
	require.NoError(t, os.WriteFile(header(0), nil, 0o644))
	w.Tell([]testenv.Chapter{
		{Name: "one host lacks something", Tell: func(w *testenv.Env) {
			r := w.Run(3, "fickle-1.0", "push", "staging", "--replaces", "hello")
			assert.Equal(w.T, w.All("hello-0.3"), w.Links())
			assert.Contains(w.T, r.Err, "web2: environment: pip could not install the application")
			assert.Contains(w.T, r.Err, "fickle: libfoo.h is missing: apt install libfoo-dev", "the words of setup.py itself")
			assert.NotContains(w.T, r.Err, "web1: ")
			assert.Contains(w.T, r.Err, "no stage link was changed (1 of 2 hosts ready)")
			assert.NoFileExists(w.T, filepath.Join(w.Hosts[1].Repo, "fickle-1.0", ".kis", "receipt.json"))
		}},
		{Name: "list tells where the package is incomplete", Tell: func(w *testenv.Env) {
			assert.Regexp(w.T, `(?m)^fickle-1\.0 .*incomplete on web2`, w.Run(0, "", "list").Out)
		}},
		{Name: "the next version succeeds once the host has it, from a wheelhouse, without an index", Tell: func(w *testenv.Env) {
			require.NoError(w.T, os.WriteFile(header(1), nil, 0o644))
			w.Version("1.1")
			w.Run(0, "fickle-1.1", "push", "staging", "--replaces", "hello")
			require.NoError(w.T, os.Remove(header(1)))
			w.Version("1.0")
		}},
		{Name: "the same push takes what the other host has built", Tell: func(w *testenv.Env) {
			r := w.Run(0, "fickle-1.0", "push", "staging", "-o", "json")
			for _, e := range r.Events(w.T) {
				if e.Step == "environment" {
					assert.Equal(w.T, "web2", e.Host, "nothing is built twice")
				}
			}
		}},
	})
}

func TestALockFileIsHonored_B4(t *testing.T) {
	t.Parallel()
	w := testenv.New(t, 1, noIndex())
	wheel, sum := wheelNamed(t, testenv.Wheelhouse(t, "itsdangerous==2.2.0"), "itsdangerous")
	require.NoError(t, os.Mkdir(filepath.Join(w.Dir, "wheels"), 0o755))
	require.NoError(t, os.Symlink(wheel, filepath.Join(w.Dir, "wheels", filepath.Base(wheel))))
	const install = "install: {requirements: requirements.lock, wheels: wheels}\n"
	w.Tell([]testenv.Chapter{
		{Name: "a wrong hash is refused", Tell: func(w *testenv.Env) {
			w.Inventory(testenv.InventoryText(w.Hosts, install))
			w.Write("requirements.lock", "itsdangerous==2.2.0 --hash=sha256:"+strings.Repeat("0", 64)+"\n")
			r := w.Run(3, "", "push", "staging", "--sdist", w.Archive())
			assert.Contains(w.T, r.Err, "web1: wheels: pip could not make wheels of the requirements")
			assert.Contains(w.T, r.Err, sum, "pip says what it got")
		}},
		{Name: "without wheels the index would be asked", Tell: func(w *testenv.Env) {
			w.Inventory(testenv.InventoryText(w.Hosts, "install: {requirements: requirements.lock}\n"))
			w.Write("requirements.lock", "itsdangerous==2.2.0 --hash=sha256:"+sum+"\n")
			r := w.Run(3, "", "push", "staging", "--sdist", w.Archive())
			assert.Contains(w.T, r.Err, "web1: wheels: pip could not make wheels of the requirements")
		}},
		{Name: "the right hash is installed, and nothing else", Tell: func(w *testenv.Env) {
			w.Inventory(testenv.InventoryText(w.Hosts, install))
			w.Run(0, "hello-0.3", "push", "staging", "--sdist", w.Archive())
			text, err := os.ReadFile(filepath.Join(w.Hosts[0].Repo, "hello-0.3", ".kis", "environment"))
			require.NoError(w.T, err)
			assert.Regexp(w.T, `^hello==0\.3 [0-9a-f]{64} \S+\nitsdangerous==2\.2\.0 `+sum+` \S+\n$`, string(text))
		}},
		{Name: "another lock file is another package", Tell: func(w *testenv.Env) {
			w.Write("requirements.lock", "itsdangerous==2.2.0 --hash=sha256:"+sum+" --hash=sha256:"+strings.Repeat("0", 64)+"\n")
			r := w.Run(3, "", "push", "staging", "--sdist", w.Archive())
			assert.Contains(w.T, r.Err, "other recipe")
			assert.Contains(w.T, r.Err, "bump the version")
		}},
	})
}

// wheelNamed is the one file in a wheelhouse that begins so, and its sha256.
func wheelNamed(t *testing.T, folder, prefix string) (path, sum string) {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(folder, prefix+"*.whl"))
	require.NoError(t, err)
	require.Len(t, found, 1)
	data, err := os.ReadFile(found[0])
	require.NoError(t, err)
	digest := sha256.Sum256(data)
	return found[0], hex.EncodeToString(digest[:])
}
