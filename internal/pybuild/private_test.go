//go:build recovery

package pybuild

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func pyproject(t testing.TB) string {
	return projectOf(t, map[string]string{
		"pyproject.toml":       "[build-system]\nrequires = [\"setuptools\"]\nbuild-backend = \"setuptools.build_meta\"\n\n[project]\nname = \"projectA\"\nversion = \"0.4\"\n",
		"projecta/__init__.py": "value = 1\n",
	})
}

// TestPrivateBuildEnvironment is one test, because making the environment takes seconds and a
// package index.
func TestPrivateBuildEnvironment(t *testing.T) {
	t.Parallel()
	cache := filepath.Join(t.TempDir(), "cache")
	python := pythonWithout(t, "build", "setuptools")
	project := pyproject(t)
	stale := staleEnvironment(t, cache, python, project)

	// Two builds at once, after one that was killed.
	first, second := startBuilder(t, project, cache, python), startBuilder(t, project, cache, python)
	elsewhere := filepath.Join(t.TempDir(), "elsewhere")
	for _, b := range []*startedBuilder{first, second} {
		b.run.env = append(b.run.env, hostile(t, elsewhere)...)
	}
	var builds sync.WaitGroup
	builds.Go(func() { first.a, first.err = first.build(t.Context()) })
	builds.Go(func() { second.a, second.err = second.build(t.Context()) })
	builds.Wait()
	first.close(t)
	second.close(t)
	assert.Equal(t, "projecta-0.4", first.a.Package.String())
	assert.Equal(t, first.a.Content, second.a.Content)
	assert.NoFileExists(t, stale)
	assert.NoDirExists(t, elsewhere, "nothing is installed there")
	said := strings.Join(append(first.said, second.said...), "\n")
	assert.Equal(t, 1, strings.Count(said, "making a private build environment with build, setuptools, wheel in "+filepath.Dir(filepath.Dir(stale))), said)

	t.Run("is reused", func(t *testing.T) {
		t.Parallel()
		b := startBuilder(t, inTreeBackend(t), cache, python)
		b.a, b.err = b.build(t.Context())
		b.close(t)
		assert.Empty(t, b.said)
		assert.Equal(t, "in_tree-1.0", b.a.Package.String())
	})
	t.Run("serves setup.py", func(t *testing.T) {
		t.Parallel()
		b := startBuilder(t, setupProject(t), cache, python)
		b.a, b.err = b.build(t.Context())
		b.close(t)
		assert.Empty(t, b.said)
		assert.Equal(t, "projecta-0.4", b.a.Package.String())
	})
	t.Run("is replaced by the interpreter's own build where it cannot be made", func(t *testing.T) {
		t.Parallel()
		g, ok := currentGeneration(filepath.Dir(filepath.Dir(stale)))
		require.True(t, ok)
		b := startBuilder(t, inTreeBackend(t), filepath.Join(t.TempDir(), "cache"), g.python())
		b.run.env = append(b.run.env, "PIP_NO_INDEX=1", "PIP_FIND_LINKS=")
		b.a, b.err = b.build(t.Context())
		b.close(t)
		assert.Equal(t, "in_tree-1.0", b.a.Package.String())
		require.Len(t, b.said, 2)
		assert.Contains(t, b.said[1], "no private build environment, and "+g.python()+" -m build --sdist is run instead: ")
	})
}

// hostile are variables that install elsewhere, or have Python import another project's modules, and those of a
// configuration file of pip that does.
func hostile(t testing.TB, elsewhere string) []string {
	t.Helper()
	modules, config := t.TempDir(), filepath.Join(t.TempDir(), "pip.conf")
	for _, name := range []string{"packaging.py", "pyproject_hooks.py"} {
		require.NoError(t, os.WriteFile(filepath.Join(modules, name), []byte("raise SystemExit('another project')\n"), 0o600))
	}
	settings := "[global]\ntarget = TARGET\n[install]\nuser = true\nprefix = TARGET\nroot = TARGET\n"
	require.NoError(t, os.WriteFile(config, []byte(strings.ReplaceAll(settings, "TARGET", elsewhere)), 0o600))
	return []string{
		"PIP_CONFIG_FILE=" + config, "PIP_USER=1", "PIP_TARGET=" + elsewhere, "PIP_PREFIX=" + elsewhere, "PIP_ROOT=" + elsewhere, "PIP_LOG=" + elsewhere,
		"PYTHONPATH=" + modules, "PYTHONUSERBASE=" + elsewhere, "VIRTUAL_ENV=" + elsewhere,
	}
}

// staleEnvironment leaves a file where the environment will be, as a killed process would, and
// returns its path.
func staleEnvironment(t testing.TB, cache, python, project string) string {
	t.Helper()
	b := newBuilder(Options{Dir: project, Cache: cache, Python: python})
	found, err := b.probe(t.Context(), python, false)
	require.NoError(t, err)
	require.False(t, found.Build)
	require.False(t, found.Setuptools)
	dir, err := b.environmentDir(found, nil)
	require.NoError(t, err)
	dir = filepath.Join(dir, "1")
	require.NoError(t, os.MkdirAll(dir, 0o700))
	stale := filepath.Join(dir, "stale")
	require.NoError(t, os.WriteFile(stale, nil, 0o600))
	return stale
}

func TestBuildWithUV(t *testing.T) {
	t.Parallel()
	venv := filepath.Join(t.TempDir(), "venv")
	uv := filepath.Join(venv, "bin", "uv")
	for _, args := range [][]string{{"python3", "-m", "venv", venv}, {filepath.Join(venv, "bin", "pip"), "install", "--quiet", "uv"}} {
		out, err := exec.CommandContext(t.Context(), args[0], args[1:]...).CombinedOutput()
		require.NoError(t, err, "%s", out)
	}
	for _, kind := range []string{"auto", "uv"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			cache := filepath.Join(t.TempDir(), "cache")
			b := startBuilder(t, inTreeBackend(t), cache, pythonWithout(t, "build"))
			b.kind = kind
			b.lookPath = func(string) (string, error) { return uv, nil }
			b.a, b.err = b.build(t.Context())
			b.close(t)
			assert.Equal(t, "in_tree-1.0", b.a.Package.String())
			assert.NoDirExists(t, cache, "uv needs no private environment")
		})
	}
}

// TestWhatASetupPyRequiresIsThere: the newest setuptools by itself gets what setup_requires names without what that
// needs, and leaves it in the project.
func TestWhatASetupPyRequiresIsThere(t *testing.T) {
	t.Parallel()
	dir := projectOf(t, map[string]string{
		"setup.py":             "from setuptools import setup\nsetup(name='projecta', packages=['projecta'], setup_requires=['setuptools_scm'], use_scm_version={'fallback_version': '0.4'})\n",
		"projecta/__init__.py": "",
	})
	a := mustBuild(t, Options{Dir: dir, Python: pythonWithout(t, "build", "setuptools"), Cache: t.TempDir()})
	assert.Equal(t, "0.4", a.Version)
	assert.NoDirExists(t, filepath.Join(dir, ".eggs"))
}

// TestWhyABackendCannotSayWhatItRequires is what the backend has printed, not that kis has asked it.
func TestWhyABackendCannotSayWhatItRequires(t *testing.T) {
	t.Parallel()
	for script, cause := range map[string]string{
		"raise RuntimeError('libfoo is missing')\n":                           "RuntimeError: libfoo is missing",
		"import sys\nprint('install libfoo', file=sys.stderr)\nsys.exit(2)\n": "",
	} {
		dir := projectOf(t, map[string]string{"setup.py": script, "pyproject.toml": "[build-system]\nrequires = [\"setuptools\"]\nbuild-backend = \"setuptools.build_meta\"\n"})
		_, err := Build(t.Context(), Options{Dir: dir})
		failure, is := errors.AsType[*Error](err)
		require.True(t, is, "%v", err)
		assert.Equal(t, cause, failure.Cause)
		assert.Contains(t, strings.Join(failure.Tail, "\n"), "libfoo")
		assert.NotContains(t, strings.Join(failure.Tail, "\n"), "BuildBackendException")
	}
}
