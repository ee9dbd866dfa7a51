package pybuild

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestFoldersOfKilledBuildsGoAndOthersStay(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	folderNamed := func(name string) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Join(path, "out"), 0o700))
		return path
	}
	dead, alive, other := folderNamed("kis-sdist-dead"), folderNamed("kis-sdist-alive"), folderNamed("kis-other")
	folder, err := os.Open(alive)
	require.NoError(t, err)
	unlock, err := lock(t.Context(), folder, nil)
	require.NoError(t, err)

	sweepTemporary(t.Context(), dir, time.Now())
	assert.DirExists(t, dead, "so young a folder may be one that is about to be locked")
	sweepTemporary(t.Context(), dir, time.Now().Add(2*sweepAfter))
	assert.NoDirExists(t, dead)
	assert.DirExists(t, alive)
	assert.DirExists(t, other)
	unlock()
	sweepTemporary(t.Context(), dir, time.Now().Add(2*sweepAfter))
	assert.NoDirExists(t, alive)
}

func TestLookNamesWhatWouldBuildAndMakesNothing(t *testing.T) {
	t.Parallel()
	cache := filepath.Join(t.TempDir(), "cache")
	project := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(project, "pyproject.toml"), nil, 0o600))
	how, err := Look(t.Context(), BuildOptions{Dir: project, Cache: cache, Python: "/usr/bin/python3"})
	require.NoError(t, err)
	assert.Contains(t, how, "-m build --sdist")
	assert.NoDirExists(t, cache)

	for name, opts := range map[string]BuildOptions{
		"neither pyproject.toml nor setup.py": {Dir: t.TempDir()},
		"no-such-python":                      {Dir: project, Python: "no-such-python"},
		"unknown builder":                     {Dir: project, Builder: "make"},
	} {
		_, err := Look(t.Context(), opts)
		require.ErrorContains(t, err, name)
	}
}
