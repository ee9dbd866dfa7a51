//go:build recovery

package pybuild

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// offline cuts the index off.
func offline(b *startedBuilder) { b.run.env = append(b.run.env, "PIP_NO_INDEX=1", "PIP_FIND_LINKS=") }

// flitProject requires something that is not among the tools of kis.
func flitProject(t testing.TB) string {
	return projectOf(t, map[string]string{
		"pyproject.toml": "[build-system]\nrequires = [\"flit_core\"]\nbuild-backend = \"flit_core.buildapi\"\n\n[project]\nname = \"projecta\"\nversion = \"0.4\"\ndescription = \"x\"\n",
		"projecta.py":    "value = 1\n",
	})
}

// TestKeptEnvironments is one test, because making environments takes seconds and a package index.
func TestKeptEnvironments(t *testing.T) {
	t.Parallel()
	cache, project := filepath.Join(t.TempDir(), "cache"), flitProject(t)
	build := func(t *testing.T, change func(*startedBuilder)) *startedBuilder {
		t.Helper()
		b := startBuilder(t, project, cache, "python3")
		if change != nil {
			change(b)
		}
		b.a, b.err = b.build(t.Context())
		b.close(t)
		return b
	}
	first := build(t, nil)
	require.Len(t, first.said, 2, "that of the tools, which reads pyproject.toml, and that of flit_core: %q", first.said)
	_, dir, _ := strings.Cut(strings.TrimSuffix(first.said[1], " (once)"), " in ")
	current := func(t *testing.T) generation {
		t.Helper()
		g, ok := currentGeneration(dir)
		require.True(t, ok)
		return g
	}
	require.Equal(t, 1, current(t).number)

	// With the same requirements nothing is asked of an index, and one interpreter is started.
	second := build(t, offline)
	assert.Empty(t, second.said)
	assert.NotContains(t, second.log.String(), "Getting build dependencies", "the requirements are remembered")

	// Something was removed from it.
	require.NoError(t, os.RemoveAll(site(t, current(t), "flit_core")))
	require.NoError(t, os.RemoveAll(site(t, current(t), "flit_core-*.dist-info")))
	build(t, nil)
	require.Equal(t, 2, current(t).number)

	// Its interpreter does not start any more.
	require.NoError(t, os.RemoveAll(site(t, current(t), "build")))
	require.NoError(t, os.RemoveAll(filepath.Join(cache, "requires")))
	build(t, nil)
	require.Equal(t, 3, current(t).number)

	// It is old. The one before it is kept for a build that uses it.
	age(t, current(t), 8*24*time.Hour)
	renewed := build(t, nil)
	require.Equal(t, 4, current(t).number)
	require.FileExists(t, filepath.Join(dir, "3", readyFile))
	require.NoDirExists(t, filepath.Join(dir, "2"))
	assert.Contains(t, strings.Join(renewed.said, "\n"), "renewing the private build environment with build, flit_core in "+dir)

	// It is old, and there is no index today.
	age(t, current(t), 8*24*time.Hour)
	kept := build(t, offline)
	require.Equal(t, 4, current(t).number)
	require.Len(t, kept.said, 2)
	assert.Contains(t, kept.said[1], "it cannot be renewed, and the old one is used")
	assert.Empty(t, build(t, offline).said, "the next attempt is made tomorrow")
	age(t, current(t), renewAfter)
	assert.Len(t, build(t, nil).said, 1)
	require.Equal(t, 6, current(t).number)
}

// site finds a part of an environment.
func site(t testing.TB, g generation, pattern string) string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(g.dir, "lib", "python*", "site-packages", pattern))
	require.NoError(t, err)
	require.Len(t, found, 1)
	return found[0]
}

func age(t testing.TB, g generation, by time.Duration) {
	t.Helper()
	then := time.Now().Add(-by)
	require.NoError(t, os.Chtimes(filepath.Join(g.dir, readyFile), then, then))
}

// Neither variables nor configuration files of pip install anything elsewhere; an index in them counts.
func TestSiteSettingsDoNotReachTheEnvironment(t *testing.T) {
	t.Parallel()
	elsewhere := t.TempDir()
	config := filepath.Join(t.TempDir(), "pip.conf")
	require.NoError(t, os.WriteFile(config, []byte("[global]\nuser = true\nrequire-virtualenv = true\n[install]\ntarget = "+elsewhere+"/t\nprefix = "+elsewhere+"/p\nroot = "+elsewhere+"/r\n"), 0o600))
	b := startBuilder(t, setupProject(t), filepath.Join(t.TempDir(), "cache"), pythonWithout(t, "setuptools"))
	b.run.env = append(b.run.env, "PIP_CONFIG_FILE="+config, "PIP_USER=1", "PIP_TARGET="+elsewhere+"/T", "PIP_PREFIX="+elsewhere+"/P", "PIP_REQUIRE_VIRTUALENV=1",
		"PYTHONUSERBASE="+elsewhere+"/U", "PIP_REQUIREMENT=/nonexistent", "PYTHONPATH="+projectOf(t, map[string]string{"pip.py": "raise SystemExit('another pip')\n", "build.py": "raise SystemExit('another build')\n", "setuptools.py": "raise SystemExit('another setuptools')\n"}))
	b.a, b.err = b.build(t.Context())
	b.close(t)
	entries, err := os.ReadDir(elsewhere)
	require.NoError(t, err)
	assert.Empty(t, entries)

	refused := startBuilder(t, flitProject(t), b.cache, b.python)
	require.NoError(t, os.WriteFile(config, []byte("[global]\nno-index = true\nfind-links =\n"), 0o600))
	refused.run.env = append(refused.run.env, "PIP_CONFIG_FILE="+config, "PIP_FIND_LINKS=")
	_, err = refused.build(t.Context())
	require.ErrorContains(t, err, "-m pip install build flit_core: exit status 1")
}

// A backend may require more than before although pyproject.toml is the same.
func TestRequirementsThatChangeAreAskedForAgain(t *testing.T) {
	t.Parallel()
	cache := filepath.Join(t.TempDir(), "cache")
	project := inTreeBackend(t)
	hooks := filepath.Join(project, "_build", "backend.py")
	text, err := os.ReadFile(hooks)
	require.NoError(t, err)
	build := func() *startedBuilder {
		b := startBuilder(t, project, cache, "python3")
		b.a, b.err = b.build(t.Context())
		b.close(t)
		return b
	}
	require.Len(t, build().said, 1)
	require.NoError(t, os.WriteFile(hooks, []byte("def get_requires_for_build_sdist(*_): return ['editables']\n"+
		strings.ReplaceAll(string(text), "    with tarfile", "    import editables\n    with tarfile")), 0o600))
	again := build()
	require.Len(t, again.said, 1)
	assert.Contains(t, again.said[0], "with build, editables in ")
	assert.Empty(t, build().said)
}
