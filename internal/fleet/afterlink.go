package fleet

import (
	"context"
	"errors"

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
		ended, watched := make(chan struct{}), make(chan struct{})
		go func() {
			defer close(watched)
			select {
			case <-asked:
				_ = p.agent.Cancel(ctx) // the commands' own answer says what came of it
			case <-ended:
			}
		}()
		err := p.agent.Command(ctx, commands, p.output)
		close(ended)
		<-watched
		return err
	})
}
