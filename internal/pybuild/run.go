package pybuild

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/keep-it-simple/kis/internal/guard"
	"github.com/keep-it-simple/kis/internal/safetext"
	"github.com/keep-it-simple/kis/internal/sdist"
	"github.com/keep-it-simple/kis/internal/tail"
)

// Error says why there is no archive. No host was contacted.
type Error struct {
	// Dir is the project's directory.
	Dir string
	// Command is the command that failed, for the user; empty if none was run.
	Command string
	// Cause is the line of the command's output that says why it failed, safe to print, or empty
	// where kis does not recognize it. Error omits it.
	Cause string
	// Tail is the end of the command's output, at most 20 lines, safe to print. Error
	// leaves it out: print it below.
	Tail []string
	// Hint is a remedy, or empty. Error omits it.
	Hint string
	// Err is the cause: an *exec.ExitError, the context's cause, ….
	Err error
}

// Error prints directory, command and cause in one line.
func (e *Error) Error() string {
	parts := []string{"build " + sdist.Quoted(e.Dir)}
	if e.Command != "" {
		parts = append(parts, e.Command)
	}
	return strings.Join(append(parts, e.Err.Error()), ": ")
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// killGrace is how long tools may take to clean up before they are killed.
const killGrace = 5 * time.Second

// command is a program to run, without a shell.
type command struct {
	args []string
	name string // what errors call it; empty means all of args
	dir  string
	hint string // for the error, if it fails
}

// runner runs commands one after another.
type runner struct {
	env   []string
	log   io.Writer
	grace time.Duration
}

// run runs the command until it ends, with its output going to the log. It returns an *Error with
// Command, Tail, Hint and Err if the command fails or ctx ends. In every case it then kills the
// rest of the command's process group.
func (r runner) run(ctx context.Context, c command) error {
	cmd := exec.CommandContext(ctx, c.args[0], c.args[1:]...)
	last := new(tail.Lines)
	out := &quiet{w: io.MultiWriter(last, r.log)}
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = c.dir, r.env, out, out
	cmd.WaitDelay = r.grace
	ownGroup(cmd)
	err := cmd.Run()
	killGroup(cmd) // processes that ignore TERM or run in the background
	bug := out.bug.Load()
	switch {
	case bug != nil:
		err = bug
	case ctx.Err() != nil && err != nil:
		err = context.Cause(ctx)
	case err == nil, errors.Is(err, exec.ErrWaitDelay): // it succeeded and left a child behind
		return nil
	case errors.Is(err, exec.ErrNotFound):
		err = fmt.Errorf("not found: %w", err)
	}
	return &Error{Command: cmp.Or(c.name, strings.Join(c.args, " ")), Cause: safetext.Output(last.Cause()), Tail: printable(last.Lines()), Hint: c.hint, Err: err}
}

// quiet hides the errors of a writer: a full disk under the log is not a failed build. It keeps a
// panic, because exec calls it on a goroutine of its own.
type quiet struct {
	w   io.Writer
	bug atomic.Pointer[guard.Panic]
}

// Write never fails.
func (q *quiet) Write(p []byte) (int, error) {
	guard.Do(func() { _, _ = q.w.Write(p) }, q.bug.Store)
	return len(p), nil
}

// printable makes the lines safe to print.
func printable(lines []string) []string {
	var kept []string
	for _, line := range lines {
		if line = safetext.Output(line); strings.TrimSpace(line) != "" {
			kept = append(kept, line)
		}
	}
	return kept
}

// ownGroup makes the command the leader of a session of its own. Its process group gets TERM when
// the command's context ends: a front end runs its back end as a child. A session without a
// terminal cannot open /dev/tty: a tool that asked there would stop, and wait for an answer that
// never comes.
func ownGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	cmd.Cancel = func() error { return guard.Try(func() error { return terminate(cmd) }) }
}

func terminate(cmd *exec.Cmd) error {
	err := syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM)
	if errors.Is(err, syscall.ESRCH) {
		return os.ErrProcessDone
	}
	return err
}

// killGroup kills what is left of the group after its leader has ended. The kernel does not reuse
// the group's number while a member lives.
func killGroup(cmd *exec.Cmd) {
	if cmd.Process != nil {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // ESRCH: none is left
	}
}
