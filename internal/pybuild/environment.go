package pybuild

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// interpreter is what a local Python says about itself.
type interpreter struct {
	Executable string `json:"executable"`
	Version    string `json:"version"`
	Supported  bool   `json:"supported"`  // 3.8 or newer
	Build      bool   `json:"build"`      // `python -m build` works
	Setuptools bool   `json:"setuptools"` // a setup.py works
	Venv       bool   `json:"venv"`       // it can make environments with pip in them
}

// probeScript answers everything in one start of the interpreter. Modules are
// really imported: a folder called build anywhere on the path would be found as
// a namespace package otherwise. The current folder is no place to import from,
// as the project may have a build.py of its own. Debian has venv without
// ensurepip, and then neither venv nor build works.
const probeScript = `
import sys
sys.path = [folder for folder in sys.path if folder]
import json

def has(name):
    try:
        __import__(name)
    except Exception:
        return False
    return True

venv = has("venv") and has("ensurepip")
print()
print(json.dumps({
    "executable": sys.executable,
    "version": "%d.%d.%d" % sys.version_info[:3],
    "supported": sys.version_info[:2] >= (3, 8),
    "build": has("build.__main__") and (venv or has("virtualenv")),
    "setuptools": has("setuptools"),
    "venv": venv,
}))
`

// probe asks the interpreter what it has. It runs in the project's folder, as
// a version manager such as pyenv picks the interpreter by that; what follows
// uses the interpreter's own path, so the choice is made once.
func (b *builder) probe(ctx context.Context, python string) (interpreter, error) {
	var out bytes.Buffer
	quiet := runner{env: b.run.env, log: &out, grace: b.run.grace}
	err := quiet.run(ctx, command{
		args: []string{python, "-c", probeScript},
		name: python,
		dir:  b.dir,
		hint: "install python3, or put another one first on the PATH",
	})
	if err != nil {
		return interpreter{}, err
	}
	var found interpreter
	lines := bytes.Split(bytes.TrimSpace(out.Bytes()), []byte("\n"))
	if err := json.Unmarshal(lines[len(lines)-1], &found); err != nil {
		return interpreter{}, &BuildError{Command: python, Err: fmt.Errorf("its answer is not that of a Python interpreter: %w", err)}
	}
	if found.Executable == "" { // an interpreter that cannot tell
		found.Executable = python
	}
	if !found.Supported {
		return interpreter{}, &BuildError{
			Command: python, Hint: "put a newer python3 first on the PATH",
			Err: errors.New("is Python " + found.Version + ", kis needs 3.8 or newer"),
		}
	}
	return found, nil
}

// buildTools is what the private environment holds: the front end, what a
// setup.py needs, and wheel, which setuptools before 70.1 does not contain.
func buildTools() []string { return []string{"build", "setuptools", "wheel"} }

// readyFile in an environment says that it is complete. It is written last.
const readyFile = "kis-ready"

// environment returns the interpreter of the private build environment and makes
// that first if need be. An environment cannot be built elsewhere and moved into
// place, as it holds its own path; so one process at a time works on it, and one
// that lacks the mark of being complete is made again.
func (b *builder) environment(ctx context.Context, base interpreter) (string, error) {
	dir, err := b.environmentDir(base)
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o700); err != nil {
		return "", &BuildError{Err: fmt.Errorf("cache folder: %w", err)}
	}
	// Open for writing, as NFS wants that for an exclusive lock. It is never removed:
	// whoever waits for it would lock a file that is no longer there.
	mutex, err := os.OpenFile(dir+".lock", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return "", &BuildError{Err: fmt.Errorf("cache folder: %w", err)}
	}
	unlock, err := lock(ctx, mutex, func() { b.say("waiting for another kis that makes the build environment " + dir) })
	if err != nil {
		return "", &BuildError{Err: fmt.Errorf("lock %s: %w", mutex.Name(), err)}
	}
	defer unlock()
	python := filepath.Join(dir, "bin", "python")
	if b.usable(ctx, dir, python) {
		return python, nil
	}
	if err := ctx.Err(); err != nil {
		return "", context.Cause(ctx)
	}
	return python, b.makeEnvironment(ctx, base, dir, python)
}

// environmentDir names an environment by all that it depends on, so that another
// interpreter or a later kis that wants other tools gets another one.
func (b *builder) environmentDir(base interpreter) (string, error) {
	cache := b.cache
	if cache == "" {
		user, err := os.UserCacheDir()
		if err != nil {
			return "", &BuildError{Err: fmt.Errorf("no place for a build environment: %w", err)}
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

// usable reports whether the environment is complete and still works: the
// interpreter it links to may have been removed since.
func (b *builder) usable(ctx context.Context, dir, python string) bool {
	if _, err := os.Stat(filepath.Join(dir, readyFile)); err != nil {
		return false
	}
	found, err := b.probe(ctx, python)
	return err == nil && found.Build && found.Setuptools
}

func (b *builder) makeEnvironment(ctx context.Context, base interpreter, dir, python string) error {
	if !base.Venv {
		return &BuildError{
			Command: b.python + " -m venv",
			Hint:    "apt install python3-venv (or your system's package for Python's venv and ensurepip), or install `build` or uv",
			Err:     errors.New("this Python lacks venv or ensurepip, which a private build environment needs"),
		}
	}
	b.say(fmt.Sprintf("making a private build environment with %s in %s (once)", strings.Join(buildTools(), ", "), dir))
	// The mark goes first: should the removal stop half-way, nobody trusts the rest.
	if err := os.Remove(filepath.Join(dir, readyFile)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	work := filepath.Join(b.temp, "work")
	err := b.run.run(ctx, command{
		args: []string{base.Executable, "-m", "venv", dir}, dir: work,
		hint: "apt install python3-venv, if this is Debian or Ubuntu",
	})
	if err != nil {
		return err
	}
	err = b.run.run(ctx, command{
		args: append([]string{python, "-m", "pip", "install", "--upgrade", "--disable-pip-version-check"}, buildTools()...), dir: work,
		hint: "a private build environment needs a package index: check pip's configuration, or install `build` or uv yourself",
	})
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, readyFile), []byte(strings.Join(buildTools(), "\n")+"\n"), 0o600)
}
