package deploy

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/keep-it-simple/kis/internal/event"
	"github.com/keep-it-simple/kis/internal/fleet"
	"github.com/keep-it-simple/kis/internal/name"
	"github.com/keep-it-simple/kis/inventory"
)

// VerifyStage reads all files of the package that a stage is linked to, on each of its hosts. It changes nothing.
func (d *Deployer) VerifyStage(ctx context.Context, hosts []inventory.Host, stage name.Stage) []event.Intact {
	return d.rehash(ctx, hosts, linkedTo(stage))
}

// VerifyPackage is VerifyStage for a package, on the hosts that have it.
func (d *Deployer) VerifyPackage(ctx context.Context, hosts []inventory.Host, p name.Package) []event.Intact {
	return d.rehash(ctx, hosts, installed(p))
}

// refuseChanged refuses a package of which files are not as they were sealed.
func refuseChanged(p name.Package, changed []string) error {
	if len(changed) == 0 {
		return nil
	}
	return event.Refuse(event.CodeChanged, fmt.Sprintf("%s is not as it was sealed: %s", p, firstOf(changed, 5)),
		"bump the version and push that, or roll back to another package")
}

// readPackage is what a dry run can verify of a package that is installed: it reads it. It changes nothing.
func (r *run) readPackage(ctx context.Context, h *host) bool {
	if h.sealed(r.pkg) == nil || !h.readsPackage() {
		return true
	}
	return h.step(event.StepVerify, func() error { return h.requireIntact(ctx) })
}

// requireIntact reads all files of the package on this host, which another run has installed there, perhaps long ago. That
// their names, sizes and times are as they were, which is looked at anyway, says nothing of a disk that returns other bytes.
func (h *host) requireIntact(ctx context.Context) error {
	if !h.readsPackage() {
		return nil
	}
	changed, err := h.session.Rehash(ctx, h.run.pkg, h.run.timeout())
	return errors.Join(err, refuseChanged(h.run.pkg, changed))
}

// readsPackage reports whether this run reads all files of the package on this host.
func (h *host) readsPackage() bool {
	again := []event.Op{event.Rollback, event.Promote, event.Relink}
	return slices.Contains(again, h.run.plan.Op) && !h.isUpToDate()
}

func (d *Deployer) rehash(ctx context.Context, hosts []inventory.Host, choose choice) []event.Intact {
	all := make([]event.Intact, len(hosts))
	failures := d.onHosts(ctx, hosts, event.StepVerify, func(ctx context.Context, i int, s *fleet.Session) error {
		asking, cancel := within(ctx, d.timeouts().Query)
		defer cancel()
		p, err := choose(asking, s)
		if err != nil || p.IsZero() {
			return err
		}
		all[i].Package = p.String()
		reading, cancel := within(ctx, d.timeout())
		defer cancel()
		all[i].Changed, err = s.Rehash(reading, p, d.timeout())
		return errors.Join(err, refuseChanged(p, all[i].Changed))
	})
	for i, h := range hosts {
		all[i].Host, all[i].Failure = h.Name, failures[i]
	}
	return all
}
