package pybuild

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/guard"
	"github.com/keep-it-simple/kis/internal/sdist"
)

const setupScript = `from setuptools import setup
setup(name="projectA", version="0.4", packages=["projecta"])
`

// projectOf makes a project from pairs of path and content.
func projectOf(t testing.TB, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, data := range files {
		path := filepath.Join(root, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(data), 0o644))
	}
	return root
}

func setupProject(t testing.TB) string {
	return projectOf(t, map[string]string{
		"setup.py": setupScript, "projecta/__init__.py": "value = 1\n", "README.md": "x\n", ".env": "not packed\n",
	})
}

// mustBuild builds, and shows all output if that fails.
func mustBuild(t testing.TB, opts Options) *sdist.Archive {
	t.Helper()
	var log bytes.Buffer
	opts.Log = &log
	a, err := Build(t.Context(), opts)
	require.NoError(t, err, "%s", &log)
	t.Cleanup(func() { require.NoError(t, a.Close()) })
	return a
}

// fakeSetup makes a project whose setup.py is the given script. Its variable dist is the directory
// for the archive.
func fakeSetup(t testing.TB, script string) string {
	return projectOf(t, map[string]string{
		"setup.py": "import sys\ndist = sys.argv[sys.argv.index('--dist-dir') + 1]\n" + script,
	})
}

func TestBuildWithSetupPy(t *testing.T) {
	t.Parallel()
	project := setupProject(t)
	var log bytes.Buffer
	b := newBuilder(Options{Dir: project, Cache: t.TempDir(), Log: &log})
	a, err := b.build(t.Context())
	require.NoError(t, err, "%s", &log)

	assert.Equal(t, "projecta-0.4", a.Package.String())
	assert.Equal(t, "projectA", a.Name)
	assert.Contains(t, log.String(), "running sdist")
	assert.NoDirExists(t, filepath.Join(project, "dist"))
	assert.NoDirExists(t, filepath.Join(project, "projecta", "__pycache__"))
	data, err := io.ReadAll(a.Reader())
	require.NoError(t, err)
	sum := sha256.Sum256(data)
	assert.Equal(t, hex.EncodeToString(sum[:]), a.SHA256)

	assert.Regexp(t, `^project[aA]-0\.4\.tar\.gz$`, a.Path)
	assert.NoDirExists(t, b.temp, "the open archive needs no name")
	require.NoError(t, a.Close())
}

func TestRebuildGivesSameContent(t *testing.T) {
	t.Parallel()
	project := setupProject(t)
	first := mustBuild(t, Options{Dir: project, Builder: "setup.py"})
	source := filepath.Join(project, "projecta", "__init__.py")
	require.NoError(t, os.Chtimes(source, time.Unix(1e9, 0), time.Unix(1e9, 0)))
	require.NoError(t, os.Chmod(source, 0o600))
	second := mustBuild(t, Options{Dir: project, Builder: "setup.py"})

	assert.NotEqual(t, first.SHA256, second.SHA256)
	assert.Equal(t, first.Content, second.Content)

	require.NoError(t, os.WriteFile(source, []byte("value = 2\n"), 0o644))
	third := mustBuild(t, Options{Dir: project, Builder: "setup.py"})
	assert.NotEqual(t, first.Content, third.Content)
}

// TestBuildBelowASetGroupIDDirectory: directories inherit the bit, those of the archive too.
func TestBuildBelowASetGroupIDDirectory(t *testing.T) {
	t.Parallel()
	project := setupProject(t)
	want := mustBuild(t, Options{Dir: project, Builder: "setup.py"}).Content
	for _, dir := range []string{project, filepath.Join(project, "projecta")} {
		require.NoError(t, os.Chmod(dir, 0o775|os.ModeSetgid))
	}
	assert.Equal(t, want, mustBuild(t, Options{Dir: project, Builder: "setup.py"}).Content)
}

func TestBuildErrorHasTailOfOutput(t *testing.T) {
	t.Parallel()
	b := newBuilder(Options{Dir: fakeSetup(t, `
import os
print("mode %o" % (os.stat(os.path.dirname(dist)).st_mode & 0o777), flush=True)
for n in range(30):
    print("line", n, flush=True)
print("\x1b[31mno compiler\x1b[0m", file=sys.stderr)
sys.exit(3)
`)})
	var log bytes.Buffer
	b.run.log = &log
	_, err := b.build(t.Context())

	var failure *Error
	require.ErrorAs(t, err, &failure)
	assert.Equal(t, b.dir, failure.Dir)
	assert.True(t, strings.HasSuffix(err.Error(), " setup.py sdist: exit status 3"), err.Error())
	assert.Contains(t, failure.Hint, "setup.py sdist")
	require.Len(t, failure.Tail, 20)
	assert.Equal(t, "line 11", failure.Tail[0])
	assert.Equal(t, `\x1b[31mno compiler\x1b[0m`, failure.Tail[19])
	assert.Contains(t, log.String(), "mode 700\nline 0\n")
	assert.NoDirExists(t, b.temp)
}

func TestBuildRequiresOneValidArchive(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ script, want string }{
		"none":    {"open(dist + '/a.zip', 'w')", "it made no .tar.gz"},
		"two":     {"open(dist + '/a.tar.gz', 'w')\nopen(dist + '/b.tar.gz', 'w')", "it made 2 archives instead of one: a.tar.gz, b.tar.gz"},
		"invalid": {"open(dist + '/a.tar.gz', 'w').write('junk')", "a.tar.gz: is not compressed with gzip"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBuilder(Options{Dir: fakeSetup(t, test.script)})
			_, err := b.build(t.Context())
			require.ErrorContains(t, err, test.want)
			assert.NoDirExists(t, b.temp)
		})
	}
}

func TestBuildRefusesNonProjects(t *testing.T) {
	t.Parallel()
	pyproject := projectOf(t, map[string]string{"pyproject.toml": ""})
	directoryOnly := projectOf(t, map[string]string{"setup.py/x": ""})
	setup := fakeSetup(t, "")
	tests := map[string]struct {
		opts Options
		want string
	}{
		"empty directory":    {Options{Dir: t.TempDir()}, "neither pyproject.toml nor setup.py: run kis in the directory of a Python project"},
		"directory setup.py": {Options{Dir: directoryOnly}, "neither pyproject.toml nor setup.py"},
		"missing directory":  {Options{Dir: "/nonexistent/project"}, "build /nonexistent/project: no such project"},
		"file":               {Options{Dir: filepath.Join(setup, "setup.py")}, "is not a directory"},
		"unknown builder":    {Options{Dir: setup, Builder: "make"}, `unknown builder "make": use auto, setup.py, build or uv`},
		"builder without it": {Options{Dir: pyproject, Builder: "setup.py"}, "no setup.py: use `build: auto`"},
		"no such python":     {Options{Dir: setup, Python: "no-such-python"}, "no-such-python: not found"},
		"no python at all":   {Options{Dir: setup, Python: "true"}, "true: its answer is not that of a Python interpreter"},
		"failing python":     {Options{Dir: setup, Python: "false"}, "false: exit status 1"},
		"old python":         {Options{Dir: setup, Python: fakePython(t, `{"version": "3.6.15", "supported": false}`)}, "is Python 3.6.15, kis needs 3.8 or newer"},
		"no venv": {
			Options{Dir: setup, Cache: t.TempDir(), Python: fakePython(t, `{"version": "3.12.1", "supported": true}`)},
			"-m venv: this Python lacks venv or ensurepip",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := Build(t.Context(), test.opts)
			var failure *Error
			require.ErrorAs(t, err, &failure)
			require.ErrorContains(t, err, test.want)
			assert.NotContains(t, err.Error(), "\n")
		})
	}
}

// fakePython makes a program that prints the answer whatever it is asked.
func fakePython(t testing.TB, answer string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "python")
	require.NoError(t, os.WriteFile(path, []byte("#!/bin/sh\ncat <<'END'\n"+answer+"\nEND\n"), 0o700))
	return path
}

func TestBuildNamesPackageWithVenv(t *testing.T) {
	t.Parallel()
	python := pythonWithout(t, "build", "setuptools", "ensurepip")
	_, err := Build(t.Context(), Options{Dir: setupProject(t), Cache: t.TempDir(), Python: python})
	var failure *Error
	require.ErrorAs(t, err, &failure)
	assert.Contains(t, failure.Hint, "apt install python3-venv")
}

// pythonWithout wraps the real interpreter; importing one of the modules fails.
func pythonWithout(t testing.TB, modules ...string) string {
	t.Helper()
	files := map[string]string{}
	for _, module := range modules {
		files[module+".py"] = "raise ImportError('not here')\n"
	}
	hidden := projectOf(t, files)
	real, err := exec.LookPath("python3")
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "python")
	script := fmt.Sprintf("#!/bin/sh\nPYTHONPATH='%s' exec '%s' \"$@\"\n", hidden, real)
	require.NoError(t, os.WriteFile(path, []byte(script), 0o700))
	return path
}

func TestBuildExplainsMissingUV(t *testing.T) {
	t.Parallel()
	b := newBuilder(Options{Dir: setupProject(t), Builder: "uv"})
	b.lookPath = noUV
	_, err := b.build(t.Context())
	require.ErrorIs(t, err, exec.ErrNotFound)
	var failure *Error
	require.ErrorAs(t, err, &failure)
	assert.Contains(t, failure.Hint, "install uv")
}

func noUV(name string) (string, error) {
	return "", &exec.Error{Name: name, Err: exec.ErrNotFound}
}

// signalLog calls ready with the rest of the first line that has "ready " in it.
type signalLog struct {
	text  strings.Builder
	once  sync.Once
	ready func(string)
}

func (l *signalLog) Write(p []byte) (int, error) {
	l.text.Write(p)
	if _, rest, ok := strings.Cut(l.text.String(), "ready "); ok {
		if line, _, ok := strings.Cut(rest, "\n"); ok {
			l.once.Do(func() { l.ready(line) })
		}
	}
	return len(p), nil
}

func TestCancelKillsProcessGroup(t *testing.T) {
	t.Parallel()
	// The tool's child ignores TERM and outlives its parent, as a compiler may.
	project := fakeSetup(t, `
import subprocess, time
child = """
import fcntl, os, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
lock = open('held', 'w')
fcntl.flock(lock, fcntl.LOCK_EX)
print('ready', os.getpid(), flush=True)
time.sleep(600)
"""
subprocess.Popen([sys.executable, '-c', child])
time.sleep(600)
`)
	ctx, cancel := context.WithCancelCause(t.Context())
	reason := errors.New("interrupted")
	b := newBuilder(Options{Dir: project, Builder: "setup.py"})
	b.run.log = &signalLog{ready: func(string) { cancel(reason) }}
	b.run.grace = 100 * time.Millisecond
	_, err := b.build(ctx)

	require.ErrorIs(t, err, reason)
	var failure *Error
	require.ErrorAs(t, err, &failure)
	assert.NoDirExists(t, b.temp)
	// The kernel releases the child's lock when the child ends.
	held, err := os.Open(filepath.Join(project, "held"))
	require.NoError(t, err)
	defer func() { _ = held.Close() }()
	free := make(chan error, 1)
	go func() { free <- syscall.Flock(int(held.Fd()), syscall.LOCK_EX) }()
	select {
	case err := <-free:
		require.NoError(t, err)
	case <-time.After(20 * time.Second):
		t.Fatal("the tool's child outlived the build")
	}
}

func TestCancelSendsTERMFirst(t *testing.T) {
	t.Parallel()
	project := fakeSetup(t, `
import signal, time
def end(*_):
    open('cleaned-up', 'w').close()
    sys.exit(1)
signal.signal(signal.SIGTERM, end)
print('ready', 0, flush=True)
time.sleep(600)
`)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	_, err := Build(ctx, Options{Dir: project, Builder: "setup.py", Log: &signalLog{ready: func(string) { cancel() }}})
	require.ErrorIs(t, err, context.Canceled)
	assert.FileExists(t, filepath.Join(project, "cleaned-up"))
}

func TestBuildDoesNotWaitForBackgroundProcesses(t *testing.T) {
	t.Parallel()
	b := newBuilder(Options{Builder: "setup.py", Dir: fakeSetup(t, `
import subprocess
child = subprocess.Popen(['sleep', '600'])
print('ready', child.pid, flush=True)
`)})
	pid := 0
	b.run.log = &signalLog{ready: func(line string) { pid, _ = strconv.Atoi(line) }}
	b.run.grace = 100 * time.Millisecond
	_, err := b.build(t.Context())
	require.ErrorContains(t, err, "it made no .tar.gz", "the tool itself succeeded")
	require.NotZero(t, pid)
}

func TestBuildsOfOneProjectAreSerialized(t *testing.T) {
	t.Parallel()
	// mkdir fails if another build runs.
	project := fakeSetup(t, `
import os, time
os.mkdir('busy')
time.sleep(0.3)
os.rmdir('busy')
sys.exit(7)
`)
	var builds sync.WaitGroup
	errs := make([]error, 3)
	for i := range errs {
		builds.Go(func() { _, errs[i] = Build(t.Context(), Options{Dir: project, Builder: "setup.py"}) })
	}
	builds.Wait()
	for _, err := range errs {
		require.ErrorContains(t, err, "exit status 7")
	}
}

func TestLockWaitEndsWithContext(t *testing.T) {
	t.Parallel()
	project := setupProject(t)
	dir, err := os.Open(project)
	require.NoError(t, err)
	unlock, err := lock(t.Context(), dir, nil)
	require.NoError(t, err)
	defer unlock()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	said := ""
	_, err = Build(ctx, Options{Dir: project, Say: func(s string) {
		said = s
		cancel()
	}})
	require.ErrorIs(t, err, context.Canceled)
	assert.Equal(t, "waiting for another build in "+project, said)
}

func TestLogErrorDoesNotFailBuild(t *testing.T) {
	t.Parallel()
	a, err := Build(t.Context(), Options{Dir: setupProject(t), Builder: "setup.py", Log: brokenLog{}})
	require.NoError(t, err)
	require.NoError(t, a.Close())
}

type brokenLog struct{}

func (brokenLog) Write([]byte) (int, error) { return 0, errors.New("disk full") }

type panickingLog struct{}

func (panickingLog) Write([]byte) (int, error) { panic("a bug") }

// exec writes to the log on a goroutine of its own, where a panic would end kis.
func TestBuildFailsIfItsLogPanics(t *testing.T) {
	t.Parallel()
	b := newBuilder(Options{Dir: setupProject(t), Builder: "setup.py", Log: panickingLog{}})
	_, err := b.build(t.Context())
	var bug *guard.Panic
	require.ErrorAs(t, err, &bug)
	assert.Equal(t, "a bug", bug.Value)
	assert.NoDirExists(t, b.temp)
}
