package pybuild

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// unusedAfter is far above renewAfter: what is used is younger.
const unusedAfter = 60 * 24 * time.Hour

// removeUnused removes what no build has used for weeks: environments, because each has at least
// the size of Python's installer, and what is remembered of projects. Nothing depends on its
// success.
func (b *builder) removeUnused(ctx context.Context) {
	cache, err := b.cacheDir()
	if err != nil {
		return
	}
	files := os.DirFS(cache)
	environments, _ := fs.Glob(files, "environment-*.lock") // this pattern and the next ones are correct
	for _, name := range environments {
		removeUnusedEnvironment(ctx, filepath.Join(cache, name))
	}
	requires, _ := fs.Glob(files, "requires/*")
	wheels, _ := fs.Glob(files, "wheels/*")
	for _, name := range slices.Concat(requires, wheels) {
		file := filepath.Join(cache, name)
		if info, err := os.Stat(file); err == nil && time.Since(info.ModTime()) > unusedAfter {
			_ = os.Remove(file)
		}
	}
}

// removeUnusedEnvironment removes one environment unless another process holds its lock. An
// environment that is used is renewed, or at least marked, every week.
func removeUnusedEnvironment(ctx context.Context, lockFile string) {
	dir := lockFile[:len(lockFile)-len(".lock")]
	g, ok := currentGeneration(dir)
	if !ok || time.Since(g.made) < unusedAfter {
		return
	}
	mutex, err := os.OpenFile(lockFile, os.O_RDWR, 0o600)
	if err != nil {
		return
	}
	once, cancel := context.WithCancel(ctx)
	cancel() // lock tries once
	unlock, err := lock(once, mutex, nil)
	if err != nil {
		return
	}
	defer unlock()
	if g, ok := currentGeneration(dir); ok && time.Since(g.made) > unusedAfter && discard(g.python()) == nil {
		_ = os.RemoveAll(dir)
	}
}
