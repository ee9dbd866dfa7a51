package commit

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/keep-it-simple/kis/internal/event"
	"github.com/keep-it-simple/kis/internal/fleet"
	"github.com/keep-it-simple/kis/internal/name"
	"github.com/keep-it-simple/kis/remote"
)

// resolve asks the hosts that are in doubt: whose answer was lost.
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

// resolvePanicked resolves those hosts that were not lost, but what kis knows of them.
func (c *Coordinator) resolvePanicked(ctx context.Context) {
	for _, p := range c.Participants {
		if p.panicked {
			c.resolve(ctx)
			return
		}
	}
}

// forgiveSwitched removes the failures of a host that has switched after all, and that this run owns.
func (c *Coordinator) forgiveSwitched(p *Participant) {
	if p.link.state == stateNew && !p.session.lockLost && !p.session.notResumed {
		p.Log.Forgive(event.StepLink, event.StepResolve)
	}
}

func notReached(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, d, fmt.Errorf("not reached again within %v", d))
}

// find reaches a host again and finds out what is linked there. A host whose answers are lost again is asked again.
func (c *Coordinator) find(ctx context.Context, p *Participant) error {
	var err error
	for range maxAttempts {
		if err = c.findOnce(ctx, p); !p.isLost(err) || ctx.Err() != nil {
			break
		}
	}
	return err
}

// findOnce fences the host over a new session: it removes the prepared link, after which the outcome cannot change, and reads
// the link. Then it takes the lock again to be able to go on, which ends the old agent: that may not notice for a minute that
// its connection is dead, and would keep the lock from this run and from the next.
func (c *Coordinator) findOnce(ctx context.Context, p *Participant) error {
	p.link.known = false // until somebody has read it again: another run may have come meanwhile
	session, err := p.reach(ctx, c)
	if err != nil {
		return err
	}
	p.replaced(session)
	fenced, err := session.Fence(ctx, c.Stage, c.Run)
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
		// What the host is linked to does not depend on the lock, and the others wait to be rolled back.
		bounded, cancel := context.WithTimeout(ctx, c.Timeouts.RollCall)
		defer cancel()
		if err := p.lock(bounded, c); p.link.state == stateTaken {
			return err
		}
		return nil
	}
	p.link.state = stateTaken
	return event.Refuse("taken", fmt.Sprintf("another run has linked %s meanwhile; it is left alone", event.LinkText(fenced.Linked)), "")
}

// linkRest tries to complete the switch where it has not happened: the package is ready there, so that it takes a moment.
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

// linkAgain arms and commits once more on a host that is known not to have switched.
func (c *Coordinator) linkAgain(ctx context.Context, p *Participant) error {
	if err := p.own(ctx, c); err != nil {
		return err
	}
	if err := p.Session.Arm(ctx, c.linkOf(p), c.Timeouts.Armed); err != nil {
		if p.isLost(err) {
			p.lost() // as after a commit: resolve finds out, and finds a session
		}
		return err
	}
	p.session.notResumed = false
	return c.commit(ctx, p)
}

// rollBack restores the previous link wherever the switch has happened, and reads every link once more before it claims
// anything.
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
	if errors.Join(errs...) != nil {
		return event.Split
	}
	return event.RolledBack
}

// errNotRolledBack is about a host that this run cannot vouch for.
var errNotRolledBack = errors.New("not rolled back")

// rolledBack reports whether this run can vouch for a host: it is linked to what it was linked to before, and no other run
// has been at work there.
func (c *Coordinator) rolledBack(ctx context.Context, p *Participant) bool {
	unchanged := c.unchanged(ctx, p)
	if unchanged && p.afterLink.pending && p.link.state != stateTaken { // it was rolled back, and the answer was lost
		c.restart(ctx, p)
	}
	return unchanged && p.link.state != stateTaken
}

// revert rolls one host back.
func (c *Coordinator) revert(ctx context.Context, p *Participant) {
	p.afterLink.pending = true
	err := p.Log.Step(event.StepRevert, func() error {
		bounded, cancel := notReached(ctx, c.Timeouts.Reconnect)
		defer cancel()
		return c.insist(bounded, p, func(ctx context.Context) error { return c.revertOnce(ctx, p) })
	})
	switch {
	case err == nil:
		p.link.state = stateOld
		c.restart(ctx, p)
	case p.link.state != stateTaken && !isRefused(err):
		p.link.state = stateUnknown // it was asked for just now
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

// restart runs the after-link commands for the package that the host was rolled back to.
func (c *Coordinator) restart(ctx context.Context, p *Participant) {
	before, err := name.ParsePackage(p.Before)
	if err != nil || len(p.AfterLink(before).Commands) == 0 {
		p.afterLink.pending = false
		return // nothing was linked before, or nothing runs after it: there is nothing to restart
	}
	p.afterLink.pending, p.afterLink.failed = false, true // until they have succeeded
	p.afterLink.failed = c.afterLink(ctx, p, before, c.nextInterrupt()) != nil
	bounded, cancel := within(ctx, c.Timeouts.Link)
	defer cancel()
	// If this does not reach the journal, status reports that the commands did not complete. The link does not depend on it.
	_ = p.Session.Restarted(bounded, c.Stage, c.Run, !p.afterLink.failed)
}

// insist does something on a host that has switched. When the answer is lost, or does not come in time, it reaches the host
// again, finds out what is linked, and does it once more.
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

// attempt leaves time to reach the host again when its answer does not come.
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

// unchanged reads the link, and reports whether it is what it was before this run. A host that could not be reached a moment
// ago is not waited for as long as the others.
func (c *Coordinator) unchanged(ctx context.Context, p *Participant) bool {
	timeout := c.Timeouts.Reconnect
	if p.link.state == stateUnknown {
		timeout = c.Timeouts.Link
	}
	bounded, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	p.link.known = false
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

// readLink reads the link over a session that may be dead. What an older session was sent must not be carried out after that.
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

// readOld reads the links of the hosts that have not switched: what was there before may not be there any more.
func (c *Coordinator) readOld(ctx context.Context) {
	c.each(c.Participants, func(p *Participant) error {
		if p.link.state == stateOld {
			_ = c.unchanged(ctx, p)
		}
		return nil
	})
}

// checkUpToDate reads the links of the hosts that had nothing to do. They were read when the locks were taken, minutes ago,
// and the outcome is about them too.
func (c *Coordinator) checkUpToDate(ctx context.Context, o event.Outcome) event.Outcome {
	for _, p := range c.UpToDate {
		p.read(p.Before)
	}
	if o == event.Aborted || o == event.Interrupted {
		return o // this run has changed nothing, whatever is linked there now
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
	case !p.link.known:
		return errors.New("the connection was lost, and the link could not be read again")
	}
	return event.Refuse("changed-meanwhile", fmt.Sprintf("%s is linked to %s, not to %s as when this run began", c.Stage, event.LinkText(p.link.target), p.Before), "")
}
