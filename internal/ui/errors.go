package ui

import (
	"errors"
	"fmt"
	"strings"

	"github.com/keep-it-simple/kis/internal/event"
	"github.com/keep-it-simple/kis/internal/pybuild"
)

// Hinted is an error with a hint.
type Hinted struct {
	Err  error
	Help string // one line: what to do, or a command to paste
}

// Error returns the message without the hint.
func (h *Hinted) Error() string { return h.Err.Error() }

// Unwrap returns the error.
func (h *Hinted) Unwrap() error { return h.Err }

// Hint returns the hint.
func (h *Hinted) Hint() string { return h.Help }

// Error prints why a command ended with an exit status: the error, the output of a tool, the hint.
func (u *UI) Error(err error, status int) {
	hint, tail, cause := "", []string{}, ""
	var hinted interface{ Hint() string }
	if build, ok := errors.AsType[*pybuild.Error](err); ok {
		hint, tail = build.Hint, append(tail, build.Tail...)
		if build.Cause != "" {
			cause = ": " + build.Cause
		}
	} else if errors.As(err, &hinted) {
		hint = hinted.Hint()
	}
	var program interface{ Tail() []string }
	if errors.As(err, &program) {
		tail = append(tail, program.Tail()...)
	}
	if u.WantsJSON() {
		u.printError(status, err.Error()+cause, hint, tail, nil)
		return
	}
	lines := []string{err.Error() + cause}
	if several, ok := err.(interface{ Lines() []string }); ok { // text around it belongs into the first line
		lines = several.Lines()
	}
	u.Err.Lines(u.fitted("kis: " + lines[0])...)
	u.Err.Lines(lines[1:]...)
	u.Err.tail(tail)
	u.Err.hint(hint)
}

// printError prints an error as JSON.
func (u *UI) printError(status int, message, hint string, tail []string, failures []event.Failure) {
	u.Out.json(errorRecord{newHead("error"), status, message, hint, listOf(tail), failures})
}

// bugHint is what a user does about a bug.
const bugHint = "this is a bug of kis: please report it, with what kis prints with -v; what is linked: kis status"

// Bugs prints bugs of kis.
func (u *UI) Bugs(found []event.Bug) {
	for _, bug := range found {
		message := "internal error: " + bug.Message
		if bug.Host != "" {
			message = bug.Host + ": " + message
		}
		stack := strings.Split(strings.TrimSpace(bug.Stack), "\n")
		if u.WantsJSON() {
			u.printError(event.ExitBug, message, bugHint, stack, nil)
		} else {
			u.Err.Printf("kis: %s\n", message)
		}
		if u.Verbose {
			u.Err.tail(stack)
		}
	}
	if len(found) > 0 && !u.WantsJSON() {
		u.Err.hint(bugHint)
	}
}

// Unanswered prints why some of so many hosts did not answer a query, and the exit status for it.
func (u *UI) Unanswered(failures []event.Failure, hosts, status int) {
	message := fmt.Sprintf("%d of %d hosts did not answer", len(failures), hosts)
	if u.WantsJSON() {
		u.printError(status, message, "", []string{}, failures)
		return
	}
	u.printFailures(failures)
	u.Err.Printf("kis: %s\n", message)
}
