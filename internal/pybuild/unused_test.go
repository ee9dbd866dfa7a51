package pybuild

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestUnusedEnvironmentsAreRemoved(t *testing.T) {
	t.Parallel()
	b := newBuilder(Options{Cache: filepath.Join(t.TempDir(), "[cache]")})
	made := func(name string, age time.Duration) string {
		dir := filepath.Join(b.cache, "environment-3.12.1-"+name)
		fakeEnvironment(t, dir)
		require.NoError(t, os.WriteFile(dir+".lock", nil, 0o600))
		then := time.Now().Add(-age)
		require.NoError(t, os.Chtimes(filepath.Join(dir, "1", readyFile), then, then))
		return dir
	}
	used, unused, busy := made("used", 8*24*time.Hour), made("unused", 61*24*time.Hour), made("busy", 61*24*time.Hour)
	mutex, err := os.OpenFile(busy+".lock", os.O_RDWR, 0o600)
	require.NoError(t, err)
	unlock, err := lock(t.Context(), mutex, nil)
	require.NoError(t, err)
	defer unlock()
	for _, remembered := range []string{"requires", "wheels"} {
		replaceFile(filepath.Join(b.cache, remembered, "old"), nil)
		replaceFile(filepath.Join(b.cache, remembered, "new"), nil)
		require.NoError(t, os.Chtimes(filepath.Join(b.cache, remembered, "old"), time.Time{}, time.Now().Add(-61*24*time.Hour)))
	}

	b.removeUnused(t.Context())
	assert.DirExists(t, used)
	assert.NoDirExists(t, unused)
	assert.FileExists(t, unused+".lock", "another process may wait for it")
	assert.DirExists(t, filepath.Join(busy, "1"))
	for _, remembered := range []string{"requires", "wheels"} {
		assert.NoFileExists(t, filepath.Join(b.cache, remembered, "old"))
		assert.FileExists(t, filepath.Join(b.cache, remembered, "new"))
	}
}
