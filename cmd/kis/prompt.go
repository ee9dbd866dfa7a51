package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/term"

	"github.com/keep-it-simple/kis/sshx"
)

// errNoAnswer ends a question that nobody answered.
var errNoAnswer = errors.New("no answer")

// prompt asks the person at the terminal, or is nil when there is none.
func (a *app) prompt() sshx.Prompt {
	if !a.Terminal || a.output == outputJSON {
		return nil
	}
	return func(ctx context.Context, question string, echo bool) (string, error) {
		tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
		if err != nil {
			return "", err
		}
		defer tty.Close() //nolint:errcheck // nothing is lost with it
		stop := context.AfterFunc(ctx, func() { _ = tty.Close() })
		defer stop()
		defer a.live.pause()()
		if _, err := fmt.Fprint(tty, clean(question)+" "); err != nil {
			return "", err
		}
		if !echo {
			answer, err := term.ReadPassword(int(tty.Fd()))
			_, _ = fmt.Fprintln(tty)
			return string(answer), err
		}
		return readLine(tty)
	}
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

func readLine(tty *os.File) (string, error) {
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
