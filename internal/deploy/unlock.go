package deploy

import (
	"context"

	"github.com/keep-it-simple/kis/internal/event"
	"github.com/keep-it-simple/kis/internal/fleet"
	"github.com/keep-it-simple/kis/internal/guard"
	"github.com/keep-it-simple/kis/internal/name"
	"github.com/keep-it-simple/kis/inventory"
	"github.com/keep-it-simple/kis/remote"
)

// Locks reports who holds the stage's lock, on all hosts at the same time.
func (d *Deployer) Locks(ctx context.Context, stage name.Stage, hosts []inventory.Host) []event.Lock {
	return d.onLocks(ctx, hosts, func(ctx context.Context, s *fleet.Session, l *event.Lock) error {
		facts, err := s.Check(ctx, remote.CheckRequest{Stage: stage})
		l.Holder = facts.Stage.Holder
		return err
	})
}

// Unlock ends the runs that hold the stage's lock, on all hosts at the same time. A run that is
// ended gives up as when its connection is lost: its prepared link is removed, what it has linked
// stays.
func (d *Deployer) Unlock(ctx context.Context, stage name.Stage, hosts []inventory.Host) []event.Lock {
	return d.onLocks(ctx, hosts, func(ctx context.Context, s *fleet.Session, l *event.Lock) error {
		return d.end(ctx, s, stage, "", l)
	})
}

// UnlockHeld ends only the runs that shown, of the same hosts, reports as holders. Another run that
// holds a lock by now is not ended, and reported.
func (d *Deployer) UnlockHeld(ctx context.Context, stage name.Stage, hosts []inventory.Host, shown []event.Lock) []event.Lock {
	var held []inventory.Host
	holders := map[string]*remote.Holder{}
	for i, l := range shown {
		if l.Holder != nil {
			held, holders[l.Host] = append(held, hosts[i]), l.Holder
		}
	}
	return d.onLocks(ctx, held, func(ctx context.Context, s *fleet.Session, l *event.Lock) error {
		return d.end(ctx, s, stage, holders[l.Host].Run, l)
	})
}

// end ends the holder of a lock: the given run, or any if that is "".
func (d *Deployer) end(ctx context.Context, s *fleet.Session, stage name.Stage, run string, l *event.Lock) error {
	holder, err := s.Break(ctx, stage, run, d.Who)
	if other := lockedBy([]error{err}); other != nil {
		l.Holder = other
		return nil
	}
	l.Holder, l.Ended = holder, err == nil && holder != nil
	return err
}

// onLocks calls do for a lock on every host.
func (d *Deployer) onLocks(ctx context.Context, hosts []inventory.Host, do func(context.Context, *fleet.Session, *event.Lock) error) []event.Lock {
	all := make([]event.Lock, len(hosts))
	for i, h := range hosts {
		all[i].Host = h.Name
	}
	failures := d.onHosts(ctx, hosts, event.StepLock, func(ctx context.Context, i int, s *fleet.Session) error {
		bounded, cancel := context.WithTimeout(ctx, d.timeouts().Query)
		defer cancel()
		return do(bounded, s, &all[i])
	})
	for i := range all {
		all[i].Failure = failures[i]
	}
	return all
}

// onHosts does one step in a session of its own with every host, at the same time, and returns why it
// failed on each.
func (d *Deployer) onHosts(ctx context.Context, hosts []inventory.Host, step event.Step, do func(context.Context, int, *fleet.Session) error) []*event.Failure {
	failures := make([]*event.Failure, len(hosts))
	fleet.Each(len(hosts), d.Fleet.Limit(), func(i int) {
		session, err := d.Fleet.Connect(ctx, hosts[i])
		if err != nil {
			failures[i] = event.NewFailure(hosts[i].Name, event.StepConnect, err)
			return
		}
		defer session.Close()
		if err := do(ctx, i, session); err != nil {
			failures[i] = event.NewFailure(hosts[i].Name, step, session.WhyLost(err))
		}
	}, func(i int, p *guard.Panic) { failures[i] = event.NewFailure(hosts[i].Name, step, p) })
	return failures
}
