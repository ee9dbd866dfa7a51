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

// Unlocked is what Unlock did on one host.
type Unlocked struct {
	Host    string         `json:"host"`
	Holder  *remote.Holder `json:"holder,omitempty"` // who held the lock; nil: nobody
	Ended   bool           `json:"ended"`            // the holder was ended; if not, it still holds the lock
	Failure *event.Failure `json:"failure,omitempty"`
}

// Holders reports who holds the stage's lock, on all hosts at the same time.
func (d *Deployer) Holders(ctx context.Context, stage name.Stage, hosts []inventory.Host) []Unlocked {
	return d.onLocks(ctx, hosts, func(ctx context.Context, s *fleet.Session, out *Unlocked) error {
		facts, err := s.Check(ctx, remote.CheckRequest{Stage: stage})
		out.Holder = facts.Stage.Holder
		return err
	})
}

// Unlock ends the runs that hold the stage's lock, on all hosts at the same time; only those that shown names, where it is not
// nil: a holder that came later is left alone, and reported. A run that is ended gives up as when its connection is lost: its
// prepared link is removed, what it has linked stays.
func (d *Deployer) Unlock(ctx context.Context, stage name.Stage, hosts []inventory.Host, shown map[string]*remote.Holder) []Unlocked {
	return d.onLocks(ctx, hosts, func(ctx context.Context, s *fleet.Session, out *Unlocked) error {
		run := ""
		if holder := shown[out.Host]; holder != nil {
			run = holder.Run
		}
		holder, err := s.Break(ctx, stage, run, d.Who)
		if other := lockedBy([]error{err}); other != nil {
			out.Holder = other
			return nil
		}
		out.Holder, out.Ended = holder, err == nil && holder != nil
		return err
	})
}

// onLocks does something about a lock on every host.
func (d *Deployer) onLocks(ctx context.Context, hosts []inventory.Host, do func(context.Context, *fleet.Session, *Unlocked) error) []Unlocked {
	all := make([]Unlocked, len(hosts))
	fleet.Each(len(hosts), d.Fleet.Limit(), func(i int) {
		out := &all[i]
		out.Host = hosts[i].Name
		session, err := d.Fleet.Connect(ctx, hosts[i])
		if err != nil {
			out.Failure = event.NewFailure(out.Host, event.StepConnect, err)
			return
		}
		defer session.Close()
		bounded, cancel := context.WithTimeout(ctx, queryTimeout)
		defer cancel()
		if err := do(bounded, session, out); err != nil {
			out.Failure = event.NewFailure(out.Host, event.StepLock, err)
		}
	}, func(i int, p *guard.Panic) { all[i].Failure = event.NewFailure(hosts[i].Name, event.StepLock, p) })
	return all
}
