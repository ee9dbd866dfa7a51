package pybuild

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

const temporaryPrefix = "kis-sdist-"

// sweepAfter is how old a folder of a build must be before it can be taken for
// a dead one's: between being made and being locked it looks like one.
const sweepAfter = time.Hour

// makeTemporary makes the folder of this build, mode 0700, and removes those of
// builds that were killed. The folder is locked until release is called, so that
// no other build takes it for a dead one's; release does not remove it.
func (b *builder) makeTemporary(ctx context.Context) (release func(), err error) {
	sweepTemporary(ctx, os.TempDir(), time.Now())
	if b.temp, err = os.MkdirTemp("", temporaryPrefix); err != nil {
		return nil, err
	}
	folder, err := os.Open(b.temp)
	if err != nil {
		return nil, err
	}
	release, err = lock(ctx, folder, nil)
	if errors.Is(err, errNoLocks) {
		return func() {}, nil
	}
	return release, err
}

// sweepTemporary removes the folders of dead builds. What cannot be removed is left: it is not this build's business.
func sweepTemporary(ctx context.Context, dir string, now time.Time) {
	found, err := filepath.Glob(filepath.Join(dir, temporaryPrefix+"*"))
	if err != nil {
		return
	}
	atOnce, cancel := context.WithCancel(ctx)
	cancel() // a lock that is held is not waited for
	for _, path := range found {
		info, err := os.Lstat(path)
		if err != nil || !info.IsDir() || now.Sub(info.ModTime()) < sweepAfter {
			continue
		}
		folder, err := os.Open(path)
		if err != nil {
			continue
		}
		if unlock, err := lock(atOnce, folder, nil); err == nil {
			_ = os.RemoveAll(path)
			unlock()
		}
	}
}

// Look says what would build the project, without building or making anything.
// Its errors are those of Build, as far as they can be known beforehand.
func Look(ctx context.Context, opts BuildOptions) (string, error) {
	b := newBuilder(opts)
	var err error
	if b.dir, err = filepath.Abs(b.dir); err != nil {
		return "", b.failed(err)
	}
	has, err := b.inspect()
	if err != nil {
		return "", b.failed(err)
	}
	b.run.env = append(os.Environ(), "PYTHONDONTWRITEBYTECODE=1")
	how, err := b.foresee(ctx, has)
	if err != nil {
		return "", b.failed(err)
	}
	return how, nil
}

// foresee decides as choose does, and makes nothing.
func (b *builder) foresee(ctx context.Context, has project) (string, error) {
	if b.kind == builderUV {
		cmd, err := b.uv()
		return cmd.name, err
	}
	python, err := b.probe(ctx, b.python)
	if err != nil {
		return "", err
	}
	ready, name := python.Build, b.frontEnd(python.Executable).name
	if b.kind == builderSetupPy || b.kind == builderAuto && !has.pyproject {
		ready, name = python.Setuptools, python.Executable+" setup.py sdist"
	}
	if ready {
		return fmt.Sprintf("%s (Python %s)", name, python.Version), nil
	}
	if has.pyproject && b.kind == builderAuto {
		if cmd, err := b.uv(); err == nil {
			return cmd.name, nil
		}
	}
	if !python.Venv {
		return "", &BuildError{
			Command: python.Executable, Err: errors.New("has neither what the build needs nor venv to make a private build environment"),
			Hint: "on Debian and Ubuntu: apt install python3-venv; or install uv",
		}
	}
	return fmt.Sprintf("%s, in a private build environment (Python %s)", name, python.Version), nil
}
