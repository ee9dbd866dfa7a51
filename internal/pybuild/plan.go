package pybuild

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/keep-it-simple/kis/internal/safetext"
)

// toolPlan is the decision about what builds a project, made before anything is written.
type toolPlan struct {
	tool    string      // builderSetupPy, builderBuild or builderUV
	uv      string      // path of uv, if that is the tool
	python  interpreter // the user's, if it is another tool
	private bool        // the tool runs in the private build environment, which python makes
}

// name is what errors call the command.
func (p toolPlan) name(python string) string {
	switch p.tool {
	case builderUV:
		return safetext.Word(p.uv) + " build --sdist"
	case builderSetupPy:
		return safetext.Word(python) + " setup.py sdist"
	}
	return safetext.Word(python) + " -m build --sdist"
}

// plan decides what builds the project.
func (b *builder) plan(ctx context.Context) (toolPlan, error) {
	if err := b.resolvePaths(); err != nil {
		return toolPlan{}, err
	}
	has, err := b.inspect()
	if err != nil {
		return toolPlan{}, err
	}
	if b.kind == builderUV {
		return b.planUV()
	}
	if p, ok := b.planKept(ctx, has); ok {
		return p, nil
	}
	runsSetupPy := b.kind == builderSetupPy || b.kind == builderAuto && !has.pyproject
	python, err := b.probe(ctx, b.python, runsSetupPy)
	if err != nil {
		return toolPlan{}, err
	}
	// `python -m build` makes a new environment for every build; the private one is kept.
	p := toolPlan{tool: builderBuild, python: python, private: !python.Build || python.Venv}
	if runsSetupPy {
		p.tool, p.private = builderSetupPy, !python.Setuptools
	}
	if !python.Build && p.tool == builderBuild && b.kind == builderAuto {
		if uv, err := b.planUV(); err == nil {
			return uv, nil
		}
	}
	if p.private && b.kind == builderAuto {
		// The newest setuptools is in the private environment, and by itself it gets what setup_requires
		// names without what that needs.
		p.tool = builderBuild
	}
	if p.private && !python.Venv && !b.environmentExists(python) {
		return toolPlan{}, &Error{
			Command: python.Executable + " -m venv",
			Hint:    "apt install python3-venv (or your system's package for Python's venv and ensurepip), or install `build` or uv",
			Err:     errors.New("this Python lacks venv or ensurepip, which a private build environment needs"),
		}
	}
	return p, nil
}

// planKept returns the plan of a project with a pyproject.toml where an earlier build has left a
// private environment: then it does not matter what the interpreter has, and asking it takes longer
// than some builds.
func (b *builder) planKept(ctx context.Context, has project) (p toolPlan, ok bool) {
	if b.kind == builderSetupPy || !has.pyproject && b.kind == builderAuto {
		return toolPlan{}, false
	}
	if _, err := b.lookPath("uv"); err == nil && b.kind == builderAuto { // for want of build
		return toolPlan{}, false
	}
	python, err := b.identify(ctx, b.python)
	if err != nil || !b.environmentExists(python) {
		return toolPlan{}, false
	}
	return toolPlan{tool: builderBuild, python: python, private: true}, true
}

func (b *builder) planUV() (toolPlan, error) {
	uv, err := b.lookPath("uv")
	if err != nil {
		return toolPlan{}, &Error{Hint: "install uv, or use `build: auto`", Err: fmt.Errorf("uv: %w", err)}
	}
	return toolPlan{tool: builderUV, uv: uv}, nil
}

// command returns the command of a plan, once the private build environment exists if the plan
// needs it.
func (b *builder) command(ctx context.Context, p toolPlan) (command, error) {
	if p.tool == builderUV {
		args := []string{p.uv, "build", "--sdist", "--out-dir", b.out()}
		if b.ownPython {
			args = append(args, "--python", b.python)
		}
		return command{args: append(args, b.dir), name: p.name(""), dir: b.dir}, nil
	}
	python := p.python.Executable
	if p.tool == builderSetupPy {
		if p.private {
			var err error
			if python, err = b.environment(ctx, p.python, nil); err != nil {
				return command{}, err
			}
		}
		return command{
			args: []string{python, "setup.py", "sdist", "--formats=gztar", "--dist-dir", b.out()},
			name: p.name(python),
			dir:  b.dir,
		}, nil
	}
	// The working directory is an empty one: -m would take a build.py or a build directory of the
	// project for the module. The hooks themselves run in the project (PEP 517).
	return command{
		args: []string{python, "-m", "build", "--sdist", "--outdir", b.out(), b.dir},
		name: p.name(python),
		dir:  filepath.Join(b.temp, "work"),
	}, nil
}

func (b *builder) out() string { return filepath.Join(b.temp, "out") }
