package pybuild

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// buildTools are the contents of the private environment: the front end, what a setup.py needs, and
// wheel, which setuptools before 70.1 does not contain.
func buildTools() []string { return []string{"build", "setuptools", "wheel"} }

// readyFile marks an environment as complete. It is written last.
const readyFile = "kis-ready"

// environment returns the interpreter of the private build environment, which it creates if
// necessary. A virtual environment contains its own path, so it cannot be built elsewhere and
// renamed into place. Instead, one process at a time works on it, and an environment without the
// ready file is built again.
func (b *builder) environment(ctx context.Context, base interpreter) (string, error) {
	dir, err := b.environmentDir(base)
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o700); err != nil {
		return "", &Error{Err: fmt.Errorf("cache directory: %w", err)}
	}
	// Open for writing, because NFS requires that for an exclusive lock. The file is never removed:
	// a process that waits for it would lock an unlinked file.
	mutex, err := os.OpenFile(dir+".lock", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return "", &Error{Err: fmt.Errorf("cache directory: %w", err)}
	}
	unlock, err := lock(ctx, mutex, func() { b.say("waiting for another kis that makes the build environment " + dir) })
	if err != nil {
		return "", &Error{Err: fmt.Errorf("lock %s: %w", mutex.Name(), err)}
	}
	defer unlock()
	python := environmentPython(dir)
	if b.usable(ctx, dir) {
		return python, nil
	}
	if err := ctx.Err(); err != nil {
		return "", context.Cause(ctx)
	}
	return python, b.makeEnvironment(ctx, base, dir)
}

// environmentDir names an environment by everything that it depends on, so that another interpreter
// or a later kis with other tools gets another one.
func (b *builder) environmentDir(base interpreter) (string, error) {
	cache := b.cache
	if cache == "" {
		user, err := os.UserCacheDir()
		if err != nil {
			return "", &Error{Err: fmt.Errorf("no directory for a build environment: %w", err)}
		}
		cache = filepath.Join(user, "kis")
	}
	cache, err := filepath.Abs(cache)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256([]byte(strings.Join(append(buildTools(), base.Executable, base.Version), "\x00")))
	return filepath.Join(cache, "build-"+base.Version+"-"+hex.EncodeToString(sum[:6])), nil
}

func environmentPython(dir string) string { return filepath.Join(dir, "bin", "python") }

// environmentExists reports whether an earlier build has left an environment that still works.
func (b *builder) environmentExists(ctx context.Context, base interpreter) bool {
	dir, err := b.environmentDir(base)
	return err == nil && b.usable(ctx, dir)
}

// usable reports whether the environment is complete and still works: the interpreter that it links
// to may have been removed since.
func (b *builder) usable(ctx context.Context, dir string) bool {
	if _, err := os.Stat(filepath.Join(dir, readyFile)); err != nil {
		return false
	}
	found, err := b.probe(ctx, environmentPython(dir))
	return err == nil && found.Build && found.Setuptools
}

func (b *builder) makeEnvironment(ctx context.Context, base interpreter, dir string) error {
	b.say(fmt.Sprintf("making a private build environment with %s in %s (once)", strings.Join(buildTools(), ", "), dir))
	// The ready file is removed first: an interrupted removal leaves an incomplete environment.
	if err := os.Remove(filepath.Join(dir, readyFile)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	work := filepath.Join(b.temp, "work")
	err := b.run.run(ctx, command{
		args: []string{base.Executable, "-m", "venv", dir}, dir: work,
		hint: "on Debian and Ubuntu: apt install python3-venv",
	})
	if err != nil {
		return err
	}
	err = b.run.run(ctx, command{
		args: append([]string{environmentPython(dir), "-m", "pip", "install", "--upgrade", "--disable-pip-version-check"}, buildTools()...), dir: work,
		hint: "a private build environment needs a package index: check pip's configuration, or install `build` or uv yourself",
	})
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, readyFile), []byte(strings.Join(buildTools(), "\n")+"\n"), 0o600)
}
