package pybuild

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"
)

// buildTools are the contents of the private environment of projects that require nothing else: the
// front end, what a setup.py needs, and wheel, which setuptools before 70.1 does not contain.
func buildTools() []string { return []string{"build", "setuptools", "wheel"} }

// contentsOf are the packages of the environment for some requirements of a project. Its tools are
// not added to them: a project may require an old setuptools.
func contentsOf(requires []string) []string {
	if len(requires) == 0 {
		return buildTools()
	}
	return append([]string{"build"}, requires...)
}

// readyFile marks an environment as complete. It is written last; its time is the environment's
// age.
const readyFile = "kis-ready"

// An environment is made again after renewAfter, because its requirements are rarely pinned. Where
// that fails, the old one is used, and the next attempt is made after retryAfter.
const (
	renewAfter = 7 * 24 * time.Hour
	retryAfter = 24 * time.Hour
)

// environmentError marks errors of making an environment, which are not errors of the project.
type environmentError struct{ err error }

func (e *environmentError) Error() string { return e.err.Error() }
func (e *environmentError) Unwrap() error { return e.err }

// environment returns the interpreter of the private build environment with some requirements,
// which it creates if necessary. An environment is named by its interpreter and its requirements,
// and does not change once it is complete: builds use it at the same time. One that is older than a
// week is made again where that succeeds.
//
// A virtual environment contains its own path, so it cannot be built elsewhere and renamed into
// place. Instead, one process at a time makes the next numbered generation of it, and one without
// the ready file does not count. The generation before it is kept, because a build may use it.
func (b *builder) environment(ctx context.Context, base interpreter, requires []string) (string, error) {
	python, err := b.findOrMake(ctx, base, requires)
	if err != nil && ctx.Err() == nil {
		return "", &environmentError{err}
	}
	return python, err
}

func (b *builder) findOrMake(ctx context.Context, base interpreter, requires []string) (string, error) {
	dir, err := b.environmentDir(base, requires)
	if err != nil {
		return "", err
	}
	if g, ok := currentGeneration(dir); ok && !g.isOld() {
		return g.python(), nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
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
	return b.makeOrRenew(ctx, base, dir, requires)
}

// makeOrRenew makes the environment unless another process has made it meanwhile. The caller holds
// the lock.
func (b *builder) makeOrRenew(ctx context.Context, base interpreter, dir string, requires []string) (string, error) {
	current, exists := currentGeneration(dir)
	if exists && !current.isOld() {
		return current.python(), nil
	}
	next, err := makeRoom(dir, current)
	if err != nil {
		return "", &Error{Err: fmt.Errorf("cache directory: %w", err)}
	}
	defer b.removeUnused(ctx)
	if !exists {
		b.say(fmt.Sprintf("making a private build environment with %s in %s (once)", strings.Join(contentsOf(requires), ", "), dir))
		return next.python(), b.makeEnvironment(ctx, base, next, requires)
	}
	b.say(fmt.Sprintf("renewing the private build environment with %s in %s", strings.Join(contentsOf(requires), ", "), dir))
	switch err := b.makeEnvironment(ctx, base, next, requires); {
	case err == nil:
		return next.python(), nil
	case ctx.Err() != nil:
		return "", err
	default:
		b.say("it cannot be renewed, and the old one is used: " + err.Error())
	}
	retry := time.Now().Add(retryAfter - renewAfter)
	if err := os.Chtimes(filepath.Join(current.dir, readyFile), retry, retry); err != nil {
		return "", err
	}
	return current.python(), nil
}

// environmentDir names an environment by everything that it depends on, so that another interpreter
// or a later kis with other tools gets another one.
func (b *builder) environmentDir(base interpreter, requires []string) (string, error) {
	cache, err := b.cacheDir()
	if err != nil {
		return "", err
	}
	// The home directory may be shared with machines of another kind.
	facts := append(contentsOf(requires), base.Executable, base.Version, runtime.GOOS, runtime.GOARCH)
	sum := sha256.Sum256([]byte(strings.Join(facts, "\x00")))
	return filepath.Join(cache, "environment-"+base.Version+"-"+hex.EncodeToString(sum[:6])), nil
}

func (b *builder) cacheDir() (string, error) {
	if b.cache != "" {
		return filepath.Abs(b.cache)
	}
	user, err := os.UserCacheDir()
	if err != nil {
		return "", &Error{Err: fmt.Errorf("no directory for a build environment: %w", err)}
	}
	return filepath.Abs(filepath.Join(user, "kis"))
}

// environmentExists reports whether an earlier build has left an environment that still works.
func (b *builder) environmentExists(base interpreter) bool {
	dir, err := b.environmentDir(base, nil)
	if err != nil {
		return false
	}
	_, ok := currentGeneration(dir)
	return ok
}

// generation is one virtual environment of those in an environment's directory. The zero value is
// none.
type generation struct {
	number int
	dir    string
	made   time.Time
}

func (g generation) python() string { return filepath.Join(g.dir, "bin", "python") }

func (g generation) isOld() bool { return time.Since(g.made) > renewAfter }

// currentGeneration returns the newest complete generation, if its interpreter, a symbolic link,
// still exists.
func currentGeneration(dir string) (generation, bool) {
	entries, _ := os.ReadDir(dir) // without one there is no generation
	var found []generation
	for _, entry := range entries {
		number, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		g := generation{number: number, dir: filepath.Join(dir, entry.Name())}
		info, err := os.Stat(filepath.Join(g.dir, readyFile))
		if err != nil {
			continue
		}
		g.made = info.ModTime()
		if info, err := os.Stat(g.python()); err == nil && info.Mode()&0o111 != 0 {
			found = append(found, g)
		}
	}
	if len(found) == 0 {
		return generation{}, false
	}
	return slices.MaxFunc(found, func(a, b generation) int { return cmp.Compare(a.number, b.number) }), true
}

// discard makes the generation of an interpreter incomplete, so that the next build makes another
// one.
func discard(python string) error {
	err := os.Remove(filepath.Join(filepath.Dir(filepath.Dir(python)), readyFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// makeRoom removes all generations of an environment but the current one, and returns the one to make next.
func makeRoom(dir string, current generation) (generation, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return generation{}, err
	}
	highest := current.number
	for _, entry := range entries {
		number, err := strconv.Atoi(entry.Name())
		if err != nil || number == current.number {
			continue
		}
		highest = max(highest, number)
		path := filepath.Join(dir, entry.Name())
		// The ready file is removed first: an interrupted removal leaves an incomplete environment.
		if err := os.Remove(filepath.Join(path, readyFile)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return generation{}, err
		}
		if err := os.RemoveAll(path); err != nil {
			return generation{}, err
		}
	}
	next := highest + 1
	return generation{number: next, dir: filepath.Join(dir, strconv.Itoa(next))}, nil
}

// makeEnvironment makes a generation. pip's configuration files count as far as they say where
// packages come from: the options override those that say where packages go.
func (b *builder) makeEnvironment(ctx context.Context, base interpreter, g generation, requires []string) error {
	work := filepath.Join(b.temp, "work")
	private := b.run
	private.env = privateEnviron(b.run.env)
	err := private.run(ctx, command{
		args: []string{base.Executable, "-m", "venv", g.dir}, dir: work,
		hint: "on Debian and Ubuntu: apt install python3-venv",
	})
	if err != nil {
		return err
	}
	pip := []string{g.python(), "-m", "pip", "install", "--upgrade", "--no-warn-script-location", "--no-user", "--target=", "--prefix=" + g.dir, "--root=/", "--"}
	err = private.run(ctx, command{
		args: append(pip, contentsOf(requires)...), dir: work,
		name: g.python() + " -m pip install " + strings.Join(contentsOf(requires), " "),
		hint: "a private build environment needs a package index: check pip's configuration, or install `build` or uv yourself",
	})
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(g.dir, readyFile), []byte(strings.Join(contentsOf(requires), "\n")+"\n"), 0o600)
}
