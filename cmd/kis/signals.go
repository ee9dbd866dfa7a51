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

// signals turns signals into the end of a context. The first asks; the second ends kis immediately,
// unless links are being switched: no user's impatience may leave the hosts different.
type signals struct {
	phase  atomic.Int32 // one of the phases below
	status atomic.Int32 // exit status of a run that has ended
	caught chan os.Signal

	announced atomic.Bool // the user was told of an interruption before any host was contacted

	received bool // a signal
	late     bool // one was received after the end

	mu   sync.Mutex
	next chan struct{} // closed at the next signal
}

// The phases of a run that signals distinguish.
const (
	local int32 = iota // no host was contacted
	preparing
	switching
	afterLink
	ended // everything is done, the report is about to be printed
)

// catchSignals catches signals until the process ends: a signal after the end of a run must not
// change its exit status.
func catchSignals(ctx context.Context, message func(string), exit func(int), caught func(*guard.Panic)) (context.Context, *signals) {
	ctx, cancel := context.WithCancel(ctx)
	s := &signals{caught: make(chan os.Signal, 4), next: make(chan struct{})}
	signal.Notify(s.caught, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	signal.Ignore(syscall.SIGPIPE) // `kis push | head` must not change the course of a push
	guard.Go(func() {              // lives as long as the process
		for range s.caught {
			guard.Do(func() { // a bug in it must not block the next signal
				defer cancel()
				s.handle(message, exit)
			}, caught)
		}
	}, caught)
	return ctx, s
}

// handle handles one signal.
func (s *signals) handle(message func(string), exit func(int)) {
	defer s.interrupt()
	again := s.received
	s.received = true
	switch phase := s.phase.Load(); {
	case phase == ended && s.late:
		exit(int(s.status.Load())) // the terminal may be stopped
	case phase == ended:
		s.late = true
	case phase == switching:
		message("links are being switched: kis completes or rolls back the switch first")
	case phase == afterLink:
		message("interrupted: ending what follows the switch, which counts as a failure of it")
	case again:
		exit(130)
	case phase == local:
		s.announced.Store(true)
		message("interrupted")
	default:
		message("interrupted: waiting for hosts to release their locks (press Ctrl-C again to exit now; locks expire on their own)")
	}
}

// interrupt wakes everything that waits for the next signal.
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

// follow records the phase of the run.
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
	case e.Step == event.StepServices || e.Step == event.StepAfterLink || e.Step == event.StepHealth:
		s.phase.Store(afterLink)
	}
}
