package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/hosttest"
)

// noIndex leads pip to a port where nobody listens: an index that is asked all the same makes the build fail.
func noIndex() hosttest.Options {
	return hosttest.Options{Env: []string{"PIP_INDEX_URL=http://127.0.0.1:9/simple", "PIP_RETRIES=0"}}
}

// project replaces the sample by a project of testdata.
func (w *world) project(name, version string) {
	w.t.Helper()
	require.NoError(w.t, os.RemoveAll(w.dir))
	require.NoError(w.t, os.CopyFS(w.dir, os.DirFS(filepath.Join("testdata", name))))
	w.version(version)
}

func TestASetupScriptThatFailsOnOneHostMovesNoLink(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 3, noIndex())
	w.project("fickle", "0.9")
	w.inventory(inventoryText(w.hosts, "install: {wheels: "+wheelhouse(t, "setuptools", "wheel")+"}\n"))
	trap := filepath.Join(w.hosts[1].Home, "without-libfoo")
	w.tell([]chapter{
		{"it builds everywhere from a wheelhouse, without an index", func(w *world) { w.run(0, "fickle-0.9", "push", "staging") }},
		{"one host lacks something", func(w *world) {
			w.version("1.0")
			require.NoError(w.t, os.WriteFile(trap, nil, 0o644))
			r := w.run(3, "fickle-1.0", "push", "staging")
			assert.Equal(w.t, w.all("fickle-0.9"), w.links())
			assert.Contains(w.t, r.err, "web2: environment: pip could not install the application")
			assert.Contains(w.t, r.err, "fickle: libfoo.h is missing: apt install libfoo-dev", "the words of setup.py itself")
			assert.NotContains(w.t, r.err, "web1: ")
			assert.Contains(w.t, r.err, "no stage link was changed (2 of 3 hosts ready)")
			assert.NoFileExists(w.t, filepath.Join(w.hosts[1].Repo, "fickle-1.0", ".kis", "receipt.json"))
		}},
		{"list tells where the package is incomplete", func(w *world) {
			assert.Regexp(w.t, `(?m)^fickle-1\.0 .*incomplete on web2`, w.run(0, "", "list").out)
		}},
		{"an incomplete package cannot be linked", func(w *world) {
			r := w.run(3, "", "link", "staging", "fickle-1.0")
			assert.Contains(w.t, r.err, "web2: check: fickle-1.0 is not installed")
			assert.Contains(w.t, r.err, "installed on all hosts: fickle-0.9")
		}},
		{"the same push succeeds once the host has it", func(w *world) {
			require.NoError(w.t, os.Remove(trap))
			r := w.run(0, "fickle-1.0", "push", "staging", "-o", "json")
			for _, e := range r.events(w.t) {
				if e.Step == "environment" {
					assert.Equal(w.t, "web2", e.Host, "nothing is built twice")
				}
			}
		}},
	})
}

func TestALockFileIsHonored(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1, noIndex())
	wheel, sum := wheelNamed(t, wheelhouse(t, "itsdangerous==2.2.0"), "itsdangerous")
	require.NoError(t, os.Mkdir(filepath.Join(w.dir, "wheels"), 0o755))
	require.NoError(t, os.Symlink(wheel, filepath.Join(w.dir, "wheels", filepath.Base(wheel))))
	const install = "install: {requirements: requirements.lock, wheels: wheels}\n"
	w.tell([]chapter{
		{"a wrong hash is refused", func(w *world) {
			w.inventory(inventoryText(w.hosts, install))
			w.write("requirements.lock", "itsdangerous==2.2.0 --hash=sha256:"+strings.Repeat("0", 64)+"\n")
			r := w.run(3, "", "push", "staging", "--sdist", w.archive())
			assert.Contains(w.t, r.err, "web1: environment: pip could not install the requirements")
			assert.Contains(w.t, r.err, sum, "pip says what it got")
		}},
		{"without wheels the index would be asked", func(w *world) {
			w.inventory(inventoryText(w.hosts, "install: {requirements: requirements.lock}\n"))
			w.write("requirements.lock", "itsdangerous==2.2.0 --hash=sha256:"+sum+"\n")
			r := w.run(3, "", "push", "staging", "--sdist", w.archive())
			assert.Contains(w.t, r.err, "web1: environment: pip could not install the requirements")
		}},
		{"the right hash is installed, and nothing else", func(w *world) {
			w.inventory(inventoryText(w.hosts, install))
			w.run(0, "hello-0.3", "push", "staging", "--sdist", w.archive())
			text, err := os.ReadFile(filepath.Join(w.hosts[0].Repo, "hello-0.3", ".kis", "environment"))
			require.NoError(w.t, err)
			assert.Equal(w.t, "hello==0.3\nitsdangerous==2.2.0\n", string(text))
		}},
		{"another lock file is another package", func(w *world) {
			w.write("requirements.lock", "itsdangerous==2.2.0 --hash=sha256:"+sum+" # as tested\n")
			r := w.run(3, "", "push", "staging", "--sdist", w.archive())
			assert.Contains(w.t, r.err, "other recipe")
			assert.Contains(w.t, r.err, "bump the version")
		}},
	})
}
