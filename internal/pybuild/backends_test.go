//go:build recovery

package pybuild

import (
	"bytes"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/wheel"
)

// layout is a project of one backend.
type layout struct {
	requires, backend string
	more              string   // of pyproject.toml
	files             []string // Python files, each with a value
	imports           string
}

func layouts() map[string]layout {
	setuptools := func(more string, imports string, files ...string) layout {
		return layout{"setuptools>=64", "setuptools.build_meta", more, files, imports}
	}
	return map[string]layout{
		"setuptools flat":      setuptools("", "projecta.sub.m", "projecta/__init__.py", "projecta/sub/__init__.py", "projecta/sub/m.py"),
		"setuptools src":       setuptools("", "projecta.m", "src/projecta/__init__.py", "src/projecta/m.py"),
		"setuptools module":    setuptools("[tool.setuptools]\npy-modules = [\"projecta\"]\n", "projecta", "projecta.py"),
		"setuptools namespace": setuptools("", "acme.billing.m", "src/acme/billing/__init__.py", "src/acme/billing/m.py"),
		"setuptools mapping": setuptools("[tool.setuptools]\npackages = [\"projecta\", \"projecta.x\"]\npackage-dir = {\"projecta\" = \"lib\", \"projecta.x\" = \"other/y\"}\n",
			"projecta.x.m", "lib/__init__.py", "other/y/__init__.py", "other/y/m.py"),
		"hatchling flat":     {"hatchling", "hatchling.build", "", []string{"projecta/__init__.py", "projecta/m.py"}, "projecta.m"},
		"hatchling src":      {"hatchling", "hatchling.build", "", []string{"src/projecta/__init__.py", "src/projecta/m.py"}, "projecta.m"},
		"flit module":        {"flit_core>=3.4", "flit_core.buildapi", "", []string{"projecta.py"}, "projecta"},
		"flit src":           {"flit_core>=3.4", "flit_core.buildapi", "", []string{"src/projecta/__init__.py", "src/projecta/m.py"}, "projecta.m"},
		"poetry flat":        {"poetry-core", "poetry.core.masonry.api", "", []string{"projecta/__init__.py", "projecta/m.py"}, "projecta.m"},
		"poetry src":         {"poetry-core", "poetry.core.masonry.api", "", []string{"src/projecta/__init__.py", "src/projecta/m.py"}, "projecta.m"},
		"pdm flat":           {"pdm-backend", "pdm.backend", "", []string{"projecta/__init__.py", "projecta/m.py"}, "projecta.m"},
		"pdm src":            {"pdm-backend", "pdm.backend", "", []string{"src/projecta/__init__.py", "src/projecta/m.py"}, "projecta.m"},
		"uv_build src":       {"uv_build", "uv_build", "", []string{"src/projecta/__init__.py", "src/projecta/m.py"}, "projecta.m"},
		"uv_build namespace": {"uv_build", "uv_build", "[tool.uv.build-backend]\nmodule-name = \"acme.billing\"\n", []string{"src/acme/billing/__init__.py"}, "acme.billing"},
	}
}

func (l layout) project(t testing.TB) string {
	t.Helper()
	files := map[string]string{
		"pyproject.toml": "[build-system]\nrequires = [\"" + l.requires + "\"]\nbuild-backend = \"" + l.backend + "\"\n\n" +
			"[project]\nname = \"projecta\"\nversion = \"0.4\"\ndescription = \"x\"\ndependencies = [\"six\"]\n" +
			"[project.scripts]\nprojecta = \"" + l.imports + ":main\"\n" + l.more,
		"README.md": "x\n",
	}
	for _, file := range l.files {
		files[file] = "value = __file__\ndef main():\n    print(value)\n"
	}
	return projectOf(t, files)
}

// TestRelocatedWheelsAreThoseThatPipMakes: for every backend and layout, what the relocated wheel
// installs on a host is what `pip install -e` installs there.
func TestRelocatedWheelsAreThoseThatPipMakes(t *testing.T) {
	t.Parallel()
	for name, l := range layouts() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			project := l.project(t)
			var log bytes.Buffer
			a, err := Build(t.Context(), Options{Dir: project, Log: &log})
			require.NoError(t, err, "%s", &log)
			t.Cleanup(func() { require.NoError(t, a.Close()) })
			regular := mustWheel(t, a, Options{Dir: project})
			assert.Equal(t, regular.SHA256, mustWheel(t, a, Options{Dir: project}).SHA256)
			assert.Equal(t, []string{"six"}, regular.RequiresDist)
			w := mustWheel(t, a, Options{Dir: project, Editable: true})
			assert.Equal(t, []string{"six"}, w.RequiresDist)

			root, err := filepath.EvalSymlinks(t.TempDir())
			require.NoError(t, err)
			_, err = unpack(a, filepath.Join(root, "projecta-0.4"))
			require.NoError(t, err)
			host := newHost(t, filepath.Join(root, "projecta-0.4"), project)
			moved, err := w.At(host.dir)
			require.NoError(t, err)
			defer func() { require.NoError(t, moved.Close()) }()
			file := filepath.Join(t.TempDir(), moved.Name)
			writeWheel(t, moved, file)

			ours := host.install(t, file)
			imported := strings.TrimSpace(host.run(t, filepath.Join(ours, "bin", "python"), "-I", "-c", "import "+l.imports+" as m; print(m.value)"))
			assert.True(t, strings.HasPrefix(imported, host.dir+"/"), imported)
			assert.Equal(t, imported, strings.TrimSpace(host.run(t, filepath.Join(ours, "bin", "projecta"))))
			files := installed(t, ours)
			assert.Equal(t, installed(t, host.install(t, "-e", host.dir)), files)
		})
	}
}

// Backends that compile, or that load modules from a build directory, which hosts would lack.
func TestBackendsWhoseWheelsHostsHaveToBuild(t *testing.T) {
	t.Parallel()
	const project = "[project]\nname = \"projecta\"\nversion = \"0.4\"\n"
	extension := map[string]string{
		"setup.py":             "from setuptools import Extension, setup\nsetup(name='projectA', version='0.4', packages=['projecta'], ext_modules=[Extension('projecta.x', ['x.c'])])\n",
		"x.c":                  "#include <Python.h>\nstatic struct PyModuleDef m = {PyModuleDef_HEAD_INIT, \"x\", 0, -1, 0};\nPyMODINIT_FUNC PyInit_x(void) { return PyModule_Create(&m); }\n",
		"projecta/__init__.py": "",
	}
	meson := map[string]string{
		"pyproject.toml":       "[build-system]\nrequires = [\"meson-python\", \"ninja\"]\nbuild-backend = \"mesonpy\"\n" + project,
		"meson.build":          "project('projecta', version: '0.4')\npy = import('python').find_installation()\npy.install_sources('projecta/__init__.py', subdir: 'projecta', pure: true)\n",
		"projecta/__init__.py": "",
	}
	tests := map[string]struct {
		files    map[string]string
		editable bool
		want     string
	}{
		"setuptools extension":          {extension, false, "Root-Is-Purelib: false"},
		"setuptools extension editable": {extension, true, "the editable build has written projecta/x."},
		"meson editable":                {meson, true, "not pure Python"},
		"meson":                         {meson, false, ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var log bytes.Buffer
			w, err := Wheel(t.Context(), sourceOf(t, maps.Clone(test.files)), Options{Editable: test.editable, Log: &log, Cache: sharedCache(t)})
			if test.want == "" {
				require.NoError(t, err, "%s", &log)
				require.NoError(t, w.Close())
				return
			}
			require.ErrorIs(t, err, wheel.ErrNotPure, "%s", &log)
			require.ErrorContains(t, err, test.want)
		})
	}
}

func writeWheel(t testing.TB, w *wheel.Archive, file string) {
	t.Helper()
	in, err := w.Open()
	require.NoError(t, err)
	data, err := io.ReadAll(in)
	require.NoError(t, err)
	require.NoError(t, in.Close())
	require.NoError(t, os.WriteFile(file, data, 0o600))
}

// host is a directory with a package, and the environment whose pip and backend fill virtual
// environments for it.
type host struct {
	dir, python, site string
}

func newHost(t testing.TB, dir, project string) host {
	t.Helper()
	b := newBuilder(Options{Dir: project})
	base, err := b.identify(t.Context(), "python3")
	require.NoError(t, err)
	memoryFile, err := b.memoryFile(base, hook{kind: "editable", source: dir})
	require.NoError(t, err)
	requires, ok := recall(memoryFile)
	require.True(t, ok, "a build of the same project remembers what it requires")
	environment, err := b.environmentDir(base, requires)
	require.NoError(t, err)
	g, ok := currentGeneration(environment)
	require.True(t, ok)
	return host{dir, g.python(), site(t, g, "")}
}

// install makes a virtual environment that finds pip and the backend in the private one, and installs
// something in it.
func (h host) install(t testing.TB, args ...string) string {
	t.Helper()
	// Both have the same name, which scripts contain.
	venv := filepath.Join(filepath.Dir(h.dir), "venv")
	require.NoError(t, os.RemoveAll(venv))
	h.run(t, h.python, "-m", "venv", "--without-pip", venv)
	own, err := filepath.Glob(filepath.Join(venv, "lib", "python*", "site-packages"))
	require.NoError(t, err)
	require.Len(t, own, 1)
	require.NoError(t, os.WriteFile(filepath.Join(own[0], "zz-private.pth"), []byte(h.site+"\n"), 0o600))
	h.run(t, append([]string{filepath.Join(venv, "bin", "python"), "-m", "pip", "install", "--no-index", "--no-deps", "--no-build-isolation"}, args...)...)
	return venv
}

// run runs a command, with the programs of the private environment, and returns its output.
func (h host) run(t testing.TB, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), args[0], args[1:]...)
	cmd.Env = append(inEnvironment(privateEnviron(os.Environ()), filepath.Dir(h.python)), "SOURCE_DATE_EPOCH=315532800")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s: %s", args, out)
	return string(out)
}

// installed reads the files of a virtual environment. What says how each file came there differs.
func installed(t testing.TB, venv string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(venv, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		data, err := os.ReadFile(path)
		switch filepath.Base(path) {
		case "RECORD", "direct_url.json":
			data = nil
		}
		if filepath.Ext(path) == ".pyc" {
			data = nil
		}
		files[strings.TrimPrefix(path, venv)] = string(data)
		return err
	})
	require.NoError(t, err)
	return files
}
