package recovery

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/testenv"
	"github.com/keep-it-simple/kis/internal/testenv/hosttest"
)

// withoutIndex are hosts that reach no package index.
func withoutIndex() hosttest.Options {
	return hosttest.Options{Env: []string{"PIP_INDEX_URL=http://127.0.0.1:9/simple", "PIP_RETRIES=1"}, Bare: true}
}

// TestHostsWithoutAnIndex: an application without requirements is pushed to them, and one with requirements gets there
// from hosts that have it, byte for byte.
func TestHostsWithoutAnIndex(t *testing.T) {
	t.Parallel()
	w := testenv.New(t, 3, withoutIndex())
	const stages = "stages:\n  staging: {hosts: [web1]}\n  production: {hosts: [web2, web3], from: staging}\n"
	staging, production := w.On("web1"), w.On("web2", "web3")
	production.Stage = "production"
	record := func(w *testenv.Env, i int, pkg string) string {
		w.T.Helper()
		text, err := os.ReadFile(filepath.Join(w.Hosts[i].Repo, pkg, ".kis", "environment"))
		require.NoError(w.T, err)
		return string(text)
	}
	w.Tell([]testenv.Chapter{
		{Name: "a push of pure Python", Tell: func(w *testenv.Env) {
			r := w.Run(0, "hello-0.3", "push", "staging", "--sdist", w.Archive())
			assert.NotContains(w.T, r.Screen(), "hosts build the application")
		}},
		{Name: "a push with requirements, from a directory", Tell: func(w *testenv.Env) {
			in := staging.In(w.T)
			wheels := testenv.Wheelhouse(w.T, "itsdangerous==2.2.0")
			in.Write("requirements.txt", "itsdangerous\n")
			in.Inventory(stages + "install: {requirements: requirements.txt, wheels: " + wheels + "}\n")
			const reused = "the requirements are unchanged: their wheels are those of hello-0.3.1; --upgrade resolves them anew"
			in.Version("0.3.1")
			assert.NotContains(w.T, in.Run(0, "hello-0.3.1", "push", "staging").Screen(), reused)
			in.Version("0.3.2")
			assert.NotContains(w.T, in.Run(0, "", "push", "staging", "--upgrade", "--no-link").Screen(), reused)
			in.Hosts[0].Shell(w.T, "chmod -R u+w /var/webcode/hello-0.3.2 && rm -rf /var/webcode/hello-0.3.2")
			in.Version("0.4")
			assert.Contains(w.T, in.Run(0, "hello-0.4", "push", "staging").Screen(), reused)
			assert.Equal(w.T, strings.Split(record(in, 0, "hello-0.3.1"), "\n")[1:], strings.Split(record(in, 0, "hello-0.4"), "\n")[1:])
			assert.Regexp(w.T, `(?m)^itsdangerous==2\.2\.0 [0-9a-f]{64} itsdangerous-2\.2\.0-py3-none-any\.whl$`, record(in, 0, "hello-0.4"))
		}},
		{Name: "only promote leads to production", Tell: func(w *testenv.Env) {
			in := production.In(w.T)
			r := in.Run(2, "", "push", "production")
			assert.Contains(w.T, r.Err, "production takes its packages from staging (from: in inventory.yaml)")
			assert.Contains(w.T, r.Err, "hint: kis promote staging production")
		}},
		{Name: "promote takes nothing of the working tree", Tell: func(w *testenv.Env) {
			in := production.In(w.T)
			in.Inventory(stages)
			in.Write("hello/__init__.py", "raise SystemExit('of the working tree')\n")
			require.NoError(w.T, os.Remove(filepath.Join(in.Dir, "requirements.txt")))
			r := in.Run(0, "", "promote", "staging", "production", "--dry-run")
			assert.Contains(w.T, r.Out, "copy from web1, build, verify, link")
			r = in.Run(0, "hello-0.4", "promote", "staging", "production")
			assert.Contains(w.T, r.Out, "production is linked to hello-0.4 on 2 hosts")
			for i := range in.Hosts {
				assert.Equal(w.T, record(w, 0, "hello-0.4"), record(in, i, "hello-0.4"))
			}
			in.Run(0, "hello-0.4", "promote", "staging", "production")
		}},
		{Name: "sync brings back a host that was rebuilt", Tell: func(w *testenv.Env) {
			in := production.In(w.T)
			in.Hosts[1].Shell(w.T, "chmod -R u+w /var/webcode/* && rm -rf /var/webcode/* /var/webcode/.kis")
			r := in.Run(0, "hello-0.4", "sync", "production")
			assert.NotContains(w.T, r.Out, "web2  environment", "the other one has it")
			assert.Equal(w.T, in.All("hello-0.4"), in.Links())
		}},
		{Name: "rollback brings the package to a host that lacks it", Tell: func(w *testenv.Env) {
			in := staging.In(w.T)
			in.Inventory(stages)
			in.Write("hello/__init__.py", "")
			in.Version("0.5")
			in.Run(0, "hello-0.5", "push", "staging")
			out := production.In(w.T)
			out.Run(0, "hello-0.5", "promote", "staging", "production")
			out.Hosts[0].Shell(w.T, "chmod -R u+w /var/webcode/hello-0.4 && rm -rf /var/webcode/hello-0.4")
			out.Run(0, "hello-0.4", "rollback", "production")
			assert.Equal(w.T, record(in, 0, "hello-0.4"), record(out, 0, "hello-0.4"))
		}},
		{Name: "the same trouble of two hosts has one block, the cause first", Tell: func(w *testenv.Env) {
			in := production.In(w.T)
			in.Inventory("stages: {production: {hosts: [web2, web3]}}\n")
			in.Write("hello/__init__.py", "import nosuch\n")
			in.Version("0.6")
			r := in.Run(3, "hello-0.5", "push", "production", "--hosts", "web2,web3")
			assert.Contains(w.T, r.Err, "web2, web3: verify: the application does not import: module hello: ModuleNotFoundError: No module named 'nosuch'\n")
			in.Write("hello/__init__.py", "")
			in.Write("requirements.txt", "itsdangerous\n")
			in.Inventory("stages: {production: {hosts: [web2, web3]}}\ninstall: {requirements: requirements.txt}\n")
			r = in.Run(3, "hello-0.5", "push", "production")
			assert.Contains(w.T, r.Err, "web2, web3: wheels: pip could not make wheels of the requirements: the package index was not reached: [Errno 111] Connection refused: /simple/itsdangerous/\n")
			in.Inventory(stages)
		}},
		{Name: "verify finds what a failing disk has changed", Tell: func(w *testenv.Env) {
			in := production.In(w.T)
			r := in.Run(0, "", "verify", "production")
			assert.Contains(w.T, r.Out, "hello-0.4 is as it was sealed")
			in.Hosts[1].Shell(w.T, "cd /var/webcode/hello-0.4 && chmod u+w VERSION && touch -r VERSION /tmp/$$ && printf 9 | dd of=VERSION conv=notrunc status=none && chmod u-w VERSION && touch -r /tmp/$$ VERSION && rm /tmp/$$")
			r = in.Kis("verify", "hello-0.4")
			assert.Equal(w.T, 5, r.Exit)
			assert.Contains(w.T, r.Err, "web3: verify: hello-0.4 is not as it was sealed: VERSION")
			assert.Contains(w.T, strings.ReplaceAll(r.Out, "  ", " "), "web1, web2 hello-0.4 is as it was sealed")
		}},
	})
}

// TestAnEditableApplicationIsBuiltOnce: what pip and a build backend make of an application that this machine cannot
// build gets to other hosts as it is. They need neither the backend nor a compiler.
func TestAnEditableApplicationIsBuiltOnce(t *testing.T) {
	t.Parallel()
	w := testenv.New(t, 3, withoutIndex())
	const stages = "stages: {staging: {hosts: [web1]}, production: {hosts: [web2, web3]}}\n"
	staging, production := w.On("web1"), w.On("web2", "web3")
	production.Stage = "production"
	w.BuildOnHosts(buildsBesideSources)
	pyproject, err := os.ReadFile(filepath.Join(w.Dir, "pyproject.toml"))
	require.NoError(t, err)
	w.Write("pyproject.toml", strings.Replace(string(pyproject), "requires = []", `requires = ["itsdangerous"]`, 1))
	w.Inventory(stages + "install: {wheels: " + testenv.Wheelhouse(t, "itsdangerous==2.2.0") + "}\n")
	staging.Run(0, "hello-0.3", "push", "staging")
	w.Inventory(stages)

	production.Run(0, "hello-0.3", "promote", "staging", "production")
	for _, made := range []string{"hello/_built.py", "built", "built/empty", "built/link", ".kis/environment"} {
		show := "cd /var/webcode/hello-0.3 && ls -dl --time-style=+ " + made + " && sha256sum " + made + " 2>&1 || true"
		want := w.Hosts[0].Shell(t, show)
		for _, h := range w.Hosts[1:] {
			assert.Equal(t, want, h.Shell(t, show), "%s: %s", h.Name, made)
		}
	}
	production.Run(0, "", "verify", "production")

	// Where it was removed, the application is built again, for which these hosts lack the backend.
	digest := w.Hosts[0].Shell(t, `sed -n 's/.*"additions": "\(.*\)",/\1/p' /var/webcode/hello-0.3/.kis/receipt.json`)
	for _, h := range w.Hosts {
		h.Shell(t, "rm /var/webcode/.kis/incoming/"+digest)
	}
	w.Hosts[2].Shell(t, "chmod -R u+w /var/webcode/hello-0.3 && rm -rf /var/webcode/hello-0.3 /var/webcode/production")
	r := production.Kis("sync", "production")
	assert.Equal(t, 3, r.Exit)
	assert.Contains(t, r.Err, "web3: environment: pip could not install the application")
}

// buildsBesideSources is a part of a build backend that puts files beside the sources when the application is installed
// editable, other ones each time. It needs what pyproject.toml requires.
const buildsBesideSources = `
def build_editable(directory, config_settings=None, metadata_directory=None, build=build_editable):
    import itsdangerous
    with open("hello/_built.py", "w") as f:
        f.write("TOKEN = %r\\n" % os.urandom(8))
    os.makedirs("built/empty", exist_ok=True)
    os.symlink("../hello", "built/link")
    return build(directory)
`
