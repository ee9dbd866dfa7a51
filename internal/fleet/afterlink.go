package fleet

import (
	"context"
	"errors"
	"fmt"

	"github.com/keep-it-simple/kis/internal/name"
)

// after runs the after-link commands on all hosts that have switched.
func (t *transaction) after(ctx context.Context) bool {
	begin, asked := t.now(), t.nextInterrupt()
	errs := make([]error, len(t.parties))
	each(len(t.parties), 0, func(i int) {
		if p := t.parties[i]; p.at == isNew {
			errs[i] = t.runAfter(ctx, p, t.to, asked)
		}
	})
	t.phase("after_link", t.now().Sub(begin))
	return errors.Join(errs...) == nil
}

func (t *transaction) nextInterrupt() <-chan struct{} {
	if t.interrupts == nil {
		return nil // which nobody ever closes
	}
	return t.interrupts()
}

// runAfter runs the after-link commands on one host. They may be the inventory's, and hang: a person who interrupts ends them, and they
// count as failed.
func (t *transaction) runAfter(ctx context.Context, p *party, linked name.Package, asked <-chan struct{}) error {
	commands := p.after(linked)
	if len(commands.Commands) == 0 || linked.IsZero() {
		return nil
	}
	return p.step(StepAfterLink, func() error {
		if err := t.hold(ctx, p); err != nil {
			return err
		}
		ended, watched := make(chan struct{}), make(chan struct{})
		go func() {
			defer close(watched)
			select {
			case <-asked:
				_ = p.agent.Cancel(ctx) // the commands' own answer says what came of it
			case <-ended:
			}
		}()
		err := p.agent.Command(ctx, t.stage, t.run, commands, p.output)
		close(ended)
		<-watched
		return err
	})
}

// hold makes sure that this run has the stage's lock on a host before it starts anything there: a conversation that is new has to take it
// again, and must not where another run has been at work meanwhile.
func (t *transaction) hold(ctx context.Context, p *party) error {
	bounded, cancel := context.WithTimeoutCause(ctx, t.patience.find, fmt.Errorf("no answer within %v", t.patience.find))
	defer cancel()
	if p.at == isNew {
		return t.own(bounded, p)
	}
	if p.unlocked {
		return p.lockAgain(bounded)
	}
	return nil
}
