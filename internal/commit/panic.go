package commit

import (
	"context"
	"errors"

	"github.com/keep-it-simple/kis/internal/event"
	"github.com/keep-it-simple/kis/internal/fleet"
	"github.com/keep-it-simple/kis/internal/guard"
	"github.com/keep-it-simple/kis/inventory"
)

// A panic is a lost answer: nobody knows what has become of the host, and the way to find out is the same. What differs is that
// the session is not used again, because nobody knows what state it is in either, and that kis reports the bug.

// each does something for some participants at once, and waits for all. A panic in it is the error of that participant.
func (c *Coordinator) each(participants []*Participant, work func(p *Participant) error) []error {
	errs := make([]error, len(participants))
	fleet.Each(len(participants), 0, func(i int) {
		errs[i] = work(participants[i])
	}, func(i int, bug *guard.Panic) {
		errs[i] = c.caught(participants[i], bug)
	})
	return errs
}

// caught makes a panic the failure of the participant. The host gives up what was prepared when it sees the end of its session;
// once a commit was sent, it is in doubt.
func (c *Coordinator) caught(p *Participant, bug *guard.Panic) error {
	failure := p.Log.Caught(bug)
	p.Log.Bug(guard.Try(func() error { p.Session.HangUp(); return nil }))
	p.panicked = true
	switch {
	case !c.committing: // unchanged
	case p.link.state == stateTaken:
		p.link.known = false
	default:
		p.lost()
	}
	return failure
}

// decided is decide, whatever panics between its phases.
func (c *Coordinator) decided(ctx context.Context) event.Outcome {
	return c.guarded(func() event.Outcome { return c.decide(ctx) }, func() event.Outcome {
		if !c.committing {
			c.abort(ctx)
			return event.Aborted
		}
		ctx := context.WithoutCancel(ctx)
		if c.confirming || c.OnPartial == inventory.PartialForward || c.OnPartial == inventory.PartialStop {
			return event.Split // nothing is rolled back any more
		}
		return c.guarded(func() event.Outcome {
			c.resolve(ctx)
			return c.rollBack(ctx)
		}, func() event.Outcome { return event.Split })
	})
}

// guarded returns the outcome of work, or that of recovered if work panics.
func (c *Coordinator) guarded(work, recovered func() event.Outcome) event.Outcome {
	var outcome event.Outcome
	err := guard.Run(func() error { outcome = work(); return nil })
	if bug, ok := errors.AsType[*guard.Panic](err); ok {
		c.Stream.Bug(bug)
		return recovered()
	}
	return outcome
}

// readAgain reads the links once more after a panic, where the outcome is no promise about them: whatever kis believed before it
// panicked, the report is what the hosts say.
func (c *Coordinator) readAgain(ctx context.Context, o event.Outcome) {
	if o != event.Split || len(c.Stream.Bugs()) == 0 {
		return
	}
	ctx = context.WithoutCancel(ctx)
	read := func(p *Participant) error {
		_ = c.unchanged(ctx, p)
		return nil
	}
	c.each(c.Participants, read)
	c.each(c.UpToDate, read)
}
