package backends

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/pybuild"
	"github.com/keep-it-simple/kis/internal/testenv"
	"github.com/keep-it-simple/kis/internal/testenv/hosttest"
	"github.com/keep-it-simple/kis/internal/testenv/testcache"
)

// cell is one push: a backend, an environment, and how the application is built.
type cell struct {
	backend    backend
	mode       string // editable or regular
	layout     string // src or flat
	hostBuilds bool   // whether this machine has no Python
}

// choose returns the cell of a backend and an environment, by their numbers. Each backend and each environment gets all
// eight combinations of mode, layout and builder.
func choose(backends []backend, b, e int) cell {
	k := b + e
	return cell{backend: backends[b], mode: pick(k, "editable", "regular"), layout: pick(k>>1, "src", "flat"), hostBuilds: k>>2&1 == 1}
}

func pick(bit int, zero, one string) string {
	if bit&1 == 1 {
		return one
	}
	return zero
}

// seen is what a push came to.
type seen struct {
	cell
	exit    int
	failure testenv.Failure
	lacks   string // what the host has not
}

// TestEveryBackendOnEveryPython pushes a cell for each backend and environment, and compares the table of what it saw with
// that of docs/compatibility.md.
func TestEveryBackendOnEveryPython(t *testing.T) {
	all, environments := backends(), environments()
	columns := make([]column, len(environments))
	t.Setenv("CARGO_HOME", filepath.Join(testcache.Dir(t), "cargo"))
	common := shared(t)
	config := hosttest.NewClient(t, []*hosttest.Host{common}).Config
	t.Run("environments", func(t *testing.T) {
		for i, e := range environments {
			t.Run(e.name+" "+e.python, func(t *testing.T) {
				t.Parallel()
				var h host
				if e.suite != "" {
					h = debian(t, e)
				} else {
					h = e.on(t, common, config)
				}
				for b := range all {
					c := choose(all, b, i)
					if !h.compilers {
						c.backend = c.backend.pure()
					}
					t.Run(c.backend.name, func(t *testing.T) { columns[i].cells = append(columns[i].cells, h.push(t, c)) })
				}
				columns[i].title = h.title(t, e)
			})
		}
	})
	assert.NoDirExists(t, filepath.Join(common.Home, "elsewhere"), "where the host's .pydistutils.cfg has setuptools build")
	complete := !slices.ContainsFunc(columns, func(c column) bool { return len(c.cells) < len(all) })
	switch {
	case complete:
		compare(t, columns)
	case !t.Failed():
		t.Log("-run has left out a part: there is no table to compare")
	}
}

// push deploys the application of a cell. Where that succeeds, its script runs from the linked package.
func (h host) push(t *testing.T, c cell) seen {
	t.Helper()
	w := &testenv.Env{T: t, Client: &hosttest.Client{Config: h.config}, Home: t.TempDir(), Dir: t.TempDir()}
	for name, text := range c.backend.write(pick(map[string]int{"src": 0, "flat": 1}[c.layout], "src/", "")) {
		w.Write(name, text)
	}
	stage := strings.ReplaceAll(c.backend.name, "-", "_")
	w.Inventory(fmt.Sprintf("root: %s\npython: %s\ninstall: {mode: %s}\nstages: {%s: {hosts: [web1]}}\n", h.root, h.python, c.mode, stage))
	git(t, w.Dir)
	args, path := []string{"push", stage, "-o", "json"}, toolchain(t)+"/bin:/usr/bin:/bin"
	if c.hostBuilds {
		args, path = append(args, "--sdist", archive(t, w.Dir)), "/nonexistent"
	}
	kis := w.Command(t.Context(), args...)
	kis.Env = append(kis.Env, "PATH="+path, "CARGO_HOME="+os.Getenv("CARGO_HOME"))
	r := w.Wait(kis)
	if r.Exit != 0 {
		report := r.Report(t)
		require.Len(t, report.Failures, 1)
		found := seen{cell: c, exit: r.Exit, failure: report.Failures[0]}
		if !h.compilers && c.backend.compiles != "" {
			found.lacks = "the host has no " + c.backend.compiles + " compiler"
		}
		return found
	}
	c.hostBuilds = strings.Contains(r.Out, "hosts build the application")
	h.prove(t, w, c, stage)
	return seen{cell: c}
}

// prove runs the application's script in what the stage is linked to.
func (h host) prove(t *testing.T, w *testenv.Env, c cell, stage string) {
	t.Helper()
	script, pkg := c.backend.project(), c.backend.importable()+"-1.0"
	r := w.Kis("exec", stage, "--", fmt.Sprintf("%[1]s && python -I -c 'import %[2]s' && { %[1]s fails; echo status $?; }", script, c.backend.importable()))
	require.Zero(t, r.Exit)
	language, inside := c.backend.compiles, h.root+"/"+pkg+"/"
	if language == "" {
		language = "Python"
	}
	if c.mode == "regular" {
		inside += ".venv/lib/"
	} else {
		inside += pick(map[string]int{"src": 0, "flat": 1}[c.layout], "src/", "") + c.backend.importable() + "/"
	}
	assert.Regexp(t, `works data six `+language+` `+regexp.QuoteMeta(inside)+`\S*__init__\.py\n\s*status 7\n`, r.Out)
}

// git commits a project: meson makes source distributions of commits only.
func git(t *testing.T, dir string) {
	t.Helper()
	for _, args := range [][]string{{"init", "-q"}, {"add", "."}, {"-c", "user.name=kis", "-c", "user.email=kis@example.org", "commit", "-q", "-m", "sample"}} {
		cmd := exec.CommandContext(t.Context(), "git", args...)
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s", out)
	}
}

// archive builds the source distribution of a project as kis does, and returns its path.
func archive(t *testing.T, dir string) string {
	t.Helper()
	a, err := pybuild.Build(t.Context(), pybuild.Options{Dir: dir, Python: testenv.Python, Cache: filepath.Join(testcache.Dir(t), "kis")})
	require.NoError(t, err)
	defer func() { assert.NoError(t, a.Close()) }()
	path := filepath.Join(t.TempDir(), filepath.Base(a.Path))
	out, err := os.Create(path)
	require.NoError(t, err)
	_, err = io.Copy(out, a.Reader())
	require.NoError(t, errors.Join(err, out.Close()))
	return path
}
