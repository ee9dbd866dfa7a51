package deploy

import (
	"context"

	"github.com/keep-it-simple/kis/internal/event"
	"github.com/keep-it-simple/kis/internal/fleet"
	"github.com/keep-it-simple/kis/inventory"
	"github.com/keep-it-simple/kis/remote"
)

// Units lists the systemd services that somebody has written for each host, and why hosts could not be asked.
func (d *Deployer) Units(ctx context.Context, hosts []inventory.Host) ([][]remote.Unit, []*event.Failure) {
	all := make([][]remote.Unit, len(hosts))
	failures := d.onHosts(ctx, hosts, event.StepCheck, func(ctx context.Context, i int, s *fleet.Session) (err error) {
		bounded, cancel := within(ctx, d.timeouts().Query)
		defer cancel()
		all[i], err = s.Units(bounded)
		return err
	})
	return all, failures
}
