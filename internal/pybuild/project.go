package pybuild

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// project says which of the files that describe a project exist.
type project struct {
	pyproject, setup bool
}

// ErrNoProject is wrapped by the error of FindProject if neither the directory nor one above it is a
// Python project.
var ErrNoProject = errors.New("no Python project")

// FindProject returns the nearest directory with pyproject.toml or setup.py, from dir upwards.
func FindProject(dir string) (string, error) {
	start, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	for at := start; ; at = filepath.Dir(at) {
		if is, err := IsProject(at); is || err != nil {
			return at, err
		}
		if at == filepath.Dir(at) {
			return "", fmt.Errorf("%w: looked for pyproject.toml and setup.py in %s and every directory above it", ErrNoProject, start)
		}
	}
}

// IsProject reports whether a directory is that of a Python project.
func IsProject(dir string) (bool, error) {
	for _, file := range []string{"pyproject.toml", "setup.py"} {
		is, err := isFile(filepath.Join(dir, file))
		if err != nil {
			return false, fmt.Errorf("find project: %w", err)
		}
		if is {
			return true, nil
		}
	}
	return false, nil
}

// resolvePaths makes the paths of the options absolute. A path of an interpreter is not relative to
// the project.
func (b *builder) resolvePaths() (err error) {
	if b.dir, err = filepath.Abs(b.dir); err != nil {
		return err
	}
	if filepath.Base(b.python) != b.python {
		b.python, err = filepath.Abs(b.python)
	}
	return err
}

func (b *builder) inspect() (project, error) {
	switch b.kind {
	case builderAuto, builderSetupPy, builderBuild, builderUV:
	default:
		return project{}, fmt.Errorf("unknown builder %q: use auto, setup.py, build or uv", b.kind)
	}
	info, err := os.Stat(b.dir)
	if err != nil {
		return project{}, fmt.Errorf("no such project: %w", err)
	}
	if !info.IsDir() {
		return project{}, errors.New("is not a directory")
	}
	var has project
	if has.pyproject, err = isFile(filepath.Join(b.dir, "pyproject.toml")); err != nil {
		return project{}, err
	}
	if has.setup, err = isFile(filepath.Join(b.dir, "setup.py")); err != nil {
		return project{}, err
	}
	switch {
	case !has.pyproject && !has.setup:
		return project{}, errors.New("neither pyproject.toml nor setup.py: " +
			"run kis in the directory of a Python project, or pass an archive with --sdist")
	case b.kind == builderSetupPy && !has.setup:
		return project{}, errors.New("no setup.py: use `build: auto`")
	}
	return has, nil
}

func isFile(path string) (bool, error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil && info.Mode().IsRegular(), err
}

// lockProject waits until no other build runs in the project's directory. The directory itself is
// locked, so that no file is left in it and the kernel releases the lock of a killed kis.
func (b *builder) lockProject(ctx context.Context) (unlock func(), err error) {
	dir, err := os.Open(b.dir)
	if err != nil {
		return nil, err
	}
	unlock, err = lock(ctx, dir, func() { b.say("waiting for another build in " + b.dir) })
	if errors.Is(err, errNoLocks) { // some network file systems; the build itself works there
		b.say("builds in " + b.dir + " cannot be serialized: " + err.Error())
		return func() {}, nil
	}
	return unlock, err
}
