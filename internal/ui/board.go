package ui

import (
	"fmt"
	"slices"
	"unicode/utf8"

	"github.com/keep-it-simple/kis/internal/event"
	"github.com/keep-it-simple/kis/internal/safetext"
)

// boardFrom is the number of hosts up to which each has a line of its own, where no rows at the
// bottom of a terminal show what each host does.
const boardFrom = 6

// separateFailures is the number of failures of one step that are printed one by one, as they come.
const separateFailures = 3

// board folds the steps of many hosts: those that complete a step at the same time share a line.
// The first failures have lines of their own, because the other hosts may take long.
type board struct {
	hosts   map[string]*boardHost
	done    map[event.Step][]float64 // seconds, of hosts that did the step and were not printed
	last    map[event.Step]string    // the last of them
	failed  map[event.Step]int
	unshown map[event.Step]int // failures that were not printed
}

// boardHost is how far a host has come.
type boardHost struct {
	at     int // rank of its newest step
	inside bool
	failed bool
}

func newBoard(hosts []string) *board {
	b := &board{hosts: map[string]*boardHost{}, done: map[event.Step][]float64{}, last: map[event.Step]string{}, failed: map[event.Step]int{}, unshown: map[event.Step]int{}}
	for _, h := range hosts {
		b.hosts[h] = &boardHost{at: -1}
	}
	return b
}

// boardLine is one line: of one host, or of many.
type boardLine struct {
	hosts string
	step  event.Step
	event event.Event // of one host, when many is false
	many  bool
	first float64 // seconds of the fastest and of the slowest host
	last  float64
	more  int // hosts that failed beyond those that were printed
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
	if took := seconds(l.last); took == seconds(l.first) {
		return paint.good("done"), took
	}
	if l.first < 0.05 {
		return paint.good("done"), "up to " + seconds(l.last)
	}
	return paint.good("done"), seconds(l.first) + " to " + seconds(l.last)
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
		h.at, h.inside = slices.Index(stepOrder(), e.Step), true
	case event.Done:
		h.inside = false
		b.done[e.Step], b.last[e.Step] = append(b.done[e.Step], e.Seconds), e.Host
	case event.Refused, event.Unknown:
		h.inside, h.failed = false, true
		if b.failed[e.Step]++; b.failed[e.Step] > separateFailures {
			b.unshown[e.Step]++
		} else {
			lines = append(lines, boardLine{hosts: e.Host, step: e.Step, event: e})
		}
	}
	return append(lines, b.ready(false)...)
}

// hostColumn is how wide the names of hosts are.
func hostColumn(hosts []string) int {
	width := 0
	for _, h := range hosts {
		width = max(width, utf8.RuneCountInString(safetext.Line(h)))
	}
	return width
}

// ready returns the lines of steps that are complete; of every step if all is set, at the end of a
// run.
func (b *board) ready(all bool) []boardLine {
	var lines []boardLine
	for rank, s := range stepOrder() {
		if !all && !b.complete(rank) {
			continue
		}
		if done := b.done[s]; len(done) > 0 && !brief(s) {
			hosts := b.last[s]
			if len(done) > 1 {
				hosts = hostCount(len(done))
			}
			lines = append(lines, boardLine{hosts: hosts, step: s, many: true, first: slices.Min(done), last: slices.Max(done)})
		}
		if n := b.unshown[s]; n > 0 {
			lines = append(lines, boardLine{hosts: fmt.Sprintf("%d more", n), step: s, more: n})
		}
		delete(b.done, s)
		delete(b.unshown, s)
	}
	return lines
}

// complete reports whether no host is at the step or will come to it. Before the barrier each host
// goes from step to step; after it a run can go two ways, so that the first is all that is known.
func (b *board) complete(rank int) bool {
	for _, h := range b.hosts {
		if h.at == rank && h.inside || !h.failed && h.at < rank && rank <= slices.Index(stepOrder(), event.StepVerifyStage) {
			return false
		}
	}
	return true
}

// stepOrder is the order of the steps of a run. After the barrier it is only that in which they are
// printed.
func stepOrder() []event.Step {
	return []event.Step{
		event.StepConnect, event.StepCheck, event.StepLock, event.StepPackage, event.StepUpload, event.StepUnpack, event.StepWheels, event.StepEnvironment, event.StepPrepare, event.StepVerify,
		event.StepSeal, event.StepVerifyStage, event.StepBeforeLink,
		event.StepArm, event.StepRollCall, event.StepLink, event.StepResolve, event.StepRevert, event.StepServices, event.StepAfterLink, event.StepHealth,
		event.StepConfirm, event.StepPrune,
	}
}
