package main

import (
	"slices"
	"strings"
	"sync"

	"github.com/keep-it-simple/kis/internal/event"
	"github.com/keep-it-simple/kis/internal/guard"
)

// bugs are the panics of kis outside of a run, which reports its own.
type bugs struct {
	mu  sync.Mutex
	all []event.Bug
}

// add takes a panic, on whichever goroutine it was.
func (b *bugs) add(p *guard.Panic) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.all = append(b.all, event.Bug{Message: p.Error(), Stack: p.Stack})
}

func (b *bugs) list() []event.Bug {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.all)
}

// reportHint is what a user does about a bug.
const reportHint = "this is a bug of kis: please report it, with what kis prints with -v; what is linked: kis status"

// reported reports the bugs, and returns the exit status: that of the command if there are none.
func (a *app) reported(found []event.Bug, status int) int {
	for _, bug := range found {
		message := "internal error: " + bug.Message
		if bug.Host != "" {
			message = bug.Host + ": " + message
		}
		stack := strings.Split(strings.TrimSpace(bug.Stack), "\n")
		if a.output == outputJSON {
			a.Out.json(map[string]any{"type": "error", "exit": event.ExitBug, "message": message, "hint": reportHint, "tail": stack})
		} else {
			a.Err.printf("kis: %s\n", message)
		}
		if a.verbose {
			a.Err.tail(stack)
		}
	}
	switch {
	case len(found) == 0:
		return status
	case a.output != outputJSON:
		a.Err.hint(reportHint)
	}
	return event.ExitBug
}

// failedWith is the exit status of a command that some hosts have failed; bugs among the failures are reported.
func (a *app) failedWith(failures []event.Failure, status int) int {
	var found []event.Bug
	for _, f := range failures {
		if bug, ok := f.Bug(); ok {
			found = append(found, bug)
		}
	}
	return a.reported(found, status)
}
