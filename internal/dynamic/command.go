// Package dynamic runs the command of this machine that an inventory names with `dynamic`, once the
// user has allowed it: a repository that was cloned must not run programs by itself.
package dynamic

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/keep-it-simple/kis/internal/safetext"
	"github.com/keep-it-simple/kis/internal/tail"
)

const (
	// timeout is for the whole command, with a password that it may ask for.
	timeout = 2 * time.Minute
	// killGrace is how long programs that the command has started may keep its output open.
	killGrace = time.Second
	// maxOutput is far above the inventories of thousands of hosts.
	maxOutput = 64 << 20
)

// Command is a command with its arguments, and the directory in which it runs.
type Command struct {
	dir   string // absolute
	text  string // as the inventory has it
	words []string
}

// Parse splits a command as sh does, with quotes and backslashes, and refuses what only a shell
// could do. A program with a slash in its name is relative to the directory.
func Parse(dir, text string) (Command, error) {
	absolute, err := filepath.Abs(dir)
	if err != nil {
		return Command{}, err
	}
	words, err := split(text)
	if err != nil {
		return Command{}, err
	}
	return Command{absolute, text, words}, nil
}

// String returns the command as the inventory has it.
func (c Command) String() string { return c.text }

// Dir returns the directory in which it runs.
func (c Command) Dir() string { return c.dir }

// digest identifies the command and its directory.
func (c Command) digest() string {
	sum := sha256.Sum256([]byte(c.dir + "\x00" + c.text))
	return hex.EncodeToString(sum[:])
}

// Error is a command that failed.
type Error struct {
	Command string
	Cause   error
	Lines   []string // the last that it wrote to its standard error
}

func (e *Error) Error() string { return fmt.Sprintf("%s: %s", e.Command, e.Cause) }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

// Tail returns the last lines that the command wrote to its standard error.
func (e *Error) Tail() []string { return e.Lines }

// Run returns what the command prints. It has kis's environment and terminal, for a password that
// it may ask for, but no standard input.
func (c Command) Run(ctx context.Context) ([]byte, error) {
	return c.run(ctx, timeout)
}

func (c Command) run(ctx context.Context, limit time.Duration) ([]byte, error) {
	program := c.words[0]
	if strings.ContainsRune(program, '/') && !filepath.IsAbs(program) {
		program = filepath.Join(c.dir, program)
	}
	limited, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	var out bounded
	var messages tail.Lines
	cmd := exec.CommandContext(limited, program, c.words[1:]...)
	cmd.Dir, cmd.WaitDelay = c.dir, killGrace
	cmd.Stdout, cmd.Stderr = &out, &messages
	err := cmd.Run()
	switch {
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case out.full:
		err = fmt.Errorf("printed more than %d MiB", maxOutput>>20)
	case errors.Is(limited.Err(), context.DeadlineExceeded):
		err = fmt.Errorf("did not finish in %s", safetext.Duration(limit))
	case errors.Is(err, exec.ErrWaitDelay):
		err = nil // it has finished; what it left running is not the inventory's
	case errors.Is(err, exec.ErrNotFound):
		err = fmt.Errorf("there is no program %q in PATH", c.words[0])
	}
	if err != nil {
		return nil, &Error{c.text, err, messages.Lines()}
	}
	return out.text.Bytes(), nil
}

// bounded keeps what a program writes, up to a limit.
type bounded struct {
	text bytes.Buffer // not embedded: io.Copy would use its ReadFrom
	full bool
}

// Write keeps the text. An error ends the copying, and with it the program.
func (b *bounded) Write(p []byte) (int, error) {
	if b.text.Len()+len(p) > maxOutput {
		b.full = true
		return 0, errors.New("too much output")
	}
	return b.text.Write(p)
}
