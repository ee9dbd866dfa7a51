package pybuild

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/sdist"
	"github.com/keep-it-simple/kis/internal/wheel"
)

// wheelFiles reads all members of a wheel.
func wheelFiles(t testing.TB, w *wheel.Archive) map[string]string {
	t.Helper()
	in, err := w.Open()
	require.NoError(t, err)
	data, err := io.ReadAll(in)
	require.NoError(t, err)
	require.NoError(t, in.Close())
	archive, err := zip.NewReader(bytes.NewReader(data), w.Size)
	require.NoError(t, err)
	files := map[string]string{}
	for _, f := range archive.File {
		member, err := f.Open()
		require.NoError(t, err)
		text, err := io.ReadAll(member)
		require.NoError(t, err)
		files[f.Name] = string(text)
	}
	return files
}

// sharedCache returns a cache that remembers nothing and has the private environment of the user's
// cache, which is made if it does not exist.
func sharedCache(t testing.TB) string {
	t.Helper()
	var log bytes.Buffer
	b := newBuilder(Options{Dir: t.TempDir(), Log: &log})
	require.NoError(t, b.resolvePaths())
	base, err := b.identify(t.Context(), b.python)
	require.NoError(t, err)
	require.NoError(t, b.makeTemporary())
	defer func() { require.NoError(t, os.RemoveAll(b.temp)) }()
	_, err = b.environment(t.Context(), base, nil)
	require.NoError(t, err, "%s", &log)
	dir, err := b.environmentDir(base, nil)
	require.NoError(t, err)
	cache := t.TempDir()
	require.NoError(t, os.Symlink(dir, filepath.Join(cache, filepath.Base(dir))))
	return cache
}

// sameEnvironment returns another cache that remembers nothing.
func sameEnvironment(t testing.TB, cache string) string {
	t.Helper()
	environments, err := filepath.Glob(filepath.Join(cache, "environment-*"))
	require.NoError(t, err)
	other := t.TempDir()
	for _, environment := range environments {
		require.NoError(t, os.Symlink(environment, filepath.Join(other, filepath.Base(environment))))
	}
	return other
}

// mustWheel builds a wheel, and shows all output if that fails.
func mustWheel(t testing.TB, a *sdist.Archive, opts Options) *wheel.Archive {
	t.Helper()
	var log bytes.Buffer
	opts.Log = &log
	w, err := Wheel(t.Context(), a, opts)
	require.NoError(t, err, "%s", &log)
	t.Cleanup(func() { require.NoError(t, w.Close()) })
	return w
}

const setupWithRequires = `from setuptools import setup
setup(name="projectA", version="0.4", packages=["projecta"], package_data={"projecta": ["*.txt"]},
      install_requires=["six", "requests>=2; python_version<'3.99'"])
`

func TestWheelByTheDefaultBackend(t *testing.T) {
	t.Parallel()
	for label, files := range map[string]map[string]string{
		"setup.py": {"setup.py": setupWithRequires},
		"pyproject.toml without build-system": {
			"pyproject.toml": "[project]\nname = \"projectA\"\nversion = \"0.4\"\ndependencies = [\"six\", \"requests>=2; python_version<'3.99'\"]\n[tool.setuptools]\npackages = [\"projecta\"]\n",
		},
	} {
		t.Run(label, func(t *testing.T) {
			t.Parallel()
			files["projecta/__init__.py"], files["projecta/data.txt"] = "value = 1\n", "x"
			files["MANIFEST.in"] = "include projecta/data.txt\n"
			a, cache := sourceOf(t, files), sharedCache(t)
			assert.False(t, HasBuiltWheel(a, Options{Cache: cache}))
			w := mustWheel(t, a, Options{Cache: cache})
			assert.True(t, HasBuiltWheel(a, Options{Cache: cache}))
			assert.False(t, HasBuiltWheel(sourceOf(t, map[string]string{"setup.py": setupScript}), Options{Cache: cache}))
			assert.Equal(t, "projecta-0.4-py3-none-any.whl", w.Name)
			assert.Equal(t, []string{"six", `requests>=2; python_version < "3.99"`}, w.RequiresDist)
			members := wheelFiles(t, w)
			assert.Equal(t, "value = 1\n", members["projecta/__init__.py"])
			assert.Contains(t, members, "projecta/data.txt")
			assert.Equal(t, w.SHA256, mustWheel(t, a, Options{Cache: cache}).SHA256, "the same archive gives the same wheel")
		})
	}
}

func TestEditableWheelIsTheSameWhereverItWasBuilt(t *testing.T) {
	t.Parallel()
	a := sourceOf(t, map[string]string{"setup.py": setupScript, "projecta/__init__.py": "value = 1\n"})
	opts := Options{Editable: true, Cache: sharedCache(t)}
	first, second := mustWheel(t, a, opts), mustWheel(t, a, opts)
	assert.NotEqual(t, first.SHA256, second.SHA256)
	digests := map[string]bool{}
	for _, w := range []*wheel.Archive{first, second} {
		moved, err := w.At("/var/webcode/projecta-0.4")
		require.NoError(t, err)
		defer func() { require.NoError(t, moved.Close()) }()
		digests[moved.SHA256] = true
		all := ""
		for _, text := range wheelFiles(t, moved) {
			all += text
		}
		assert.Contains(t, all, "'projecta': '/var/webcode/projecta-0.4/projecta'")
		assert.NotContains(t, all, "kis-build-")
	}
	assert.Len(t, digests, 1)
}

func TestTheUsersDistutilsConfigurationDoesNotReachTheWheel(t *testing.T) {
	cache, home := sharedCache(t), t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(home, ".pydistutils.cfg"), []byte("[build]\nbuild_base = "+home+"/built\n[bdist_wheel]\nuniversal = 1\n"), 0o600))
	t.Setenv("HOME", home)
	a := sourceOf(t, map[string]string{"setup.py": setupScript, "projecta/__init__.py": "value = 1\n"})
	assert.Equal(t, "projecta-0.4-py3-none-any.whl", mustWheel(t, a, Options{Cache: cache}).Name)
	assert.NoDirExists(t, filepath.Join(home, "built"))
}

// backend makes a source distribution with a build backend of its own: it needs nothing from an index.
func backend(t testing.TB, hooks string) *sdist.Archive {
	t.Helper()
	return sourceOf(t, map[string]string{
		"pyproject.toml": "[build-system]\nrequires = []\nbuild-backend = \"backend\"\nbackend-path = [\"_build\"]\n",
		"_build/backend.py": `import os, sys, zipfile
def wheel(directory, root="true", tag="py3-none-any", version="0.4", **more):
    name = "projecta-%s-%s.whl" % (version, tag)
    info = "projecta-%s.dist-info/" % version
    with zipfile.ZipFile(os.path.join(directory, name), "w") as out:
        out.writestr(info + "METADATA", "Metadata-Version: 2.1\nName: projectA\nVersion: %s\n" % version)
        out.writestr(info + "WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: %s\nTag: %s\n" % (root, tag))
        out.writestr(info + "RECORD", "")
        for path, text in more.items():
            out.writestr(path, text)
    return name
` + hooks,
		"json.py": "raise SystemExit('the wrong json')\n", "build.py": "raise SystemExit('the wrong build')\n",
	})
}

func TestWheelsThatAHostHasToBuild(t *testing.T) {
	t.Parallel()
	const build, editable = "def build_wheel(d, *_): return ", "def build_editable(d, *_):\n    "
	tests := map[string]struct {
		hooks    string
		editable bool
		pure     bool
		want     string
	}{
		"not pure":           {build + `wheel(d, root="false")`, false, false, "Root-Is-Purelib: false"},
		"of a platform":      {build + `wheel(d, tag="cp311-cp311-linux_x86_64")`, false, false, "Tag: cp311-cp311-linux_x86_64"},
		"no hook":            {build + `wheel(d)`, true, false, "the build backend lacks the hook build_editable"},
		"compiled in place":  {editable + "open('x.so', 'w').close()\n    return wheel(d)", true, false, "the editable build has written x.so"},
		"generated":          {editable + "os.mkdir('gen')\n    open('gen/v.py', 'w').close()\n    return wheel(d)", true, false, "the editable build has written gen/v.py"},
		"refers to build":    {editable + "os.mkdir('build')\n    return wheel(d, x=os.path.abspath('build'))", true, false, "refers to build, which the build has made"},
		"refers to a file":   {editable + "return wheel(d, x=d)", true, false, "refers to a temporary file"},
		"binary":             {editable + "return wheel(d, x=b'\\0' + os.getcwd().encode())", true, false, "a file that is not text contains the path"},
		"other version":      {build + `wheel(d, version="0.5")`, false, true, "the wheel is of projectA 0.5, the source distribution of projectA 0.4"},
		"no wheel":           {build + `"x.whl"`, false, true, "the build backend made 0 wheels"},
		"two wheels":         {"def build_wheel(d, *_):\n    wheel(d, version='0.5')\n    return wheel(d)", false, true, "the build backend made 2 wheels"},
		"failing hook":       {build + "1 / 0", false, true, "-m build --wheel: exit status 1"},
		"hook that ends":     {build + "os._exit(0)", false, true, "it ended before the hook returned"},
		"syntax error":       {"def def", false, true, "exit status 1"},
		"impossible require": {"def get_requires_for_build_wheel(*_): return ['x y z']\n" + build + "wheel(d)", false, true, "exit status 1"},
	}
	shared := sharedCache(t)
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := backend(t, test.hooks+"\n")
			_, err := Wheel(t.Context(), a, Options{Editable: test.editable, Cache: sameEnvironment(t, shared)})
			require.ErrorContains(t, err, test.want)
			assert.Equal(t, !test.pure, errors.Is(err, wheel.ErrNotPure))
			var failure *Error
			require.ErrorAs(t, err, &failure)
			assert.True(t, strings.HasPrefix(err.Error(), "build "+a.Path+": "), err.Error())
			assert.NotContains(t, err.Error(), "\n")
		})
	}
}

// A project that is not pure is not compiled here again and again.
func TestThatAProjectIsNotPureIsRemembered(t *testing.T) {
	t.Parallel()
	cache := sharedCache(t)
	var log bytes.Buffer
	build := func(hooks string) error {
		log.Reset()
		w, err := Wheel(t.Context(), backend(t, hooks), Options{Cache: cache, Log: &log})
		if err == nil {
			require.NoError(t, w.Close())
		}
		return err
	}
	const compiling = "def build_wheel(d, *_):\n    print('compiling')\n    return wheel(d, root='false')\n"
	require.ErrorIs(t, build(compiling), wheel.ErrNotPure)
	require.Contains(t, log.String(), "compiling")
	again := build(compiling)
	require.ErrorIs(t, again, wheel.ErrNotPure)
	require.ErrorContains(t, again, "the wheel is not pure Python, as an earlier build found: projecta-0.4-py3-none-any.whl: WHEEL: ")
	require.NotContains(t, log.String(), "compiling")

	memories, err := filepath.Glob(filepath.Join(cache, "requires", "*"+impure))
	require.NoError(t, err)
	require.Len(t, memories, 1)
	old := time.Now().Add(-8 * 24 * time.Hour)
	require.NoError(t, os.Chtimes(memories[0], old, old))
	require.NoError(t, build("def build_wheel(d, *_): return wheel(d)\n"))
}

// The project's code has neither a terminal nor site settings, and what it prints is in the log.
func TestHooksSeeNoTerminalAndNoSiteSettings(t *testing.T) {
	cache := sharedCache(t)
	for name, value := range map[string]string{"PYTHONPATH": "/evil", "PIP_USER": "1", "PIP_TARGET": "/evil", "PIP_REQUIRE_VIRTUALENV": "1", "PYTHONWARNINGS": "error", "PIP_INDEX_URL": "https://index.example/"} {
		t.Setenv(name, value)
	}
	a := backend(t, `def build_wheel(d, *_):
    print("session", os.getsid(0) == os.getpid())
    try:
        open("/dev/tty")
    except OSError:
        print("no terminal")
    print("input", repr(sys.stdin.read()))
    print("env", sorted(n + "=" + v for n, v in os.environ.items() if n.startswith(("PYTHON", "PIP_")) and "evil" in v or n in ("PIP_USER", "PIP_REQUIRE_VIRTUALENV", "PYTHONWARNINGS", "PIP_INDEX_URL")))
    print("epoch", os.environ["SOURCE_DATE_EPOCH"])
    print("evil" in "".join(sys.path), os.environ["PATH"].split(":")[0] == os.path.dirname(sys.executable))
    return wheel(d)
`)
	var log bytes.Buffer
	w, err := Wheel(t.Context(), a, Options{Log: &log, Cache: cache})
	require.NoError(t, err, "%s", &log)
	require.NoError(t, w.Close())
	assert.Contains(t, log.String(), "session True\nno terminal\ninput ''\nenv ['PIP_INDEX_URL=https://index.example/']\nepoch 315532800\nFalse True\n")
}

func TestCancelEndsAHook(t *testing.T) {
	t.Parallel()
	started := filepath.Join(t.TempDir(), "started")
	a := backend(t, `def build_wheel(d, *_):
    import time
    open('`+started+`', 'w').close()
    print("ready", 0, flush=True)
    time.sleep(600)
`)
	ctx, cancel := context.WithCancelCause(t.Context())
	reason := errors.New("interrupted")
	b := newBuilder(Options{Cache: sharedCache(t), Log: &signalLog{ready: func(string) { cancel(reason) }}})
	_, err := b.wheel(ctx, a, false)
	require.ErrorIs(t, err, reason)
	require.NotErrorIs(t, err, wheel.ErrNotPure)
	assert.FileExists(t, started)
	assert.NoDirExists(t, b.temp)
}

func TestWheelExplainsWhatThisMachineLacks(t *testing.T) {
	t.Parallel()
	a := backend(t, "def build_wheel(d, *_): return wheel(d)\n")
	noVenv := pythonWithout(t, "venv")
	real, err := newBuilder(Options{}).identify(t.Context(), noVenv)
	require.NoError(t, err)
	fake := fakePython(t, `{"executable": "`+noVenv+`", "version": "`+real.Version+`", "supported": true}`)
	for python, want := range map[string]string{
		"no-such-python": "no-such-python: not found",
		"false":          "false: exit status 1",
		fake:             noVenv + " -m venv ",
	} {
		_, err := Wheel(t.Context(), a, Options{Python: python, Cache: t.TempDir()})
		var failure *Error
		require.ErrorAs(t, err, &failure)
		require.ErrorContains(t, err, want)
		require.NotErrorIs(t, err, wheel.ErrNotPure)
	}
}
