// Package pybuild builds a Python source distribution of a project with the tools that the project
// and this machine have: setup.py, `python -m build` or uv. Package sdist opens and validates the
// archive. Of an application that is pure Python it builds the wheel as well, which package wheel
// validates, so that hosts only unpack it.
//
// It runs code of the project, and knows no hosts.
package pybuild

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/keep-it-simple/kis/internal/sdist"
)

// The values of Options.Builder.
const (
	builderAuto    = "auto"
	builderSetupPy = "setup.py"
	builderBuild   = "build"
	builderUV      = "uv"
)

// Options say what to build and with what. The zero value builds the current directory with the
// tools that are installed.
type Options struct {
	// Dir is the project's directory; empty means the current one. A version manager such as pyenv
	// chooses Python by it.
	Dir string
	// Builder is the tool: "setup.py" runs `python setup.py sdist`, "build" the PEP 517 front end
	// `python -m build`, "uv" runs `uv build`. "auto", the default, depends on the project and on
	// what is installed, see plan.
	Builder string
	// Python is the local interpreter, a name on PATH or a path; default python3. It must be 3.8 or
	// newer.
	Python string
	// Exclude is a file that never belongs into an archive: the inventory, which may lie in the
	// project. A member with its name and content is removed, whatever backend put it there. Empty:
	// none.
	Exclude string
	// Cache is the directory of private build environments; default is kis in os.UserCacheDir. One
	// that is older than a week is made again where that succeeds, because its requirements are
	// rarely pinned.
	Cache string
	// Log receives all output of the tools as it is written, from one goroutine at a time; nil
	// discards it. An error of Log does not end the build.
	Log io.Writer
	// Say receives single sentences for the user, such as that a private build environment is made;
	// nil discards them.
	Say func(string)
	// Editable makes Wheel build one that refers to the source's directory (PEP 660), see
	// wheel.Archive.At. Build has no use for it.
	Editable bool
}

// Build builds a source distribution of a project, opens and validates it. The archive is written
// to a temporary directory of this build, so that concurrent builds do not share the project's dist
// directory, and is deleted as soon as it is open: Archive.Path is its name, without a directory.
// Builds of one project are serialized all the same, because setuptools uses directories inside the
// project; it also leaves a *.egg-info there, which kis does not prevent: --egg-base would leave it
// out of the archive, and with it the list of files that an installation from the archive needs for
// its package data.
//
// The tools run without a terminal, with empty standard input and in a process group that is
// terminated (TERM, then KILL) when ctx ends. Errors are *Error, or *sdist.InvalidError when kis
// does not accept the archive; errors.Is finds the cause of ctx in them.
func Build(ctx context.Context, opts Options) (*sdist.Archive, error) {
	return newBuilder(opts).build(ctx)
}

// builder is one run of Build.
type builder struct {
	dir, kind, python, cache, exclude string

	ownPython bool // the user named the interpreter
	say       func(string)
	run       runner
	lookPath  func(string) (string, error)
	temp      string // this build's directory; set by build
}

func newBuilder(opts Options) *builder {
	b := &builder{
		dir: opts.Dir, kind: cmp.Or(opts.Builder, builderAuto), python: cmp.Or(opts.Python, "python3"),
		cache: opts.Cache, exclude: opts.Exclude,
		ownPython: opts.Python != "",
		say:       opts.Say,
		run: runner{
			env: append(os.Environ(), "PYTHONDONTWRITEBYTECODE=1", "PIP_NO_INPUT=1"),
			log: opts.Log, grace: killGrace,
		},
		lookPath: exec.LookPath,
	}
	if b.say == nil {
		b.say = func(string) {}
	}
	if b.run.log == nil {
		b.run.log = io.Discard
	}
	return b
}

func (b *builder) build(ctx context.Context) (*sdist.Archive, error) {
	p, err := b.plan(ctx)
	if err != nil {
		return nil, b.failed(err)
	}
	if err := b.makeTemporary(); err != nil {
		return nil, b.failed(err)
	}
	defer os.RemoveAll(b.temp) //nolint:errcheck // the build's own result matters more
	path, err := b.execute(ctx, p)
	if err != nil {
		return nil, b.failed(err)
	}
	a, err := b.open(path)
	if err != nil {
		return nil, err
	}
	a.Path = filepath.Base(path)
	if warning := b.omitted(ctx, a); warning != "" {
		a.Warnings = append(a.Warnings, warning)
	}
	return a, nil
}

// open opens the archive, without the file that is to be excluded.
func (b *builder) open(path string) (*sdist.Archive, error) {
	a, err := sdist.Open(path)
	if err != nil || b.exclude == "" {
		return a, err
	}
	content, err := os.ReadFile(b.exclude)
	if err != nil {
		return nil, errors.Join(err, a.Close())
	}
	member, found := a.FindCopy(filepath.Base(b.exclude), content)
	if !found {
		return a, nil
	}
	if err := a.WriteWithout(member, path+".new"); err != nil {
		return nil, errors.Join(err, a.Close())
	}
	if err := errors.Join(a.Close(), os.Rename(path+".new", path)); err != nil {
		return nil, err
	}
	return sdist.Open(path)
}

// makeTemporary creates the directory of this build, mode 0700. Tools that are killed leave their
// own temporary files in it, not beside it.
func (b *builder) makeTemporary() (err error) {
	if b.temp, err = os.MkdirTemp("", "kis-build-"); err != nil {
		return err
	}
	for _, name := range []string{"out", "work", "tmp"} {
		if err := os.Mkdir(filepath.Join(b.temp, name), 0o700); err != nil {
			return err
		}
	}
	b.run.env = append(b.run.env, "TMPDIR="+filepath.Join(b.temp, "tmp"))
	return nil
}

// execute runs the plan, while no other build runs in the project, and returns the archive's path.
func (b *builder) execute(ctx context.Context, p toolPlan) (string, error) {
	unlock, err := b.lockProject(ctx)
	if err != nil {
		return "", err
	}
	defer unlock()
	run := b.runTool
	if p.tool == builderBuild && p.private {
		run = b.runHook
	}
	name, err := run(ctx, p)
	if err != nil {
		b.forgetInterpreter(b.python)
		return "", err
	}
	path, err := onlyArchive(b.out())
	if err != nil {
		return "", &Error{Command: name, Err: err}
	}
	if p.tool == builderSetupPy && !p.private {
		b.rememberInterpreter(b.python, p.python)
	}
	return path, nil
}

// runHook calls the hook of the project's backend in a private environment, and returns its name
// for errors. Where there can be none, it runs the interpreter's own front end.
func (b *builder) runHook(ctx context.Context, p toolPlan) (string, error) {
	name := p.name(p.python.Executable)
	err := b.call(ctx, p.python, hook{kind: "sdist", source: b.dir, out: b.out(), name: p.name})
	if _, noEnvironment := errors.AsType[*environmentError](err); noEnvironment && p.python.Build {
		b.say("no private build environment, and " + name + " is run instead: " + err.Error())
		p.private = false
		return b.runTool(ctx, p)
	}
	return name, err
}

// runTool runs the tool of a plan, and returns its name for errors.
func (b *builder) runTool(ctx context.Context, p toolPlan) (string, error) {
	cmd, err := b.command(ctx, p)
	if err != nil {
		return "", err
	}
	cmd.hint = "to see it without kis, run in the project's directory: " + cmd.name
	run := b.run
	if p.private {
		run.env = inEnvironment(privateEnviron(run.env), filepath.Dir(cmd.args[0]))
	}
	return cmd.name, run.run(ctx, cmd)
}

// failed makes any error of a build an *Error that names the project.
func (b *builder) failed(err error) *Error {
	if failure, ok := errors.AsType[*Error](err); ok {
		failure.Dir = b.dir
		return failure
	}
	return &Error{Dir: b.dir, Err: err}
}

// onlyArchive refuses to choose between several archives.
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
