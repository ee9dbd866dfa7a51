package commit

import (
	"context"
	"errors"

	"github.com/keep-it-simple/kis/internal/event"
	"github.com/keep-it-simple/kis/internal/fleet"
	"github.com/keep-it-simple/kis/internal/guard"
	"github.com/keep-it-simple/kis/inventory"
)

// A panic about a host is handled like a lost answer: the state of the host is unknown, and is
// found out in the same way. In addition the session is not used again, because its state is
// unknown too, and kis reports the bug.

// each does the same for some participants concurrently, and waits for all. A panic is the error of
// that participant.
func (c *Coordinator) each(participants []*Participant, work func(p *Participant) error) []error {
	errs := make([]error, len(participants))
	fleet.Each(len(participants), 0, func(i int) {
		errs[i] = work(participants[i])
	}, func(i int, bug *guard.Panic) {
		errs[i] = c.caught(participants[i], bug)
	})
	return errs
}

// caught makes a panic the failure of the participant. The host removes its prepared link at the
// end of the session; once a commit was sent, it is in doubt.
func (c *Coordinator) caught(p *Participant, bug *guard.Panic) error {
	failure := p.Log.Caught(bug)
	p.Log.Bug(guard.Try(func() error { p.Session.HangUp(); return nil }))
	p.panicked = true
	switch {
	case !c.committing: // unchanged
	case p.link.state == stateTaken:
		p.link.current = false
	default:
		p.lost()
	}
	return failure
}

// decideGuarded is decide, whatever panics between its phases.
func (c *Coordinator) decideGuarded(ctx context.Context) event.Outcome {
	return c.guarded(func() event.Outcome { return c.decide(ctx) }, func() event.Outcome {
		if !c.committing {
			c.abort(ctx)
			return event.Aborted
		}
		ctx := context.WithoutCancel(ctx)
		if c.confirming || c.OnPartial == inventory.PartialForward || c.OnPartial == inventory.PartialStop {
			return event.Split // it is too late to roll back
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

// readAgain reads the links again after a panic, if the outcome promises nothing about them: the
// report then has what the hosts answer, not what kis believed before it panicked.
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
