package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/keep-it-simple/kis/internal/guard"
	"github.com/keep-it-simple/kis/sshx"
)

// errNoAnswer ends a question that nobody answered.
var errNoAnswer = errors.New("no answer")

// prompt asks the person at the terminal, or is nil when there is none.
func (a *app) prompt() sshx.Prompt {
	if !a.mayAsk() {
		return nil
	}
	return func(ctx context.Context, question string, echo bool) (string, error) {
		return a.putQuestion(ctx, []string{question}, echo)
	}
}

// mayAsk reports whether there is a person to ask.
func (a *app) mayAsk() bool { return a.Terminal && a.output != outputJSON }

// putQuestion asks the person at the terminal; each element of the question is a line. What the run prints meanwhile waits until the answer is
// there.
func (a *app) putQuestion(ctx context.Context, question []string, echo bool) (string, error) {
	tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	if err != nil {
		return "", err
	}
	defer tty.Close() //nolint:errcheck // nothing is lost with it
	defer a.live.pause()()
	return askAt(ctx, tty, question, echo)
}

// askAt puts one question and reads one line. When ctx ends first the question is taken back: what was typed of the answer is thrown away,
// because the next to read it would be another question, or the shell.
func askAt(ctx context.Context, tty *os.File, question []string, echo bool) (answer string, err error) {
	restore, err := setEcho(tty, echo)
	if err != nil {
		return "", fmt.Errorf("the terminal: %w", err)
	}
	defer restore()
	_ = tty.SetReadDeadline(time.Time{}) // some systems have no deadlines for terminals; there the question stays until Enter
	var bug atomic.Pointer[guard.Panic]
	stop := context.AfterFunc(ctx, guard.Func(func() { _ = tty.SetReadDeadline(time.Unix(1, 0)) }, bug.Store))
	defer stop()
	screen := printer{tty}
	screen.question(question...)
	answer, err = readLine(tty)
	if !echo || err != nil {
		screen.lines("") // nobody has seen a line end
	}
	if bug := bug.Load(); bug != nil {
		return "", bug
	}
	if cause := context.Cause(ctx); cause != nil {
		return "", cause
	}
	return answer, err
}

// ask puts a yes-or-no question to the person at the terminal. It is nil when there is none, or with --yes.
func (a *app) ask() func(context.Context, string) bool {
	prompt := a.prompt()
	if prompt == nil || a.yes {
		return nil
	}
	return func(ctx context.Context, question string) bool {
		answer, err := prompt(ctx, question+" [y/N]", true)
		return err == nil && (answer == "y" || answer == "yes")
	}
}

// readLine reads byte by byte, because what follows the line belongs to who reads the terminal next.
func readLine(tty io.Reader) (string, error) {
	line := make([]byte, 0, 80)
	one := make([]byte, 1)
	for {
		n, err := tty.Read(one)
		if err != nil || n == 0 {
			return "", errNoAnswer
		}
		if one[0] == '\n' {
			return strings.TrimRight(string(line), "\r"), nil
		}
		line = append(line, one[0])
	}
}
