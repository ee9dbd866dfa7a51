package main

import (
	"fmt"
	"slices"

	"github.com/keep-it-simple/kis/internal/event"
)

// boardFrom is the number of hosts up to which each has a line of its own.
const boardFrom = 6

// atOnce is how many failures of one step are told one by one, as they come.
const atOnce = 3

// board folds the steps of many hosts: those that are through with a step at the same time share a line, and the first failures have
// lines of their own, because the rest may take long.
type board struct {
	hosts  map[string]*onBoard
	done   map[event.Step][]float64 // seconds, of hosts that have done the step and were not told of
	failed map[event.Step]int
	untold map[event.Step]int // of those that have failed
}

// onBoard is how far a host has come.
type onBoard struct {
	at     int // rank of its newest step
	inside bool
	out    bool // it has failed
}

func newBoard(hosts []string) *board {
	b := &board{hosts: map[string]*onBoard{}, done: map[event.Step][]float64{}, failed: map[event.Step]int{}, untold: map[event.Step]int{}}
	for _, h := range hosts {
		b.hosts[h] = &onBoard{at: -1}
	}
	return b
}

// boardLine is one line: of one host, or of many.
type boardLine struct {
	who   string
	step  event.Step
	event event.Event // of one host, when many is false
	many  bool
	first float64 // seconds of the quickest and of the slowest host
	last  float64
	more  int // hosts that have failed beyond those that were told
}

func (l boardLine) text(paint painter) (mark colored, more string) {
	switch {
	case l.more > 0:
		return paint.bad("failed"), ""
	case !l.many:
		return stepText(l.event, paint)
	case l.last < 0.05:
		return paint.good("done"), ""
	}
	return paint.good("done"), fmt.Sprintf("%.1f to %.1f s", l.first, l.last)
}

// follow takes an event of a step and returns what is to be printed now.
func (b *board) follow(e event.Event) []boardLine {
	h := b.hosts[e.Host]
	if h == nil {
		return nil
	}
	var lines []boardLine
	switch e.State {
	case event.Started:
		h.at, h.inside = slices.Index(order(), e.Step), true
	case event.Done:
		h.inside = false
		b.done[e.Step] = append(b.done[e.Step], e.Seconds)
	case event.Refused, event.Unknown:
		h.inside, h.out = false, true
		if b.failed[e.Step]++; b.failed[e.Step] > atOnce {
			b.untold[e.Step]++
		} else {
			lines = append(lines, boardLine{who: e.Host, step: e.Step, event: e})
		}
	}
	return append(lines, b.tell(false)...)
}

// tell returns the lines of steps that no host is at; all, at the end of a run, those of every step.
func (b *board) tell(all bool) []boardLine {
	var lines []boardLine
	for rank, s := range order() {
		if !all && !b.through(rank) {
			continue
		}
		if done := b.done[s]; len(done) > 0 && !brief(s) {
			lines = append(lines, boardLine{who: hostCount(len(done)), step: s, many: true, first: slices.Min(done), last: slices.Max(done)})
		}
		if n := b.untold[s]; n > 0 {
			lines = append(lines, boardLine{who: hostCount(n) + " more", step: s, more: n})
		}
		delete(b.done, s)
		delete(b.untold, s)
	}
	return lines
}

// through reports whether no host is at the step or will come to it. On the way to the barrier each host goes from step to step; after it,
// where a run can go two ways, nobody being at a step is all that can be said.
func (b *board) through(rank int) bool {
	for _, h := range b.hosts {
		if h.at == rank && h.inside || !h.out && h.at < rank && rank <= slices.Index(order(), event.StepSeal) {
			return false
		}
	}
	return true
}

func hostCount(n int) string {
	if n == 1 {
		return "1 host"
	}
	return fmt.Sprintf("%d hosts", n)
}

// order is the order of the steps of a run. After the barrier it is only that in which they are told.
func order() []event.Step {
	return []event.Step{
		event.StepConnect, event.StepCheck, event.StepLock, event.StepUpload, event.StepUnpack, event.StepEnvironment, event.StepVerify, event.StepSeal,
		event.StepArm, event.StepRollCall, event.StepLink, event.StepResolve, event.StepRevert, event.StepAfterLink, event.StepConfirm,
	}
}
