package compat

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/testenv"
	"github.com/keep-it-simple/kis/internal/testenv/hosttest"
	"github.com/keep-it-simple/kis/internal/testenv/uvtest"
)

// TestFilledByUV: hosts fill environments with their own uv. What a site has configured for it counts no more than
// what this run has: two hosts make the same files.
func TestFilledByUV(t *testing.T) {
	t.Parallel()
	w := testenv.New(t, 3, hosttest.Options{Env: []string{"PIP_INDEX_URL=http://127.0.0.1:9/simple", "PIP_RETRIES=1"}, Bare: true})
	const stages = "stages:\n  staging: {hosts: [web1]}\n  production: {hosts: [web2, web3], from: staging}\n"
	staging, production := w.On("web1"), w.On("web2", "web3")
	production.Stage = "production"
	give := func(t *testing.T, i int, directory, release string) {
		t.Helper()
		directory = filepath.Join(w.Hosts[i].Home, directory)
		require.NoError(t, os.MkdirAll(directory, 0o755))
		data, err := os.ReadFile(uvtest.Path(t, release))
		require.NoError(t, err)
		path := filepath.Join(directory, "uv")
		require.NoError(t, os.RemoveAll(path))
		require.NoError(t, os.WriteFile(path, data, 0o755))
	}
	// files are the digests of a package's environment, of all hosts of this root the same.
	files := func(t *testing.T, i int, pkg string) string {
		t.Helper()
		return w.Hosts[i].Shell(t, "cd /var/webcode/"+pkg+"/.venv && find . -type f -exec sha256sum {} + | sort -k2; find . -printf '%M %p %l\\n' | sort -k2")
	}
	w.Tell([]testenv.Chapter{
		{Name: "a host without uv is refused before anything is built", Tell: func(w *testenv.Env) {
			in := staging.In(w.T)
			in.Write("requirements.txt", "itsdangerous\n")
			in.Inventory(stages + "install: {installer: uv, requirements: requirements.txt, wheels: " + testenv.Wheelhouse(w.T, "itsdangerous==2.2.0") + "}\n")
			for _, args := range [][]string{{"check", "staging"}, {"push", "staging"}} {
				r := in.Run(3, "", args...)
				assert.Contains(w.T, r.Err, "web1: check: install.installer is uv, and this host has none in PATH (")
				assert.Contains(w.T, r.Err, "leave installer: out of install: in the inventory")
			}
			give(w.T, 0, ".local/bin", uvtest.Old)
			r := in.Run(3, "", "push", "staging")
			assert.Contains(w.T, r.Err, "uv is too old to fill environments: /home/kistest/.local/bin/uv is 0.3.5, and 0.4.0 is needed")
			assert.NoDirExists(w.T, filepath.Join(in.Hosts[0].Repo, "hello-0.3"))
		}},
		{Name: "a push, whatever uv is configured for", Tell: func(w *testenv.Env) {
			in := staging.In(w.T)
			give(w.T, 0, ".local/bin", uvtest.Newest)
			in.Hosts[0].Shell(w.T, `mkdir -p /home/kistest/.config/uv
printf 'link-mode = "symlink"\ncache-dir = "/home/kistest/cache"\n[pip]\ntarget = "/home/kistest/elsewhere"\n' >/home/kistest/.config/uv/uv.toml
printf 'export UV_LINK_MODE=hardlink UV_TARGET=/home/kistest/elsewhere UV_CACHE_DIR=/home/kistest/cache\n' >/home/kistest/.bashrc`)
			in.Run(0, "hello-0.3", "push", "staging")
			said := in.Hosts[0].Shell(w.T, `cd /var/webcode/hello-0.3 && cat .venv/lib/python3*/site-packages/itsdangerous-2.2.0.dist-info/INSTALLER && echo
find . -type f -links +1; find . ! -type l -perm /222; find . -name REQUESTED -o -name 'uv_*' -o -name direct_url.json -o -name .lock
ls -d /home/kistest/cache /home/kistest/elsewhere /home/kistest/.cache 2>/dev/null || true`)
			assert.Equal(w.T, "uv\n", said)
			in.Run(0, "", "verify", "staging")
		}},
		{Name: "a second version", Tell: func(w *testenv.Env) {
			in := staging.In(w.T)
			before := files(w.T, 0, "hello-0.3")
			in.Version("0.4")
			in.Run(0, "hello-0.4", "push", "staging")
			assert.Equal(w.T, strings.Count(before, "\n"), strings.Count(files(w.T, 0, "hello-0.4"), "\n"))
		}},
		{Name: "promote needs it where the package is missing, and makes the same files", Tell: func(w *testenv.Env) {
			in := production.In(w.T)
			give(w.T, 1, ".cargo/bin", uvtest.Newest)
			r := in.Run(3, "", "promote", "staging", "production")
			assert.Contains(w.T, r.Err, "web3: check: install.installer is uv, and this host has none in PATH (")
			assert.NotContains(w.T, r.Err, "web1", "it has the package")
			give(w.T, 2, "tools", uvtest.Newest)
			in.Hosts[1].Shell(w.T, `printf 'PATH=$PATH:/home/kistest/tools\n' >/home/kistest/.bashrc`)
			in.Run(0, "hello-0.4", "promote", "staging", "production")
			for i := range 2 {
				assert.Equal(w.T, files(w.T, 0, "hello-0.4"), files(w.T, i+1, "hello-0.4"))
			}
		}},
		{Name: "link needs it where the package is missing", Tell: func(w *testenv.Env) {
			in := production.In(w.T)
			in.Hosts[1].Shell(w.T, "rm /home/kistest/.bashrc && cd /var/webcode && chmod -R u+w hello-0.4 && rm -r .kis hello-0.4 production")
			r := in.Run(3, "", "link", "production", "hello-0.4")
			assert.Contains(w.T, r.Err, "web3: check: install.installer is uv, and this host has none in PATH (")
		}},
		{Name: "the library takes over, without the files of uv", Tell: func(w *testenv.Env) {
			in := staging.In(w.T)
			in.Hosts[0].Shell(w.T, "rm -r /home/kistest/.local")
			in.Inventory(stages + "install: {requirements: requirements.txt, wheels: " + testenv.Wheelhouse(w.T, "itsdangerous==2.2.0") + "}\n")
			in.Run(0, "hello-0.4", "push", "staging")
			in.Version("0.5")
			in.Run(0, "hello-0.5", "push", "staging")
			assert.Equal(w.T, "kis\n", in.Hosts[0].Shell(w.T, "cat /var/webcode/hello-0.5/.venv/lib/python3*/site-packages/itsdangerous-2.2.0.dist-info/INSTALLER"))
		}},
	})
}
