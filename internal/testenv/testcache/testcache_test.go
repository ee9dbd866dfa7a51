package testcache

import (
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func write(t *testing.T, text string) func(path string) {
	t.Helper()
	return func(path string) { require.NoError(t, os.WriteFile(path, []byte(text), 0o600)) }
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	return string(text)
}

func TestAnEntryIsMadeOnce(t *testing.T) {
	t.Parallel()
	cache := open(t, t.TempDir(), time.Now())
	assert.Equal(t, "first", read(t, entryBelow(t, cache, "a-1", write(t, "first"))))
	assert.Equal(t, "first", read(t, entryBelow(t, cache, "a-1", write(t, "second"))))
	assert.Equal(t, "other", read(t, entryBelow(t, cache, "a-2", write(t, "other"))))
	info, err := os.Stat(cache)
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o700), info.Mode().Perm())
}

func TestEntriesThatAreAskedForAtTheSameTimeAreMadeOnce(t *testing.T) {
	t.Parallel()
	cache := open(t, t.TempDir(), time.Now())
	var all sync.WaitGroup
	var made atomic.Int32
	begin := make(chan struct{})
	for range 8 {
		all.Go(func() {
			<-begin
			path := entryBelow(t, cache, "a-1", func(path string) {
				made.Add(1)
				assert.NoError(t, os.Mkdir(path, 0o700))
				assert.NoError(t, os.WriteFile(filepath.Join(path, "file"), []byte("whole"), 0o600))
			})
			text, err := os.ReadFile(filepath.Join(path, "file"))
			if assert.NoError(t, err) {
				assert.Equal(t, "whole", string(text))
			}
		})
	}
	close(begin)
	all.Wait()
	assert.Equal(t, int32(1), made.Load())
	left, err := filepath.Glob(filepath.Join(cache, "filling-*"))
	require.NoError(t, err)
	assert.Empty(t, left)
}

func TestUnusedEntriesAreRemovedByATestThatIsAlone(t *testing.T) {
	t.Parallel()
	user := t.TempDir()
	var entry string
	later := time.Now().Add(unusedAfter + time.Hour)
	t.Run("made", func(t *testing.T) {
		cache := open(t, user, time.Now())
		entry = entryBelow(t, cache, "a-1", write(t, "text"))
		open(t, user, later)
		assert.FileExists(t, entry, "it is in use")
	})
	t.Run("later", func(t *testing.T) {
		open(t, user, time.Now())
		assert.FileExists(t, entry)
	})
	t.Run("too late", func(t *testing.T) {
		open(t, user, later)
		assert.NoFileExists(t, entry)
	})
}

func TestADirectoryThatOthersCanWriteIsNotTrusted(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "cache")
	require.NoError(t, os.Mkdir(dir, 0o700))
	require.NoError(t, trusted(dir))
	link := dir + "-link"
	require.NoError(t, os.Symlink(dir, link))
	require.ErrorContains(t, trusted(link), "want a directory of user ")
	require.NoError(t, os.Chmod(dir, 0o720))
	require.ErrorContains(t, trusted(dir), "nobody else can write")
}
