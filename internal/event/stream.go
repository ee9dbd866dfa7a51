package event

import (
	"cmp"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/keep-it-simple/kis/internal/guard"
)

// Stream numbers the events of one run and hands them to one receiver, one at a time and in order.
// Its methods may be called by several goroutines.
type Stream struct {
	run     string
	receive func(Event)

	mu   sync.Mutex
	seq  int
	bugs []Bug
}

// NewStream makes the stream of a run. receive gets every event; it must not call back into the
// stream. It may be nil.
func NewStream(run string, receive func(Event)) *Stream {
	return &Stream{run: run, receive: receive}
}

// Emit sends one event. Events are numbered without a gap, whichever host they are about. A
// receiver that panics still gets the next event: a bug in a view must not decide the state of the
// hosts.
func (s *Stream) Emit(e Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seq++
	e.Seq, e.Time, e.Run = s.seq, time.Now(), s.run
	if s.receive == nil {
		return
	}
	if bug, ok := errors.AsType[*guard.Panic](guard.Try(func() error { s.receive(e); return nil })); ok {
		s.add(Bug{Message: bug.Error(), Stack: bug.Stack})
	}
}

// Bug records a panic that is about no host.
func (s *Stream) Bug(p *guard.Panic) { s.bug(Bug{Message: p.Error(), Stack: p.Stack}) }

func (s *Stream) bug(b Bug) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.add(b)
}

// add records a bug once, and at most maxBugs.
func (s *Stream) add(b Bug) {
	recorded := slices.ContainsFunc(s.bugs, func(other Bug) bool { return other.Host == b.Host && other.Message == b.Message })
	if !recorded && len(s.bugs) < maxBugs {
		s.bugs = append(s.bugs, b)
	}
}

const maxBugs = 20

// Bugs are the panics recorded so far.
func (s *Stream) Bugs() []Bug {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.bugs)
}

// Notice reports something a user should know; host is "" when it is about no single host.
func (s *Stream) Notice(host, message string) {
	s.Emit(Event{Type: TypeNotice, Host: host, Message: message})
}

// Host makes the record of one host's steps.
func (s *Stream) Host(name string) *Host { return &Host{Name: name, stream: s} }

// Host records the steps of one host in one run: it reports each to the stream and remembers what
// failed. One goroutine at a time may use it.
type Host struct {
	Name string
	// Explain may replace an error by the reason for it, before it is reported. Nil: no
	// replacement.
	Explain func(error) error

	stream   *Stream
	failures []Failure // in the order in which they happened
	spent    time.Duration
	end      func(error) error // of the step that has begun; nil when none has
	last     Step              // that has begun
}

// Begin reports that a step has begun, and returns the function that takes its result. That returns
// nil, or the *Failure that it reported and that wraps the result.
func (h *Host) Begin(s Step) (end func(error) error) {
	h.stream.Emit(Event{Type: TypeStep, Host: h.Name, Step: s, State: Started})
	begin, ended := time.Now(), false
	h.last = s
	h.end = func(err error) error {
		if ended { // by Caught
			return err
		}
		ended, h.end = true, nil
		took := time.Since(begin)
		h.spent += took
		if err != nil {
			return h.fail(s, err, took)
		}
		h.stream.Emit(Event{Type: TypeStep, Host: h.Name, Step: s, State: Done, Seconds: took.Seconds()})
		return nil
	}
	return h.end
}

// Step does one step. It returns nil, or the *Failure that it has reported.
func (h *Host) Step(s Step, work func() error) error { return h.Begin(s)(work()) }

// Caught reports a panic of code that handled the host: it is the failure of the step that had
// begun, whose result is unknown.
func (h *Host) Caught(p *guard.Panic) error {
	if h.end != nil {
		return h.end(p)
	}
	return h.fail(cmp.Or(h.last, StepConnect), p, 0)
}

// Bug records the panic that an error wraps, if it does: the run may recover from it, and the bug
// is still reported.
func (h *Host) Bug(err error) {
	if p, ok := errors.AsType[*guard.Panic](err); ok {
		h.stream.bug(Bug{Host: h.Name, Message: p.Error(), Stack: p.Stack})
	}
}

// Fail reports a failure that was found by comparing hosts.
func (h *Host) Fail(s Step, err error) { _ = h.fail(s, err, 0) }

func (h *Host) fail(s Step, err error, took time.Duration) error {
	reported := err
	if h.Explain != nil {
		reported = h.Explain(err)
	}
	f := NewFailure(h.Name, s, reported)
	f.err = err
	h.Bug(reported)
	h.failures = append(h.failures, *f)
	h.stream.Emit(Event{Type: TypeStep, Host: h.Name, Step: s, State: f.State, Failure: f, Message: f.Message, Seconds: took.Seconds()})
	return f
}

// Forgive removes the failures of some steps, because they were completed later.
func (h *Host) Forgive(steps ...Step) {
	h.failures = slices.DeleteFunc(h.failures, func(f Failure) bool { return slices.Contains(steps, f.Step) })
}

// Failures are the steps that failed so far and were not forgiven.
func (h *Host) Failures() []Failure { return slices.Clone(h.failures) }

// Spent is the time that the steps took.
func (h *Host) Spent() time.Duration { return h.spent }

// Output returns a function that takes the lines of a step's output.
func (h *Host) Output(s Step) func(line string) {
	return func(line string) { h.stream.Emit(Event{Type: TypeOutput, Host: h.Name, Step: s, Message: line}) }
}

// Progress reports how much of an upload has been sent, in bytes.
func (h *Host) Progress(s Step, done, total int64) {
	h.stream.Emit(Event{Type: TypeProgress, Host: h.Name, Step: s, Done: done, Total: total})
}

// Doing reports what a step is doing or waiting for.
func (h *Host) Doing(s Step, text string) {
	h.stream.Emit(Event{Type: TypeProgress, Host: h.Name, Step: s, Message: text})
}

// Notice reports something a user should know about the host.
func (h *Host) Notice(message string) { h.stream.Notice(h.Name, message) }

// Command reports that a step runs a command of the inventory, or skips it.
func (h *Host) Command(s Step, state State, command string) {
	h.stream.Emit(Event{Type: TypeCommand, Host: h.Name, Step: s, State: state, Message: command})
}
