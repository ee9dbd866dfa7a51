package main

import (
	"context"
	"os"
	"os/signal"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/keep-it-simple/kis/internal/event"
	"github.com/keep-it-simple/kis/internal/guard"
)

// signals turns signals into the end of a context. The first asks; the second ends kis at once, unless the links are being switched:
// a fleet must not be left split because somebody is impatient.
type signals struct {
	phase  atomic.Int32 // one of the phases below
	status atomic.Int32 // exit status of a run that has ended
	caught chan os.Signal
	told   atomic.Bool // that kis was interrupted

	asked bool // a signal has come
	late  bool // one has come after the end

	mu   sync.Mutex
	next chan struct{} // closed at the next signal
}

// What a run is at, as far as signals go.
const (
	local int32 = iota // no host has been spoken to
	preparing
	switching
	afterLink
	ended // everything is done and about to be told
)

// catchSignals catches signals until the process ends: one that comes in its last moment must not turn an exit status that is decided into another.
func catchSignals(ctx context.Context, messages printer, exit func(int), caught func(*guard.Panic)) (context.Context, *signals) {
	ctx, cancel := context.WithCancel(ctx)
	s := &signals{caught: make(chan os.Signal, 4), next: make(chan struct{})}
	signal.Notify(s.caught, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	signal.Ignore(syscall.SIGPIPE) // `kis push | head` must not change the course of a push
	guard.Go(func() {              // lives as long as the process
		for range s.caught {
			guard.Do(func() { // a bug in it must not keep the next signal from being heard
				defer cancel()
				s.hear(messages, exit)
			}, caught)
		}
	}, caught)
	return ctx, s
}

// hear does what a signal asks for.
func (s *signals) hear(messages printer, exit func(int)) {
	defer s.interrupt()
	asked := s.asked
	s.asked = true
	switch phase := s.phase.Load(); {
	case phase == ended && s.late:
		exit(int(s.status.Load())) // somebody has stopped the terminal, maybe
	case phase == ended:
		s.late = true
	case phase == switching:
		messages.lines("kis: the links are being switched: finishing, or taking the switch back, first")
	case phase == afterLink:
		messages.lines("kis: interrupted: ending the after-link commands, which counts as their failure")
	case asked:
		exit(130)
	case phase == local:
		s.told.Store(true)
		messages.lines("kis: interrupted")
	default:
		messages.lines("kis: interrupted: waiting for the hosts to let go (once more: leave at once; they let go by themselves)")
	}
}

// interrupt tells everybody who waits for the next signal.
func (s *signals) interrupt() {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.next)
	s.next = make(chan struct{})
}

// interrupts returns a channel that is closed at the next signal.
func (s *signals) interrupts() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.next
}

// follow notes what the run is at.
func (s *signals) follow(e event.Event) {
	switch {
	case e.Type == event.TypeStart:
		s.phase.Store(preparing)
	case e.Type == event.TypeReport:
		s.status.Store(int32(e.Report.Exit))
		s.phase.Store(ended)
	case e.Type != event.TypeStep || e.State != event.Started:
	case e.Step == event.StepLink || e.Step == event.StepRevert || e.Step == event.StepConfirm:
		s.phase.Store(switching)
	case e.Step == event.StepAfterLink:
		s.phase.Store(afterLink)
	}
}
