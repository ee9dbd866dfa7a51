package commit

import (
	"context"
	"errors"
	"time"

	"github.com/keep-it-simple/kis/internal/event"
	"github.com/keep-it-simple/kis/internal/guard"
	"github.com/keep-it-simple/kis/internal/name"
)

// runAfterLink runs the after_link commands on all hosts that have switched.
func (c *Coordinator) runAfterLink(ctx context.Context) bool {
	begin, interrupt := time.Now(), c.nextInterrupt()
	errs := c.each(c.Participants, func(p *Participant) error {
		if p.link.state != stateNew {
			return nil
		}
		return c.afterLink(ctx, p, c.To, interrupt)
	})
	c.timed("after_link", begin)
	return errors.Join(errs...) == nil
}

func (c *Coordinator) nextInterrupt() <-chan struct{} {
	if c.Interrupts == nil {
		return nil // which is never closed
	}
	return c.Interrupts()
}

// afterLink runs the after_link commands for a package on one host, under the stage's lock: a new
// session has to acquire it first, and cannot where another run acted on the stage. The commands
// may hang: the user's interrupt ends them, and they count as failed.
func (c *Coordinator) afterLink(ctx context.Context, p *Participant, linked name.Package, interrupt <-chan struct{}) error {
	commands := p.AfterLink(linked)
	if len(commands.Commands) == 0 || linked.IsZero() {
		return nil
	}
	return p.Log.Step(event.StepAfterLink, func() error {
		bounded, cancel := within(ctx, c.Timeouts.Reconnect)
		defer cancel()
		if err := p.own(bounded, c); err != nil {
			return err
		}
		var watching guard.Group
		defer watching.Wait()
		ended := make(chan struct{})
		defer close(ended)
		watching.Go(func() {
			select {
			case <-interrupt:
				_ = p.Session.Cancel(ctx) // the answer to the commands reports how they ended
			case <-ended:
			}
		}, func(bug *guard.Panic) { p.Log.Bug(bug) })
		return p.Session.Command(ctx, c.Stage, c.Run, commands, p.Log.Output(event.StepAfterLink))
	})
}
