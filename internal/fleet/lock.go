package fleet

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/keep-it-simple/kis/internal/name"
	"github.com/keep-it-simple/kis/inventory"
	"github.com/keep-it-simple/kis/remote"
)

// lockAll takes the stage's lock on every host, or on none. Where another run has it, it is tried again for as long as LockWait allows;
// meanwhile no lock is held, so that two runs that wait cannot keep each other.
func (r *run) lockAll(ctx context.Context) bool {
	until := r.fleet.now().Add(r.fleet.LockWait)
	for ; ; r.waited = true {
		errs := make([]error, len(r.members))
		each(len(r.members), r.fleet.forks(), func(i int) { errs[i] = r.members[i].lock(ctx) })
		holder := lockedBy(errs)
		if holder == nil || !r.fleet.now().Before(until) || ctx.Err() != nil {
			return r.phase(ctx, "lock", func(_ context.Context, m *member) bool {
				return m.step(StepLock, func() error { return errs[slices.Index(r.members, m)] })
			})
		}
		if !r.waited {
			r.notice("", fmt.Sprintf("waiting up to %v for the lock%s", r.fleet.LockWait, holderText(holder)))
		}
		each(len(r.members), r.fleet.forks(), func(i int) {
			if errs[i] == nil {
				_ = r.members[i].conn.agent.Unlock(ctx) // when it is not given back the next attempt says so
			}
		})
		// Not in step with another run that waits.
		_ = wait(ctx, retryEvery+rand.N(retryEvery)) //nolint:gosec // no secret
	}
}

// lookAgain checks once more what another run may have changed while its lock was waited for.
func (r *run) lookAgain(ctx context.Context) bool {
	if !r.waited {
		return true
	}
	if r.plan.Op != Push {
		r.pkg = r.plan.Target
	}
	return r.phase(ctx, "check", r.check) && r.chooseTarget()
}

// lockedBy is the holder of a lock that somebody else has, nil when something else is wrong or nothing is.
func lockedBy(errs []error) *remote.Holder {
	var holder *remote.Holder
	for _, err := range errs {
		var refused *remote.Refused
		switch {
		case err == nil:
		case errors.As(err, &refused) && refused.Code == "locked":
			holder = refused.Holder
			if holder == nil {
				holder = &remote.Holder{}
			}
		default:
			return nil
		}
	}
	return holder
}

// lock takes the lock on one host.
func (m *member) lock(ctx context.Context) error {
	r := m.run
	ctx, cancel := m.within(ctx, quickly)
	defer cancel()
	var err error
	what := fmt.Sprintf("%s %s %s", r.plan.Op, r.stage, r.pkg)
	m.locked, err = m.conn.agent.Lock(ctx, r.stage, r.name, remote.Holder{Who: r.fleet.Who, What: what})
	if err != nil {
		return m.ours(err)
	}
	if len(m.locked.Fenced) > 0 {
		r.notice(m.host.Name, "an earlier run had died just before its switch; what it had armed was taken away")
	}
	if !r.waited && m.locked.Linked != m.facts.Stage.Linked {
		return refuse("changed-meanwhile", fmt.Sprintf("%s was linked to %s a moment ago and is linked to %s now", r.stage, orNone(m.facts.Stage.Linked), orNone(m.locked.Linked)),
			"somebody else was at work; look, and run it again: kis status "+r.stage.String())
	}
	return nil
}

// beginPackage takes the package's build lock, which another stage's run may have, and waits for it as for the stage's own.
func (m *member) beginPackage(ctx context.Context, s remote.Source) (*remote.Receipt, error) {
	r := m.run
	until := r.fleet.now().Add(r.fleet.LockWait)
	for {
		sealed, err := m.conn.agent.Begin(ctx, s)
		holder := lockedBy([]error{err})
		if holder == nil || !r.fleet.now().Before(until) {
			return sealed, err
		}
		r.tellWait.Do(func() {
			r.notice("", fmt.Sprintf("waiting up to %v for the build of %s%s", r.fleet.LockWait, r.pkg, holderText(holder)))
		})
		if waited := wait(ctx, retryEvery); waited != nil {
			return nil, waited
		}
	}
}

// Unlocked is what Unlock did on one host.
type Unlocked struct {
	Host    string         `json:"host"`
	Holder  *remote.Holder `json:"holder,omitempty"` // who held the lock; nil: nobody
	Ended   bool           `json:"ended"`            // the holder was ended; if not, it holds the lock still
	Failure *Failure       `json:"failure,omitempty"`
}

// Holders says who holds the stage's lock, on all hosts at the same time.
func (f *Fleet) Holders(ctx context.Context, stage name.Stage, hosts []inventory.Host) []Unlocked {
	return f.onLocks(ctx, hosts, func(ctx context.Context, agent *remote.Agent, out *Unlocked) error {
		facts, err := agent.Check(ctx, remote.CheckRequest{Stage: stage})
		out.Holder = facts.Stage.Holder
		return err
	})
}

// Unlock ends the runs that hold the stage's lock, on all hosts at the same time; those only that shown names, where it is not nil: a holder
// that came since is left alone, and told. A run that is ended gives up as when its connection is lost: what it has armed is taken away, what
// it has linked stays.
func (f *Fleet) Unlock(ctx context.Context, stage name.Stage, hosts []inventory.Host, shown map[string]*remote.Holder) []Unlocked {
	return f.onLocks(ctx, hosts, func(ctx context.Context, agent *remote.Agent, out *Unlocked) error {
		run := ""
		if holder := shown[out.Host]; holder != nil {
			run = holder.Run
		}
		holder, err := agent.Break(ctx, stage, run, f.Who)
		if other := lockedBy([]error{err}); other != nil {
			out.Holder = other
			return nil
		}
		out.Holder, out.Ended = holder, err == nil && holder != nil
		return err
	})
}

// onLocks does something about a lock on every host.
func (f *Fleet) onLocks(ctx context.Context, hosts []inventory.Host, do func(context.Context, *remote.Agent, *Unlocked) error) []Unlocked {
	all := make([]Unlocked, len(hosts))
	each(len(hosts), f.forks(), func(i int) {
		out := &all[i]
		out.Host = hosts[i].Name
		conn, err := f.converse(ctx, hosts[i])
		if err != nil {
			out.Failure = failure(out.Host, StepConnect, err)
			return
		}
		defer conn.close()
		bounded, cancel := context.WithTimeout(ctx, quickly)
		defer cancel()
		if err := do(bounded, conn.agent, out); err != nil {
			out.Failure = failure(out.Host, StepLock, err)
		}
	})
	return all
}
