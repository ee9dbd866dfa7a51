package pybuild

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/keep-it-simple/kis/internal/sdist"
)

// BuildError says why there is no archive. No host was contacted.
type BuildError struct {
	// Dir is the project's folder.
	Dir string
	// Command is what ran, for a person to read; empty if it did not come to that.
	Command string
	// Tail is the end of the command's output, at most 20 lines, without control
	// characters. Error leaves it out: print it below.
	Tail []string
	// Hint is a remedy, or empty. Error leaves it out as well.
	Hint string
	// Err is the cause: an *exec.ExitError, the context's cause, ….
	Err error
}

// Error prints folder, command and cause in one line.
func (e *BuildError) Error() string {
	parts := []string{"build " + sdist.Quoted(e.Dir)}
	if e.Command != "" {
		parts = append(parts, e.Command)
	}
	return strings.Join(append(parts, e.Err.Error()), ": ")
}

// Unwrap returns the cause.
func (e *BuildError) Unwrap() error { return e.Err }

// defaultGrace is how long tools may take to clean up before they are killed.
const defaultGrace = 5 * time.Second

// command is a program to run, without a shell.
type command struct {
	args []string
	name string // what errors call it, if not all of args
	dir  string
	hint string // for the error, should it fail
}

// String is the command for a person to read.
func (c command) String() string {
	if c.name != "" {
		return c.name
	}
	return strings.Join(c.args, " ")
}

// runner runs commands one after another.
type runner struct {
	env   []string
	log   io.Writer
	grace time.Duration
}

// run runs the command to its end, with its output going to the log. It returns
// a *BuildError with Command, Tail, Hint and Err when that fails or ctx ends. In
// any case what is left of the command's process group is killed then.
func (r runner) run(ctx context.Context, c command) error {
	cmd := exec.CommandContext(ctx, c.args[0], c.args[1:]...)
	out := &tail{log: r.log}
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = c.dir, r.env, out, out
	cmd.WaitDelay = r.grace
	ownGroup(cmd)
	err := cmd.Run()
	killGroup(cmd) // what ignored TERM, or was left in the background
	switch {
	case ctx.Err() != nil && err != nil:
		err = context.Cause(ctx)
	case err == nil, errors.Is(err, exec.ErrWaitDelay): // it succeeded and left a child behind
		return nil
	case errors.Is(err, exec.ErrNotFound):
		err = fmt.Errorf("not found: %w", err)
	}
	return &BuildError{Command: c.String(), Tail: out.lines(), Hint: c.hint, Err: err}
}

const (
	tailLines  = 20
	tailColumn = 500 // bytes of a line that are worth showing
)

// tail passes output on and remembers the end of it.
type tail struct {
	log  io.Writer
	last []string
	line []byte
}

// Write never fails, so that a full disk under the log does not look like a
// failed build.
func (t *tail) Write(p []byte) (int, error) {
	_, _ = t.log.Write(p)
	for _, c := range p {
		if c == '\n' {
			t.end()
		} else if len(t.line) < tailColumn {
			t.line = append(t.line, c)
		}
	}
	return len(p), nil
}

func (t *tail) end() {
	text := strings.TrimRightFunc(strings.Map(func(r rune) rune {
		if r == '\t' {
			return ' '
		}
		if !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, string(t.line)), unicode.IsSpace)
	t.line = t.line[:0]
	if text == "" {
		return
	}
	if len(t.last) == tailLines {
		t.last = slices.Delete(t.last, 0, 1)
	}
	t.last = append(t.last, text)
}

func (t *tail) lines() []string {
	if len(t.line) > 0 {
		t.end()
	}
	return t.last
}
