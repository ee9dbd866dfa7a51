package fleet

import (
	"context"
	"errors"
	"fmt"

	"github.com/keep-it-simple/kis/internal/name"
	"github.com/keep-it-simple/kis/remote"
)

// resolve asks the hosts whose answer was lost. The prepared link is taken away first: after that the answer cannot change any more.
func (t *transaction) resolve(ctx context.Context) {
	each(len(t.parties), 0, func(i int) {
		if p := t.parties[i]; p.at == isUnknown {
			_ = p.step(StepResolve, func() error {
				bounded, cancel := context.WithTimeoutCause(ctx, t.patience.find, fmt.Errorf("not reached again within %v", t.patience.find))
				defer cancel()
				return t.find(bounded, p)
			})
		}
	})
}

// find reaches a host again and learns what is linked there. It takes the lock again, to be able to go on: the old agent, which may not know
// for a minute that its connection is dead, would keep it from this run and from the next. A host whose answers are lost once more is asked once more.
func (t *transaction) find(ctx context.Context, p *party) error {
	var err error
	for range attempts {
		if err = t.findOnce(ctx, p); !isLost(err) || ctx.Err() != nil {
			break
		}
	}
	return err
}

func (t *transaction) findOnce(ctx context.Context, p *party) error {
	p.known = false // as long as nobody has read it again: another run may have come meanwhile
	agent, err := p.reach(ctx)
	if err != nil {
		return err
	}
	fenced, err := agent.Fence(ctx, t.stage, t.run)
	if err != nil {
		return err
	}
	p.agent, p.linked, p.known, p.unlocked, p.idle = agent, fenced.Linked, true, true, true
	t.durable(p, fenced.Durable)
	switch fenced.Linked {
	case t.to.String():
		p.at = isNew
	case p.from:
		p.at = isOld
		// What the host is linked to does not depend on it, and the others wait to be taken back.
		briefly, cancel := context.WithTimeout(ctx, t.patience.call)
		defer cancel()
		if err := p.lockAgain(briefly); p.at == isTaken {
			return err
		}
		return nil
	default:
		p.at = isTaken
		return refuse("taken", fmt.Sprintf("another run has linked %s meanwhile; it is left alone", orNone(fenced.Linked)), "")
	}
	return t.own(ctx, p)
}

// own takes the lock and the switch up in a new conversation, as far as it has not done so yet.
func (t *transaction) own(ctx context.Context, p *party) error {
	if p.unlocked {
		if err := p.lockAgain(ctx); err != nil {
			return err
		}
	}
	if !p.idle {
		return nil
	}
	err := t.resume(ctx, p)
	p.idle = err != nil
	return err
}

// lockAgain also ends the agent of an older conversation, which might still do what it was told. Where another run has been at work meanwhile
// there is none any more, and the link is that run's, even where it leads to what this one has linked or found.
func (p *party) lockAgain(ctx context.Context) error {
	err := p.again(ctx)
	p.unlocked = err != nil
	switch {
	case isCode(err, "taken"):
		p.at, p.told = isTaken, false
	case err == nil:
		p.told = false
	}
	return err
}

// forward tries to finish the switch where it has not happened: the package is ready there, so that it takes a moment.
func (t *transaction) forward(ctx context.Context) {
	for attempt := 0; attempt < attempts && t.count(isNew) < len(t.parties); attempt++ {
		if wait(ctx, t.patience.pause) != nil {
			return
		}
		each(len(t.parties), 0, func(i int) {
			if p := t.parties[i]; p.at == isOld {
				_ = p.step(StepLink, func() error {
					bounded, cancel := context.WithTimeoutCause(ctx, t.patience.find, fmt.Errorf("no answer within %v", t.patience.find))
					defer cancel()
					return t.linkAgain(bounded, p)
				})
			}
		})
		t.resolve(ctx)
	}
}

// linkAgain arms and commits once more on a host that is known not to have switched.
func (t *transaction) linkAgain(ctx context.Context, p *party) error {
	if p.unlocked {
		if err := p.lockAgain(ctx); err != nil {
			return err
		}
	}
	if err := p.agent.Arm(ctx, t.link(p), t.patience.armed); err != nil {
		if isLost(err) {
			p.at, p.known = isUnknown, false // as after a commit: the next look finds out, and finds a way to the host
		}
		return err
	}
	p.idle = false
	return t.commit(ctx, p)
}

// back takes the switch back wherever it has happened, and reads every link once more before it claims anything.
func (t *transaction) back(ctx context.Context) Outcome {
	begin := t.now()
	each(len(t.parties), 0, func(i int) {
		if p := t.parties[i]; p.at == isNew && p.from != t.to.String() {
			t.revert(ctx, p)
		}
	})
	same := make([]bool, len(t.parties))
	each(len(t.parties), 0, func(i int) {
		p := t.parties[i]
		if same[i] = t.asBefore(ctx, p); same[i] && p.owed && p.at != isTaken { // it went back, and its answer came to nobody
			t.restart(ctx, p)
		}
		same[i] = same[i] && p.at != isTaken // another run has been at work: whatever is linked, it is not for this one to vouch for
	})
	t.phase("revert", t.now().Sub(begin))
	for _, ok := range same {
		if !ok {
			return Split
		}
	}
	return RolledBack
}

func (t *transaction) revert(ctx context.Context, p *party) {
	p.owed = true
	err := p.step(StepRevert, func() error {
		bounded, cancel := context.WithTimeoutCause(ctx, t.patience.find, fmt.Errorf("not reached again within %v", t.patience.find))
		defer cancel()
		return t.insist(bounded, p, func(ctx context.Context) error {
			if p.at == isOld { // an earlier answer was lost, the revert was not
				return nil
			}
			switched, err := p.agent.Revert(ctx, t.run)
			p.told = isLost(err)
			if err == nil {
				t.durable(p, switched.Durable)
			}
			return err
		})
	})
	switch _, refused := errors.AsType[*remote.Refused](err); {
	case err == nil:
		p.at = isOld
		t.restart(ctx, p)
	case p.at != isTaken && !refused:
		p.at = isUnknown // it was looked for just now
	}
}

// restart runs the after-link commands for what the host has gone back to, in a conversation that has the lock.
func (t *transaction) restart(ctx context.Context, p *party) {
	p.owed = false
	before, err := name.ParsePackage(p.from)
	if err != nil || len(p.after(before).Commands) == 0 {
		return // nothing was linked before, or nothing runs after it: there is nothing to restart
	}
	p.unwell = t.runAfter(ctx, p, before, t.nextInterrupt()) != nil
	bounded, cancel := context.WithTimeout(ctx, t.patience.link)
	defer cancel()
	// Where this does not come to the journal, a look tells that the commands did not come to their end. What is linked does not depend on it.
	_ = p.agent.Restarted(bounded, t.stage, t.run, !p.unwell)
}

// attempts is how often a host is asked again whose answers are lost, while it can be reached.
const attempts = 3

// insist does something on a host that has switched. When the answer is lost, or does not come in time, it reaches the host again, learns where
// it stands (p.at), and does it once more.
func (t *transaction) insist(ctx context.Context, p *party, work func(ctx context.Context) error) error {
	err := t.attempt(ctx, p, work)
	for range attempts {
		if !isLost(err) || ctx.Err() != nil {
			return err
		}
		if err = t.find(ctx, p); err == nil {
			err = t.attempt(ctx, p, work)
		}
	}
	return err
}

// attempt leaves time to reach the host again when its answer does not come.
func (t *transaction) attempt(ctx context.Context, p *party, work func(ctx context.Context) error) error {
	bounded, cancel := context.WithTimeoutCause(ctx, t.patience.link, fmt.Errorf("no answer within %v", t.patience.link))
	defer cancel()
	if p.at == isNew {
		if err := t.own(bounded, p); err != nil {
			return err
		}
	}
	return work(bounded)
}

// isCode reports that a host has refused something for that reason.
func isCode(err error, code string) bool {
	refused, ok := errors.AsType[*remote.Refused](err)
	return ok && refused.Code == code
}

func isLost(err error) bool {
	_, lost := errors.AsType[*remote.Lost](err)
	return lost
}

// asBefore reads the link, and reports whether it is what it was before this run. A host that was not found a moment ago is not looked for as
// long as the others.
func (t *transaction) asBefore(ctx context.Context, p *party) bool {
	patience := t.patience.find
	if p.at == isUnknown {
		patience = t.patience.link
	}
	bounded, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	p.known = false
	fenced, err := t.read(bounded, p)
	for range attempts {
		if !isLost(err) || bounded.Err() != nil {
			break
		}
		agent, unreached := p.reach(bounded)
		if unreached != nil {
			return false
		}
		p.agent, p.unlocked, p.idle = agent, true, true
		fenced, err = t.read(bounded, p)
	}
	if err != nil {
		return false
	}
	p.linked, p.known = fenced.Linked, true
	t.durable(p, fenced.Durable)
	return fenced.Linked == p.from
}

// readOld learns what is linked where the switch has not happened: what was there before may not be there any more.
func (t *transaction) readOld(ctx context.Context) {
	each(len(t.parties), 0, func(i int) {
		if p := t.parties[i]; p.at == isOld {
			_ = t.asBefore(ctx, p)
		}
	})
}

// read asks over a connection that may be dead. What an older one was told must not come true after that.
func (t *transaction) read(ctx context.Context, p *party) (remote.Fenced, error) {
	bounded, cancel := context.WithTimeout(ctx, t.patience.link)
	defer cancel()
	if p.told && p.unlocked {
		if err := p.lockAgain(bounded); err != nil && p.at != isTaken {
			return remote.Fenced{}, err
		}
	}
	return p.agent.Fence(bounded, t.stage, t.run)
}
