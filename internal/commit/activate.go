package commit

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/keep-it-simple/kis/internal/event"
	"github.com/keep-it-simple/kis/internal/guard"
	"github.com/keep-it-simple/kis/internal/name"
	"github.com/keep-it-simple/kis/remote"
)

// Activation is what brings a linked package into service on one host, in this order.
type Activation struct {
	Services       []remote.Service // to restart
	ServicesWithin time.Duration
	Commands       []remote.Commands   // after_link
	Health         *remote.HealthCheck // nil for none
}

// IsZero reports whether there is nothing to do.
func (a Activation) IsZero() bool {
	return len(a.Services)+len(a.Commands) == 0 && a.Health == nil
}

// activateAll brings the package into service on all hosts that have switched, one batch after the
// other. The hosts of the batches after a failure are not touched: their processes still run the
// previous package.
func (c *Coordinator) activateAll(ctx context.Context) bool {
	begin, interrupt := time.Now(), c.nextInterrupt()
	defer c.timed("activate", begin)
	return c.inBatches(func(p *Participant) bool { return p.link.state == stateNew }, func(p *Participant) error {
		p.activation.begun = true
		return c.activate(ctx, p, c.To, interrupt)
	})
}

// Restart brings what each host links into service again, in batches, and changes no link. The hosts of
// the batches after a failure are not touched.
func (c *Coordinator) Restart(ctx context.Context) event.Outcome {
	if ctx.Err() != nil {
		return event.Interrupted
	}
	ctx = context.WithoutCancel(ctx)
	for _, p := range c.Participants {
		p.read(p.Before)
		p.link.state = stateOld
	}
	begin, interrupt := time.Now(), c.nextInterrupt()
	defer c.timed("activate", begin)
	done := c.inBatches(func(*Participant) bool { return true }, func(p *Participant) error {
		linked, err := name.ParsePackage(p.Before)
		if err == nil {
			err = c.activate(ctx, p, linked, interrupt)
		}
		p.activation.restarted = err == nil
		return err
	})
	if done && len(c.Stream.Bugs()) == 0 {
		return event.Succeeded
	}
	return event.Split
}

// inBatches does something on the chosen participants, a batch at a time, and ends after the first
// batch in which it fails.
func (c *Coordinator) inBatches(chosen func(*Participant) bool, work func(*Participant) error) bool {
	var batch []*Participant
	flush := func() bool {
		errs := c.each(batch, work)
		batch = nil
		return errors.Join(errs...) == nil
	}
	for _, p := range c.Participants {
		if !chosen(p) {
			continue
		}
		if batch = append(batch, p); len(batch) == c.Batch && !flush() {
			return false
		}
	}
	return flush()
}

func (c *Coordinator) nextInterrupt() <-chan struct{} {
	if c.Interrupts == nil {
		return nil // which is never closed
	}
	return c.Interrupts()
}

// activate does the steps of an activation on one host, under the stage's lock: a new session has to
// acquire it first, and cannot where another run acted on the stage. A step may hang: the user's
// interrupt ends it, and it counts as failed.
func (c *Coordinator) activate(ctx context.Context, p *Participant, linked name.Package, interrupt <-chan struct{}) error {
	if linked.IsZero() {
		return nil
	}
	a := p.Activation(linked)
	for _, step := range []struct {
		name event.Step
		do   bool
		work func() error
	}{
		{event.StepServices, len(a.Services) > 0, func() error { return p.Session.RestartServices(ctx, c.Stage, c.Run, a.Services, a.ServicesWithin) }},
		{event.StepAfterLink, len(a.Commands) > 0, func() error { return c.afterLink(ctx, p, a) }},
		{event.StepHealth, a.Health != nil, func() error {
			return c.withLogs(p.Session.Health(ctx, c.Stage, c.Run, *a.Health), p.Log.Name, len(a.Services) > 0)
		}},
	} {
		if !step.do {
			continue
		}
		if err := p.Log.Step(step.name, func() error { return c.asOwner(ctx, p, interrupt, step.work) }); err != nil {
			return err
		}
	}
	return nil
}

// withLogs adds to an application that is not healthy how to see what it says about that.
func (c *Coordinator) withLogs(err error, host string, services bool) error {
	if refused, ok := errors.AsType[*remote.Refused](err); ok && services && refused.Hint == "" {
		refused.Hint = fmt.Sprintf("what it says: kis logs %s --hosts %s", c.Stage, host)
	}
	return err
}

// afterLink runs the after_link commands, in their order.
func (c *Coordinator) afterLink(ctx context.Context, p *Participant, a Activation) error {
	for _, command := range a.Commands {
		p.Log.Command(event.StepAfterLink, event.Started, command.Commands[0])
		command.Daemons = true
		if err := p.Session.Command(ctx, c.Stage, c.Run, command, p.Log.Output(event.StepAfterLink)); err != nil {
			return err
		}
	}
	return nil
}

// asOwner does something that only the owner of the stage may do, and cancels it at the user's
// interrupt.
func (c *Coordinator) asOwner(ctx context.Context, p *Participant, interrupt <-chan struct{}, work func() error) error {
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
			_ = p.Session.Cancel(ctx) // the answer to the step reports how it ended
		case <-ended:
		}
	}, func(bug *guard.Panic) { p.Log.Bug(bug) })
	return work()
}

// restore brings the previous package back into service on the hosts that were rolled back, in
// batches as well. Where the new one was never brought into service there is nothing to do.
func (c *Coordinator) restore(ctx context.Context) {
	c.inBatches(func(p *Participant) bool { return p.activation.pending }, func(p *Participant) error {
		c.restoreOne(ctx, p)
		return nil
	})
}

func (c *Coordinator) restoreOne(ctx context.Context, p *Participant) {
	p.activation.pending = false
	before, err := name.ParsePackage(p.Before)
	if err != nil || p.Activation(before).IsZero() {
		return // nothing was linked before, or nothing is brought into service
	}
	if p.activation.begun {
		p.activation.failed = true // until it has succeeded
		p.activation.failed = c.activate(ctx, p, before, c.nextInterrupt()) != nil
	}
	bounded, cancel := within(ctx, c.Timeouts.Link)
	defer cancel()
	// If this does not reach the journal, status reports that the activation did not complete. The link does not depend on it.
	_ = p.Session.Restarted(bounded, c.Stage, c.Run, !p.activation.failed)
}
