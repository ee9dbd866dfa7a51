package ui

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

// errNoAnswer ends a question whose input has ended.
var errNoAnswer = errors.New("no answer")

// Prompt returns what asks the user at the terminal, or nil when there is none.
func (u *UI) Prompt() sshx.Prompt {
	if !u.canAsk() {
		return nil
	}
	return func(ctx context.Context, question string, echo bool) (string, error) {
		return u.ask(ctx, []string{question}, echo)
	}
}

// Confirm returns what asks the user at the terminal a yes-or-no question. It is nil when there is
// no terminal, and with --yes.
func (u *UI) Confirm() func(context.Context, string) bool {
	if !u.canAsk() || u.AssumeYes {
		return nil
	}
	return func(ctx context.Context, question string) bool {
		answer, err := u.ask(ctx, []string{question + " [y/N]"}, true)
		return err == nil && (answer == "y" || answer == "yes")
	}
}

func (u *UI) canAsk() bool { return u.Interactive && !u.WantsJSON() }

// ask asks the user at the terminal; each element of the question is a line. What the run prints
// meanwhile is printed after the answer.
func (u *UI) ask(ctx context.Context, question []string, echo bool) (string, error) {
	tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	if err != nil {
		return "", err
	}
	defer tty.Close() //nolint:errcheck // nothing is lost with it
	defer u.area().pause()()
	return askAt(ctx, tty, question, echo)
}

// askAt prints one question and reads one line. When ctx ends first, the question is withdrawn: kis
// discards what was typed of the answer, because the next to read it would be another question, or
// the shell.
func askAt(ctx context.Context, tty *os.File, question []string, echo bool) (answer string, err error) {
	restore, err := setEcho(tty, echo)
	if err != nil {
		return "", fmt.Errorf("the terminal: %w", err)
	}
	defer restore()
	// Some systems have no deadlines for terminals; there the question stays until Enter.
	_ = tty.SetReadDeadline(time.Time{})
	var bug atomic.Pointer[guard.Panic]
	stop := context.AfterFunc(ctx, guard.Func(func() { _ = tty.SetReadDeadline(time.Unix(1, 0)) }, bug.Store))
	defer stop()
	screen := Printer{tty}
	screen.question(question...)
	answer, err = readLine(tty)
	if !echo || err != nil {
		screen.Lines("") // the terminal did not show a line end
	}
	if bug := bug.Load(); bug != nil {
		return "", bug
	}
	if cause := context.Cause(ctx); cause != nil {
		return "", cause
	}
	return answer, err
}

// readLine reads byte by byte, because what follows the line belongs to the terminal's next reader.
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
