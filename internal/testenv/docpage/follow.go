package docpage

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Page is a page, and how far it has been followed.
type Page struct {
	tb       testing.TB
	path     string
	dir      string   // the project
	env      []string // of commands
	sections []section
	last     int // exit status of the last command
}

// Open reads a page of docs/. Its files are written below a directory, in which its commands run. The test has to follow it to
// the end.
func Open(tb testing.TB, name, dir string, env []string) *Page {
	tb.Helper()
	path := filepath.Join(Dir(tb), name)
	text, err := os.ReadFile(path)
	require.NoError(tb, err)
	p := &Page{tb: tb, path: path, dir: dir, env: env}
	p.sections, err = parse(string(text))
	require.NoError(tb, err, path)
	require.NotEmpty(tb, p.sections, "%s has nothing to run", path)
	tb.Cleanup(func() {
		if !tb.Failed() {
			require.Empty(tb, p.sections, "%s: the test has not followed it to the end", path)
		}
	})
	return p
}

// Dir is the directory of the pages, wherever below the module the test runs.
func Dir(tb testing.TB) string {
	tb.Helper()
	top, err := os.Getwd()
	require.NoError(tb, err)
	for {
		if _, err := os.Stat(filepath.Join(top, "go.mod")); err == nil {
			return filepath.Join(top, "docs")
		}
		require.NotEqual(tb, filepath.Dir(top), top, "run the tests inside of the module")
		top = filepath.Dir(top)
	}
}

// Follow does what the next section says; title names it. It returns what the commands have printed.
func (p *Page) Follow(title string) string {
	p.tb.Helper()
	require.NotEmpty(p.tb, p.sections, "%s has no section %q", p.path, title)
	next := p.sections[0]
	require.Equal(p.tb, title, next.title, "%s: the next section", p.path)
	p.sections = p.sections[1:]
	var printed strings.Builder
	for _, b := range next.blocks {
		if b.file != "" {
			p.write(b)
			continue
		}
		for _, c := range b.commands {
			printed.WriteString(p.run(c))
		}
		require.Zero(p.tb, p.last, "%s:%d: the last command has failed", p.path, b.line)
	}
	return printed.String()
}

func (p *Page) write(b block) {
	p.tb.Helper()
	path := filepath.Join(p.dir, b.file)
	require.NoError(p.tb, os.MkdirAll(filepath.Dir(path), 0o755))    //nolint:gosec // a project is no secret
	require.NoError(p.tb, os.WriteFile(path, []byte(b.text), 0o644)) //nolint:gosec // likewise
}

// commandTimeout is for the slowest command of a page, a push.
const commandTimeout = 5 * time.Minute

func (p *Page) run(c command) string {
	p.tb.Helper()
	if c.text != "echo $?" {
		require.Zero(p.tb, p.last, "%s:%d: the command before it has failed, and the page does not say so by: echo $?", p.path, c.line)
	}
	ctx, cancel := context.WithTimeout(p.tb.Context(), commandTimeout)
	defer cancel()
	shell := exec.CommandContext(ctx, "/bin/sh", "-c", fmt.Sprintf("(exit %d)\n%s", p.last, c.text))
	shell.Dir, shell.Env, shell.WaitDelay = p.dir, p.env, 10*time.Second
	begin := time.Now()
	out, err := shell.CombinedOutput()
	if exit, failed := errors.AsType[*exec.ExitError](err); !failed || exit.ExitCode() < 0 {
		require.NoError(p.tb, err, "%s:%d: %s\n%s", p.path, c.line, c.text, out)
	}
	p.last = shell.ProcessState.ExitCode()
	p.tb.Logf("%s:%d: $ %s  (%v)\n%s", filepath.Base(p.path), c.line, c.text, time.Since(begin).Round(time.Millisecond), out)
	if shown, printed := strings.Join(c.output, "\n"), strings.TrimSuffix(string(out), "\n"); !matches(c.output, split(printed)) {
		require.Equal(p.tb, shown, printed, "%s:%d: what %q prints is not what the page shows", p.path, c.line, c.text)
	}
	return string(out)
}

func split(text string) []string {
	if text == "" {
		return nil
	}
	return strings.Split(text, "\n")
}

// Pages are those that are tests.
func Pages() []string {
	return []string{"django.md", "fastapi.md", "flask.md", "pyramid.md", "zero-downtime.md"}
}
