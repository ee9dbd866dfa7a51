package deploy

import (
	"context"
	"errors"

	"github.com/keep-it-simple/kis/internal/event"
	"github.com/keep-it-simple/kis/internal/fleet"
	"github.com/keep-it-simple/kis/internal/name"
	"github.com/keep-it-simple/kis/inventory"
	"github.com/keep-it-simple/kis/remote"
)

// Unneeded reports the packages that no stage of a host keeps, if each keeps so many, and that nothing
// needs. It changes nothing.
func (d *Deployer) Unneeded(ctx context.Context, hosts []inventory.Host, keep int) []event.Cleanup {
	return d.onPackages(ctx, hosts, event.StepPrune, keep, func(p remote.InstalledPackage, c *event.Cleanup) error {
		if p.Unneeded {
			c.Add(p)
		}
		return nil
	})
}

// Removable reports on which hosts a package is installed. A host that needs it is a failure. It
// changes nothing.
func (d *Deployer) Removable(ctx context.Context, hosts []inventory.Host, wanted name.Package) []event.Cleanup {
	return d.onPackages(ctx, hosts, event.StepRemove, 1, func(p remote.InstalledPackage, c *event.Cleanup) error {
		switch {
		case p.Name != wanted || p.State != remote.Sealed:
			return nil
		case len(p.Needed) > 0:
			return event.Needed(p)
		}
		c.Add(p)
		return nil
	})
}

// onPackages calls do for the packages of every host.
func (d *Deployer) onPackages(ctx context.Context, hosts []inventory.Host, step event.Step, keep int, do func(remote.InstalledPackage, *event.Cleanup) error) []event.Cleanup {
	all := make([]event.Cleanup, len(hosts))
	failures := d.onHosts(ctx, hosts, step, func(ctx context.Context, i int, s *fleet.Session) error {
		packages, err := d.packages(ctx, s, keep)
		for _, p := range packages {
			err = errors.Join(err, do(p, &all[i]))
		}
		return err
	})
	for i, h := range hosts {
		all[i].Host, all[i].Failure = h.Name, failures[i]
	}
	return all
}

// packages reads what is installed, and why it is needed.
func (d *Deployer) packages(ctx context.Context, s *fleet.Session, keep int) ([]remote.InstalledPackage, error) {
	ctx, cancel := within(ctx, d.timeouts().Query)
	defer cancel()
	state, err := s.State(ctx, remote.StateRequest{Keep: keep, PackagesOnly: true})
	if err == nil && len(state.Packages) == 0 {
		err = event.Problems(state.Problems)
	}
	return state.Packages, err
}

// Remove removes what was planned for each of the hosts, on all hosts at the same time. A host refuses
// what it needs by now.
func (d *Deployer) Remove(ctx context.Context, hosts []inventory.Host, op event.Op, planned []event.Cleanup) []event.Cleanup {
	all := make([]event.Cleanup, len(hosts))
	run := name.NewRun()
	failures := d.onHosts(ctx, hosts, event.Step(op), func(ctx context.Context, i int, s *fleet.Session) error {
		if len(planned[i].Packages) == 0 {
			return nil
		}
		return d.remove(ctx, s, run, remote.Holder{Who: d.Who, What: string(op)}, planned[i].Packages, &all[i])
	})
	for i, h := range hosts {
		all[i].Host, all[i].Failure = h.Name, failures[i]
	}
	return all
}

// remove removes packages on one host. One that the host does not remove does not keep it from
// removing the others.
func (d *Deployer) remove(ctx context.Context, s *fleet.Session, run name.Run, owner remote.Holder, packages []string, c *event.Cleanup) error {
	var first error
	for _, text := range packages {
		p, err := name.ParsePackage(text)
		if err != nil {
			return err
		}
		bounded, cancel := within(ctx, d.timeout())
		removed, err := s.Remove(bounded, p, run, owner)
		cancel()
		refused, some := errors.AsType[*remote.Refused](err)
		switch {
		case some && refused.Code == remote.CodeNoPackage: // another run has removed it since
		case some && first == nil:
			first = err
		case some:
		case err != nil:
			return err
		default:
			c.Packages, c.Bytes, c.Files = append(c.Packages, text), c.Bytes+removed.Bytes, c.Files+removed.Files
			if removed.Left != "" {
				c.Left = append(c.Left, removed.Left)
			}
		}
	}
	return first
}

// prune removes what no stage keeps after a push. It is a courtesy to the next one: the push has
// succeeded, whatever fails here.
func (r *run) prune(ctx context.Context, h *host) bool {
	c := event.Cleanup{Host: h.Name}
	err := h.log.Step(event.StepPrune, func() error {
		packages, err := r.packages(ctx, h.session, r.plan.Keep)
		if err != nil {
			return err
		}
		var unneeded []string
		for _, p := range packages {
			if p.Unneeded {
				unneeded = append(unneeded, p.Name.String())
			}
		}
		return r.remove(ctx, h.session, r.id, r.owner(), unneeded, &c)
	})
	h.log.Forgive(event.StepPrune)
	c.Failure, _ = errors.AsType[*event.Failure](err)
	if len(c.Packages) > 0 || c.Failure != nil {
		h.pruned = &c
	}
	return err == nil
}
