package pybuild

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// choose decides on the command that builds the project.
func (b *builder) choose(ctx context.Context, has project) (command, error) {
	if b.kind == builderUV {
		return b.uv()
	}
	python, err := b.probe(ctx, b.python)
	if err != nil {
		return command{}, err
	}
	if b.kind == builderSetupPy || b.kind == builderAuto && !has.pyproject {
		return b.setupPy(ctx, python)
	}
	if python.Build {
		return b.frontEnd(python.Executable), nil
	}
	if b.kind == builderAuto {
		if cmd, err := b.uv(); err == nil {
			return cmd, nil
		}
	}
	private, err := b.environment(ctx, python)
	if err != nil {
		return command{}, err
	}
	return b.frontEnd(private), nil
}

// frontEnd runs `python -m build`. Its working folder is an empty one, as -m
// would take a build.py or a build folder of the project for the module; the
// hooks themselves run in the project (PEP 517).
func (b *builder) frontEnd(python string) command {
	return command{
		args: []string{python, "-m", "build", "--sdist", "--outdir", b.out(), b.dir},
		name: python + " -m build --sdist",
		dir:  filepath.Join(b.temp, "work"),
	}
}

// setupPy runs setup.py, by the user's interpreter if that has setuptools, as
// it may have more that the setup.py needs.
func (b *builder) setupPy(ctx context.Context, python interpreter) (command, error) {
	executable := python.Executable
	if !python.Setuptools {
		var err error
		if executable, err = b.environment(ctx, python); err != nil {
			return command{}, err
		}
	}
	return command{
		args: []string{executable, "setup.py", "sdist", "--formats=gztar", "--dist-dir", b.out()},
		name: executable + " setup.py sdist",
		dir:  b.dir,
	}, nil
}

func (b *builder) uv() (command, error) {
	uv, err := b.lookPath("uv")
	if err != nil {
		return command{}, &BuildError{Hint: "install uv, or use `build: auto`", Err: fmt.Errorf("uv: %w", err)}
	}
	args := []string{uv, "build", "--sdist", "--out-dir", b.out()}
	if b.ownPython {
		args = append(args, "--python", b.python)
	}
	return command{args: append(args, b.dir), name: uv + " build --sdist", dir: b.dir}, nil
}

func (b *builder) out() string { return filepath.Join(b.temp, "out") }

// lockProject waits until no other build runs in the project's folder. The lock
// is on the folder itself, so that nothing is left in it and a killed kis frees it.
func (b *builder) lockProject(ctx context.Context) (unlock func(), err error) {
	folder, err := os.Open(b.dir)
	if err != nil {
		return nil, err
	}
	unlock, err = lock(ctx, folder, func() { b.say("waiting for another build in " + b.dir) })
	if errors.Is(err, errNoLocks) { // some network file systems; the build itself works there
		b.say("builds in " + b.dir + " cannot be kept apart: " + err.Error())
		return func() {}, nil
	}
	return unlock, err
}
