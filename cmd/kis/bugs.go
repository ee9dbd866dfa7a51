package main

import (
	"slices"
	"sync"

	"github.com/keep-it-simple/kis/internal/event"
	"github.com/keep-it-simple/kis/internal/guard"
)

// bugs are the panics of kis outside a run, which reports its own.
type bugs struct {
	mu  sync.Mutex
	all []event.Bug
}

// add records a panic of any goroutine.
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

// exitStatus prints the bugs, and returns the exit status: that of the command if there are none.
func (a *app) exitStatus(found []event.Bug, status int) int {
	a.ui.Bugs(found)
	if len(found) > 0 {
		return event.ExitBug
	}
	return status
}
