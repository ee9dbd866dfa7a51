package pybuild

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func probed(facts string) string {
	return `{"executable": "/py", "version": "3.12.1", "supported": true` + facts + `}`
}

// The plan's text and the command that is run come from one decision.
func TestPlanDependsOnProjectAndTools(t *testing.T) {
	t.Parallel()
	const build, setuptools, venv = `, "build": true`, `, "setuptools": true`, `, "venv": true`
	pyproject := map[string]string{"pyproject.toml": ""}
	setup := map[string]string{"setup.py": ""}
	both := map[string]string{"pyproject.toml": "", "setup.py": ""}
	tests := map[string]struct {
		files         map[string]string
		kind, facts   string
		uv            bool
		want, command string
	}{
		"pyproject":               {pyproject, "", build, false, "/py -m build --sdist (Python 3.12.1)", "/py -m build --sdist"},
		"build before uv":         {pyproject, "", build, true, "/py -m build --sdist (Python 3.12.1)", "/py -m build --sdist"},
		"uv for want of build":    {both, "", setuptools + venv, true, "/bin/uv build --sdist", "/bin/uv build --sdist"},
		"kept for the next build": {pyproject, "", build + venv, true, "/py -m build --sdist, in a private build environment (Python 3.12.1)", ""},
		"no uv where build is it": {pyproject, "build", venv, true, "/py -m build --sdist, in a private build environment (Python 3.12.1)", ""},
		"private for build":       {pyproject, "", venv, false, "/py -m build --sdist, in a private build environment (Python 3.12.1)", ""},
		"only a setup.py":         {setup, "", setuptools, true, "/py setup.py sdist (Python 3.12.1)", "/py setup.py sdist"},
		"setup.py by choice":      {both, "setup.py", build + setuptools, false, "/py setup.py sdist (Python 3.12.1)", "/py setup.py sdist"},
		"setup.py in private":     {setup, "setup.py", venv, true, "/py setup.py sdist, in a private build environment (Python 3.12.1)", ""},
		"private for setup.py":    {setup, "", venv, true, "/py -m build --sdist, in a private build environment (Python 3.12.1)", ""},
		"uv by choice":            {setup, "uv", build + setuptools, true, "/bin/uv build --sdist", "/bin/uv build --sdist"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cache := filepath.Join(t.TempDir(), "cache")
			b := newBuilder(Options{Dir: projectOf(t, test.files), Builder: test.kind, Cache: cache, Python: fakePython(t, probed(test.facts))})
			b.lookPath = noUV
			if test.uv {
				b.lookPath = func(string) (string, error) { return "/bin/uv", nil }
			}
			plan, err := b.plan(t.Context())
			require.NoError(t, err)
			assert.Equal(t, test.want, described(plan))
			assert.NoDirExists(t, cache)
			if plan.private {
				return
			}
			cmd, err := b.command(t.Context(), plan)
			require.NoError(t, err)
			assert.Equal(t, test.command, cmd.name)
		})
	}
}

// described is a plan in one line.
func described(p toolPlan) string {
	name := p.name(p.python.Executable)
	switch {
	case p.tool == builderUV:
		return name
	case p.private:
		return fmt.Sprintf("%s, in a private build environment (Python %s)", name, p.python.Version)
	}
	return fmt.Sprintf("%s (Python %s)", name, p.python.Version)
}

func TestBuildFailsBeforeItBegins(t *testing.T) {
	t.Parallel()
	project, cache := projectOf(t, map[string]string{"pyproject.toml": ""}), t.TempDir()
	for want, opts := range map[string]Options{
		"neither pyproject.toml nor setup.py": {Dir: t.TempDir()},
		"no-such-python":                      {Dir: project, Python: "no-such-python"},
		"unknown builder":                     {Dir: project, Builder: "make"},
		"lacks venv or ensurepip":             {Dir: project, Builder: "build", Cache: cache, Python: fakePython(t, probed(""))},
	} {
		_, err := Build(t.Context(), opts)
		require.ErrorContains(t, err, want)
	}
}

// TestReadyEnvironmentNeedsNoVenv: only what has to be made needs venv.
func TestReadyEnvironmentNeedsNoVenv(t *testing.T) {
	t.Parallel()
	b := newBuilder(Options{Dir: projectOf(t, map[string]string{"setup.py": ""}), Builder: "setup.py", Cache: t.TempDir(), Python: fakePython(t, probed(""))})
	_, err := b.plan(t.Context())
	require.ErrorContains(t, err, "lacks venv")
	dir, err := b.environmentDir(interpreter{Executable: "/py", Version: "3.12.1"}, nil)
	require.NoError(t, err)
	python := fakeEnvironment(t, dir)
	plan, err := b.plan(t.Context())
	require.NoError(t, err)
	cmd, err := b.command(t.Context(), plan)
	require.NoError(t, err)
	assert.Equal(t, python+" setup.py sdist", cmd.name)
}

// fakeEnvironment is a private build environment whose interpreter has everything.
func fakeEnvironment(t testing.TB, dir string) (python string) {
	t.Helper()
	g := generation{dir: filepath.Join(dir, "1")}
	everything := fakePython(t, probed(`, "build": true, "setuptools": true`))
	require.NoError(t, os.MkdirAll(filepath.Dir(g.python()), 0o700))
	require.NoError(t, os.Rename(everything, g.python()))
	require.NoError(t, os.WriteFile(filepath.Join(g.dir, readyFile), nil, 0o600))
	return g.python()
}

// TestSetuptoolsThatHasWorkedIsNotTried: importing it takes longer than some builds.
func TestSetuptoolsThatHasWorkedIsNotTried(t *testing.T) {
	t.Parallel()
	modules := projectOf(t, map[string]string{"setuptools.py": "open(__file__ + '.tried', 'a').write('x')\n"})
	file := filepath.Join(modules, "setuptools.py")
	b := newBuilder(Options{Dir: t.TempDir(), Cache: t.TempDir()})
	b.run.env = append(b.run.env, "PYTHONPATH="+modules)
	tried := func(works bool, times int) {
		t.Helper()
		found, err := b.probe(t.Context(), "python3", false)
		require.NoError(t, err)
		assert.Equal(t, works, found.Setuptools)
		if works {
			b.rememberInterpreter("python3", found)
		}
		data, err := os.ReadFile(file + ".tried")
		require.NoError(t, err)
		assert.Len(t, data, times)
	}
	tried(true, 1)
	tried(true, 1)
	require.NoError(t, os.Chtimes(file, time.Time{}, time.Unix(1, 0)))
	tried(true, 2)
	require.NoError(t, os.WriteFile(file, []byte("open(__file__ + '.tried', 'a').write('x'); raise RuntimeError\n"), 0o600))
	tried(false, 3)
	tried(false, 4)
	require.NoError(t, os.WriteFile(file, []byte("open(__file__ + '.tried', 'a').write('x')\n"), 0o600))
	tried(true, 5)
}

// TestAnInterpreterThatIsKnownIsNotStarted: that takes as long as a tenth of a small push.
func TestAnInterpreterThatIsKnownIsNotStarted(t *testing.T) {
	t.Parallel()
	const python = "/usr/bin/python3"
	modules := projectOf(t, map[string]string{"setuptools.py": "", "sitecustomize.py": "open(__file__ + '.started', 'a').write('x')\n"})
	b := newBuilder(Options{Dir: t.TempDir(), Cache: t.TempDir()})
	b.run.env = append(b.run.env, "PYTHONPATH="+modules)
	shim := filepath.Join(t.TempDir(), "python3")
	require.NoError(t, os.WriteFile(shim, []byte("#!/bin/sh\nexec "+python+` "$@"`+"\n"), 0o700))
	all := ""
	ask := func(python string, sufficient bool) interpreter {
		t.Helper()
		found, err := b.probe(t.Context(), python, sufficient)
		require.NoError(t, err)
		data, err := os.ReadFile(filepath.Join(modules, "sitecustomize.py.started"))
		require.NoError(t, err)
		all = string(data)
		return found
	}

	first := ask(python, true)
	require.Equal(t, "x", all)
	b.rememberInterpreter(python, first)
	require.Equal(t, first, ask(python, true))
	require.Equal(t, "x", all, "known")
	require.True(t, ask(python, false).Venv)
	require.Equal(t, "xx", all, "what else it has is not known")

	b.rememberInterpreter(shim, ask(shim, true))
	ask(shim, true)
	require.Equal(t, "xxxx", all, "a script may choose another interpreter in another directory")

	env := b.run.env
	b.run.env = append(slices.Clip(env), "PYTHONNOUSERSITE=1")
	ask(python, true)
	require.Equal(t, "xxxxx", all, "the environment says where modules are")
	b.run.env = env
	ask(python, true)
	require.Equal(t, "xxxxx", all)
	require.NoError(t, os.Chtimes(filepath.Join(modules, "setuptools.py"), time.Time{}, time.Unix(1, 0)))
	ask(python, true)
	require.Equal(t, "xxxxxx", all, "setuptools has changed")

	b.rememberInterpreter(python, ask(python, true))
	b.forgetInterpreter(python)
	ask(python, true)
	require.Equal(t, "xxxxxxxx", all, "a build has failed")

	b.run.env = append(slices.Clip(env), "PYTHONPATH="+modules+":lib")
	b.rememberInterpreter(python, ask(python, true))
	ask(python, true)
	require.Equal(t, "xxxxxxxxxx", all, "another project may have another lib")
}

// TestAnEnvironmentThatWasMadeAnewIsNotKnown: its program is a link to the same one.
func TestAnEnvironmentThatWasMadeAnewIsNotKnown(t *testing.T) {
	t.Parallel()
	environment := filepath.Join(t.TempDir(), "v")
	python := filepath.Join(environment, "bin/python")
	anew := func(options ...string) {
		t.Helper()
		out, err := exec.CommandContext(t.Context(), "/usr/bin/python3", append([]string{"-m", "venv", "--clear", "--without-pip", environment}, options...)...).CombinedOutput()
		require.NoError(t, err, "%s", out)
	}
	anew("--system-site-packages")
	b := newBuilder(Options{Dir: t.TempDir(), Cache: t.TempDir(), Python: python})
	found, err := b.probe(t.Context(), python, true)
	require.NoError(t, err)
	require.True(t, found.Setuptools, "this machine's Python has setuptools")
	b.rememberInterpreter(python, found)
	require.True(t, b.recallInterpreter(python).unchanged())
	anew()
	found, err = b.probe(t.Context(), python, true)
	require.NoError(t, err)
	require.False(t, found.Setuptools)
}

// TestSetuptoolsThatHasWorkedIsTriedByAnotherPython: a version manager chooses one by the directory, and setuptools of one
// need not work in another.
func TestSetuptoolsThatHasWorkedIsTriedByAnotherPython(t *testing.T) {
	t.Parallel()
	modules := projectOf(t, map[string]string{"setuptools.py": "open(__file__ + '.tried', 'a').write('x')\n"})
	shim := filepath.Join(t.TempDir(), "python3")
	choose := func(executable string) {
		t.Helper()
		text := "#!/bin/sh\nfor last; do :; done\nexec /usr/bin/python3 -c \"import sys; sys.executable = '" + executable + "'\n$2\" \"$3\" \"$4\"\n"
		require.NoError(t, os.WriteFile(shim, []byte(text), 0o700))
	}
	b := newBuilder(Options{Dir: t.TempDir(), Cache: t.TempDir(), Python: shim})
	b.run.env = append(b.run.env, "PYTHONPATH="+modules)
	ask := func(tries int) interpreter {
		t.Helper()
		found, err := b.probe(t.Context(), shim, true)
		require.NoError(t, err)
		data, err := os.ReadFile(filepath.Join(modules, "setuptools.py.tried"))
		require.NoError(t, err)
		require.Len(t, data, tries)
		return found
	}
	choose("/usr/bin/python3")
	b.rememberInterpreter(shim, ask(1))
	ask(1)
	choose("/bin/sh")
	ask(2)
}

// TestNothingElseIsLookedForWhereSetuptoolsSuffices: importing venv and build takes as long as starting Python.
func TestNothingElseIsLookedForWhereSetuptoolsSuffices(t *testing.T) {
	t.Parallel()
	modules := projectOf(t, map[string]string{"setuptools.py": "", "venv.py": "open(__file__ + '.tried', 'w')\n"})
	for name, tries := range map[string]bool{"": true, "raise RuntimeError\n": true, "pass\n": false} {
		require.NoError(t, os.WriteFile(filepath.Join(modules, "setuptools.py"), []byte(name), 0o600))
		b := newBuilder(Options{Dir: t.TempDir(), Cache: t.TempDir()})
		b.run.env = append(b.run.env, "PYTHONPATH="+modules)
		found, err := b.probe(t.Context(), "python3", name != "")
		require.NoError(t, err)
		assert.Equal(t, name != "raise RuntimeError\n", found.Setuptools)
		if tries {
			require.NoError(t, os.Remove(filepath.Join(modules, "venv.py.tried")))
		} else {
			require.NoFileExists(t, filepath.Join(modules, "venv.py.tried"))
		}
	}
}
