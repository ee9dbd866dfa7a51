// Package pybuild makes a Python source distribution of a project with the tools that the project and this machine have: setup.py,
// `python -m build` or uv. What comes out of them is opened and judged by package sdist.
//
// It runs code of the project, and knows no hosts.
package pybuild

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/keep-it-simple/kis/internal/sdist"
)

// The values of BuildOptions.Builder.
const (
	builderAuto    = "auto"
	builderSetupPy = "setup.py"
	builderBuild   = "build"
	builderUV      = "uv"
)

// BuildOptions says what to build and with what. The zero value builds the
// current folder with whatever tool is there.
type BuildOptions struct {
	// Dir is the project's folder; empty means the current one.
	Dir string
	// Builder is the tool: "setup.py" runs `python setup.py sdist`, "build" the
	// PEP 517 front end `python -m build`, "uv" runs `uv build`. "auto", the
	// default, looks at the project: with a pyproject.toml it is `python -m build`
	// if the interpreter has it, else uv if it is on PATH, else `build` in a private
	// environment; with only a setup.py it is that one.
	Builder string
	// Python is the local interpreter, a name on PATH or a path; default python3.
	// It is 3.8 or newer.
	Python string
	// Cache is where the private build environment is kept; default is the folder
	// kis in os.UserCacheDir.
	Cache string
	// Log gets all output of the tools as it comes, from one goroutine at a time;
	// nil discards it. An error of Log does not end the build.
	Log io.Writer
	// Say gets single sentences that a person should know, such as that a private
	// build environment is made; nil discards them.
	Say func(string)
}

// Build makes a source distribution of a project, opens and validates it. The
// archive is written to a temporary directory of this build, so that builds never
// meet in the project's dist directory, and is removed from there as soon as it is
// open: Archive.Path is the name it had, without a directory. Two builds in the same
// project take turns all the same, because setuptools uses folders inside it; it
// also leaves a *.egg-info there, which kis does not prevent: sending it elsewhere
// (--egg-base) would leave it out of the archive, and with it the list of files
// that an installation from the archive needs for its package data.
//
// The tools run without a terminal, with empty standard input and in a process
// group that is ended (TERM, then KILL) when ctx ends. Errors are *BuildError,
// or *sdist.InvalidError when the tool made an archive that kis does not accept;
// errors.Is finds the cause of ctx in them.
func Build(ctx context.Context, opts BuildOptions) (*sdist.Archive, error) {
	return newBuilder(opts).build(ctx)
}

// builder is one run of Build.
type builder struct {
	dir, kind, python, cache string

	ownPython bool // the user named the interpreter
	say       func(string)
	run       runner
	lookPath  func(string) (string, error)
	temp      string // this run's folder; set by build
}

func newBuilder(opts BuildOptions) *builder {
	b := &builder{
		dir: opts.Dir, kind: opts.Builder, python: opts.Python, cache: opts.Cache,
		ownPython: opts.Python != "",
		say:       opts.Say,
		run:       runner{log: opts.Log, grace: defaultGrace},
		lookPath:  exec.LookPath,
	}
	if b.kind == "" {
		b.kind = builderAuto
	}
	if b.python == "" {
		b.python = "python3"
	}
	if b.say == nil {
		b.say = func(string) {}
	}
	if b.run.log == nil {
		b.run.log = io.Discard
	}
	return b
}

func (b *builder) build(ctx context.Context) (_ *sdist.Archive, err error) {
	if b.dir, err = filepath.Abs(b.dir); err != nil {
		return nil, b.failed(err)
	}
	if filepath.Base(b.python) != b.python { // a path, which is not meant from the project's folder
		if b.python, err = filepath.Abs(b.python); err != nil {
			return nil, b.failed(err)
		}
	}
	has, err := b.inspect()
	if err != nil {
		return nil, b.failed(err)
	}
	release, err := b.makeTemporary(ctx)
	if err != nil {
		return nil, b.failed(err)
	}
	defer func() {
		_ = os.RemoveAll(b.temp) // what is left of it is swept by a later build
		release()
	}()
	for _, name := range []string{"out", "work", "tmp"} {
		if err := os.Mkdir(filepath.Join(b.temp, name), 0o700); err != nil {
			return nil, b.failed(err)
		}
	}
	// Tools that are killed leave their own temporary folders behind: in ours.
	b.run.env = append(os.Environ(), "PYTHONDONTWRITEBYTECODE=1", "PIP_NO_INPUT=1", "TMPDIR="+filepath.Join(b.temp, "tmp"))
	unlock, err := b.lockProject(ctx)
	if err != nil {
		return nil, b.failed(err)
	}
	defer unlock()
	cmd, err := b.choose(ctx, has)
	if err != nil {
		return nil, b.failed(err)
	}
	cmd.hint = "to see it without kis, run in the project's folder: " + cmd.name
	if err := b.run.run(ctx, cmd); err != nil {
		return nil, b.failed(err)
	}
	path, err := onlyArchive(filepath.Join(b.temp, "out"))
	if err != nil {
		return nil, b.failed(&BuildError{Command: cmd.name, Err: err})
	}
	a, err := sdist.Open(path)
	if err != nil {
		return nil, err
	}
	a.Path = filepath.Base(a.Path)
	return a, nil
}

// failed makes any error of a build a *BuildError that names the project.
func (b *builder) failed(err error) error {
	if failure, ok := errors.AsType[*BuildError](err); ok {
		failure.Dir = b.dir
		return failure
	}
	return &BuildError{Dir: b.dir, Err: err}
}

// project tells which of the files that describe a project are there.
type project struct {
	pyproject, setup bool
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
		return project{}, errors.New("is not a folder")
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
			"run kis in the folder of a Python project, or give it an archive with --sdist")
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

// onlyArchive never guesses: a tool that made two archives made one too many.
func onlyArchive(dir string) (string, error) {
	found, err := filepath.Glob(filepath.Join(dir, "*.tar.gz"))
	if err != nil {
		return "", err
	}
	switch len(found) {
	case 0:
		return "", errors.New("it made no .tar.gz")
	case 1:
		return found[0], nil
	}
	for i := range found {
		found[i] = filepath.Base(found[i])
	}
	return "", fmt.Errorf("it made %d archives instead of one: %s", len(found), strings.Join(found, ", "))
}
