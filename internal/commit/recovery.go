package commit

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/keep-it-simple/kis/internal/event"
	"github.com/keep-it-simple/kis/internal/fleet"
	"github.com/keep-it-simple/kis/internal/safetext"
	"github.com/keep-it-simple/kis/remote"
)

// resolve finds out the state of the hosts in doubt, whose answer was lost.
func (c *Coordinator) resolve(ctx context.Context) {
	c.each(c.Participants, func(p *Participant) error {
		if p.link.state != stateUnknown {
			return nil
		}
		p.panicked = false
		err := p.Log.Step(event.StepResolve, func() error {
			bounded, cancel := notReached(ctx, c.Timeouts.Reconnect)
			defer cancel()
			return c.find(bounded, p)
		})
		c.forgiveSwitched(p)
		return err
	})
}

// resolvePanicked resolves hosts whose answer was not lost, but whose state kis lost in a panic.
func (c *Coordinator) resolvePanicked(ctx context.Context) {
	for _, p := range c.Participants {
		if p.panicked {
			c.resolve(ctx)
			return
		}
	}
}

// forgiveSwitched removes the failures of a host that did switch, and that this run owns.
func (c *Coordinator) forgiveSwitched(p *Participant) {
	if p.link.state == stateNew && !p.session.lockLost && !p.session.notResumed {
		p.Log.Forgive(event.StepLink, event.StepResolve)
	}
}

func notReached(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, d, fmt.Errorf("not reached again within %s", safetext.Duration(d)))
}

// find reconnects to a host and finds out what is linked there. It repeats that if the answer is
// lost.
func (c *Coordinator) find(ctx context.Context, p *Participant) error {
	var err error
	for range maxAttempts {
		if err = c.findOnce(ctx, p); !p.isLost(err) || ctx.Err() != nil {
			break
		}
	}
	return err
}

// findOnce fences the host over a new session: it removes the prepared link, after which the
// outcome cannot change, and reads the link. Then it reacquires the lock to be able to continue.
// That ends the old agent, which may not notice for a minute that its connection is dead, and would
// hold the lock for that time.
func (c *Coordinator) findOnce(ctx context.Context, p *Participant) error {
	p.link.current = false // until it is read: another run may have started in the meantime
	session, err := p.reach(ctx, c)
	if err != nil {
		return err
	}
	p.replaced(session)
	fenced, err := c.fence(ctx, p)
	if err != nil {
		return err
	}
	p.read(fenced.Linked)
	p.durable(fenced.Durable)
	switch fenced.Linked {
	case c.To.String():
		p.link.state = stateNew
		return p.own(ctx, c)
	case p.Before:
		p.link.state = stateOld
		// The link is known without the lock, and the other hosts wait to be rolled back. So only one failure counts:
		// that another run has had the lock. What needs the lock later acquires it then.
		bounded, cancel := context.WithTimeout(ctx, c.Timeouts.RollCall)
		defer cancel()
		if err := p.lock(bounded, c); refusedAs(err, remote.CodeTaken) {
			return err
		}
		return nil
	}
	p.link.state = stateTaken
	return event.Refuse(remote.CodeTaken, fmt.Sprintf("another run linked %s in the meantime; kis does not change it", event.LinkText(fenced.Linked)), "")
}

// linkRest tries to complete the switch on the hosts that have not switched; their packages are
// ready.
func (c *Coordinator) linkRest(ctx context.Context) {
	for attempt := 0; attempt < maxAttempts && !c.everywhere(); attempt++ {
		if fleet.Wait(ctx, c.Timeouts.Pause) != nil {
			return
		}
		c.each(c.Participants, func(p *Participant) error {
			if p.link.state != stateOld {
				return nil
			}
			err := p.Log.Step(event.StepLink, func() error {
				bounded, cancel := within(ctx, c.Timeouts.Reconnect)
				defer cancel()
				return c.linkAgain(bounded, p)
			})
			c.forgiveSwitched(p)
			return err
		})
		c.resolve(ctx)
	}
}

// linkAgain arms and commits again on a host that has certainly not switched.
func (c *Coordinator) linkAgain(ctx context.Context, p *Participant) error {
	if err := p.own(ctx, c); err != nil {
		return err
	}
	if err := p.Session.Arm(ctx, c.linkOf(p), c.Timeouts.Armed); err != nil {
		if p.isLost(err) {
			p.lost() // as after a commit: resolve starts a session and finds out
		}
		return err
	}
	p.session.notResumed = false
	return c.commit(ctx, p)
}

// rollBack restores the previous link on every host that has switched, and reads every link again
// before it reports an outcome.
func (c *Coordinator) rollBack(ctx context.Context) event.Outcome {
	begin := time.Now()
	c.resolvePanicked(ctx)
	c.each(c.Participants, func(p *Participant) error {
		if p.link.state == stateNew && p.Before != c.To.String() {
			c.revert(ctx, p)
		}
		return nil
	})
	errs := c.each(c.Participants, func(p *Participant) error {
		if !c.rolledBack(ctx, p) {
			return errNotRolledBack
		}
		return nil
	})
	c.timed("revert", begin)
	c.restore(ctx)
	if errors.Join(errs...) != nil {
		return event.Split
	}
	return event.RolledBack
}

// errNotRolledBack is about a host that this run cannot vouch for.
var errNotRolledBack = errors.New("not rolled back")

// rolledBack reports whether this run can vouch for a host: its link is the previous one, and no
// other run acted on it.
func (c *Coordinator) rolledBack(ctx context.Context, p *Participant) bool {
	unchanged := c.unchanged(ctx, p)
	rolledBack := unchanged && p.link.state != stateTaken
	p.activation.pending = p.activation.pending && rolledBack
	return rolledBack
}

func (c *Coordinator) revert(ctx context.Context, p *Participant) {
	p.activation.pending = true
	err := p.Log.Step(event.StepRevert, func() error {
		bounded, cancel := notReached(ctx, c.Timeouts.Reconnect)
		defer cancel()
		return c.insist(bounded, p, func(ctx context.Context) error { return c.revertOnce(ctx, p) })
	})
	switch {
	case err == nil:
		p.link.state = stateOld
	case refusedAs(err, remote.CodeLockLost):
		p.link.state = stateTaken // the stage is no longer this run's, even where its link is the previous one
	case p.link.state != stateTaken && !isRefused(err):
		p.link.state = stateUnknown // a revert was sent
	}
}

func (c *Coordinator) revertOnce(ctx context.Context, p *Participant) error {
	if p.link.state == stateOld { // an earlier answer was lost, the rollback was not
		return nil
	}
	p.session.revertSent = true
	switched, err := p.Session.Revert(ctx, c.Run)
	p.session.revertSent = p.isLost(err)
	if err == nil {
		p.durable(switched.Durable)
	}
	return err
}

// insist does work on a host that has switched. When the answer is lost or late, it reconnects,
// finds out what is linked, and repeats the work.
func (c *Coordinator) insist(ctx context.Context, p *Participant, work func(context.Context) error) error {
	err := c.attempt(ctx, p, work)
	for range maxAttempts {
		if !p.isLost(err) || ctx.Err() != nil {
			return err
		}
		if err = c.find(ctx, p); err == nil {
			err = c.attempt(ctx, p, work)
		}
	}
	return err
}

// attempt bounds the work so that time is left to reconnect when the answer is lost.
func (c *Coordinator) attempt(ctx context.Context, p *Participant, work func(context.Context) error) error {
	bounded, cancel := within(ctx, c.Timeouts.Link)
	defer cancel()
	if p.link.state == stateNew {
		if err := p.own(bounded, c); err != nil {
			return err
		}
	}
	return work(bounded)
}

// unchanged reads the link, and reports whether it is the one before this run. It waits less for a
// host that was unreachable before.
func (c *Coordinator) unchanged(ctx context.Context, p *Participant) bool {
	timeout := c.Timeouts.Reconnect
	if p.link.state == stateUnknown {
		timeout = c.Timeouts.Link
	}
	bounded, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	p.link.current = false
	fenced, err := c.readLink(bounded, p)
	for range maxAttempts {
		if !p.isLost(err) || bounded.Err() != nil {
			break
		}
		session, unreached := p.reach(bounded, c)
		if unreached != nil {
			return false
		}
		p.replaced(session)
		fenced, err = c.readLink(bounded, p)
	}
	if err != nil {
		return false
	}
	p.read(fenced.Linked)
	p.durable(fenced.Durable)
	return fenced.Linked == p.Before
}

// readLink reads the link over a session that may be dead. It first ensures that the agent of an
// older session cannot execute a revert after that.
func (c *Coordinator) readLink(ctx context.Context, p *Participant) (remote.Fenced, error) {
	bounded, cancel := context.WithTimeout(ctx, c.Timeouts.Link)
	defer cancel()
	if p.session.revertSent && p.session.lockLost {
		if err := p.lock(bounded, c); err != nil && p.link.state != stateTaken {
			return remote.Fenced{}, err
		}
	}
	return p.Session.Fence(bounded, c.Stage, c.Run)
}

// fence fences the host, and leaves time to reconnect when the answer is lost.
func (c *Coordinator) fence(ctx context.Context, p *Participant) (remote.Fenced, error) {
	bounded, cancel := within(ctx, c.Timeouts.Link)
	defer cancel()
	return p.Session.Fence(bounded, c.Stage, c.Run)
}

// readOld reads the links of the hosts that have not switched: they may have changed since.
func (c *Coordinator) readOld(ctx context.Context) {
	c.each(c.Participants, func(p *Participant) error {
		if p.link.state == stateOld {
			_ = c.unchanged(ctx, p)
		}
		return nil
	})
}

// checkUpToDate reads the links of the hosts that had nothing to do. They were read when the locks
// were acquired, minutes ago, and the outcome includes them.
func (c *Coordinator) checkUpToDate(ctx context.Context, o event.Outcome) event.Outcome {
	for _, p := range c.UpToDate {
		p.read(p.Before)
	}
	if o == event.Aborted || o == event.Interrupted {
		return o // this run changed nothing
	}
	ctx = context.WithoutCancel(ctx)
	errs := c.each(c.UpToDate, func(p *Participant) error {
		return p.Log.Step(event.StepConfirm, func() error { return c.stillLinked(ctx, p) })
	})
	if errors.Join(errs...) != nil {
		return event.Split
	}
	return o
}

func (c *Coordinator) stillLinked(ctx context.Context, p *Participant) error {
	switch {
	case c.unchanged(ctx, p):
		return nil
	case !p.link.current:
		return errors.New("the connection was lost, and the link could not be read again")
	}
	return event.Refuse(remote.CodeLinkChanged, fmt.Sprintf("%s is linked to %s, not to %s as when this run began", c.Stage, event.LinkText(p.link.target), p.Before), "")
}
