// Package testcache keeps what tests need and what takes long to make, from one run of the tests to
// the next. It is the user's own directory, closed to others, below the user's cache directory; it
// may be removed when no tests run.
package testcache

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// unusedAfter is how long an entry is kept that nobody asks for.
const unusedAfter = 14 * 24 * time.Hour

// Entry is the path of the file or directory with a name, which fill makes when it is missing. It
// is complete, and nobody may change it. Tests, also of other processes, may ask for the same one at
// the same time: one makes it, and the others wait for that.
func Entry(tb testing.TB, name string, fill func(path string)) string {
	tb.Helper()
	return entryBelow(tb, Dir(tb), name, fill)
}

// Dir is the cache itself, for programs that keep something there and know how to share it.
func Dir(tb testing.TB) string {
	tb.Helper()
	user, err := os.UserCacheDir()
	require.NoError(tb, err)
	return open(tb, user, time.Now())
}

// content is the name of an entry in the directory that it has for itself, whose time says when it
// was asked for last.
const content = "content"

func entryBelow(tb testing.TB, cache, name string, fill func(path string)) string {
	tb.Helper()
	entry, now := filepath.Join(cache, name), time.Now()
	if os.Chtimes(entry, now, now) == nil {
		return filepath.Join(entry, content)
	}
	lock, err := os.OpenFile(filepath.Join(cache, "lock-"+name), os.O_RDWR|os.O_CREATE, 0o600)
	require.NoError(tb, err)
	defer lock.Close() //nolint:errcheck // which releases it
	require.NoError(tb, syscall.Flock(int(lock.Fd()), syscall.LOCK_EX))
	if os.Chtimes(entry, now, now) == nil {
		return filepath.Join(entry, content)
	}
	beside, err := os.MkdirTemp(cache, "filling-") //nolint:usetesting // renamed into place, which needs the same file system
	require.NoError(tb, err)
	defer os.RemoveAll(beside) //nolint:errcheck // renamed, or removed by a later run
	fill(filepath.Join(beside, content))
	require.NoError(tb, os.Rename(beside, entry))
	return filepath.Join(entry, content)
}

// open makes the cache below the user's cache directory, and returns its path. Until the test ends
// nothing is removed from it: that does only who finds no other test at work.
func open(tb testing.TB, user string, now time.Time) string {
	tb.Helper()
	// With sudo -E, root has the home directory of another user, so the name says whose it is.
	cache := filepath.Join(user, fmt.Sprintf("kis-test-%d", os.Getuid()))
	require.NoError(tb, os.MkdirAll(cache, 0o700))
	require.NoError(tb, trusted(cache))
	lock, err := os.OpenFile(filepath.Join(cache, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	require.NoError(tb, err)
	tb.Cleanup(func() { _ = lock.Close() }) // which releases it
	if syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil {
		removeUnused(cache, now)
	}
	require.NoError(tb, syscall.Flock(int(lock.Fd()), syscall.LOCK_SH))
	return cache
}

// trusted refuses a directory that another user can have put something into.
func trusted(dir string) error {
	info, err := os.Lstat(dir)
	if err != nil {
		return err
	}
	owner := info.Sys().(*syscall.Stat_t).Uid
	if !info.IsDir() || int(owner) != os.Getuid() || info.Mode().Perm()&0o022 != 0 {
		return fmt.Errorf("%s: %v of user %d: want a directory of user %d that nobody else can write", dir, info.Mode(), owner, os.Getuid())
	}
	return nil
}

// removeUnused removes entries, and directories of tests that were killed while they filled them.
func removeUnused(cache string, now time.Time) {
	all, _ := filepath.Glob(filepath.Join(cache, "*-*"))
	for _, path := range all {
		if info, err := os.Lstat(path); err == nil && now.Sub(info.ModTime()) > unusedAfter {
			_ = os.RemoveAll(path)
		}
	}
}
