package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/keep-it-simple/kis/internal/deploy"
	"github.com/keep-it-simple/kis/internal/event"
	"github.com/keep-it-simple/kis/internal/name"
	"github.com/keep-it-simple/kis/internal/ui"
	"github.com/keep-it-simple/kis/inventory"
)

func newPrune(a *app) *cobra.Command {
	keep, dryRun := 0, false
	cmd := &cobra.Command{
		Use:   "prune [stage]",
		Short: "Remove the packages that no stage keeps",
		Long: `Prune removes old packages, on the hosts of the stage or of all stages. Each stage of a host keeps the
packages that it linked last, 5 or as many as keep: in the inventory says. Packages that were never
confirmed are kept while they are among the newest of the host, as many again. Never removed is a
package that a stage links, or a rollback of it would link, that a process uses, or that a run works
with or did not complete. A push prunes by itself after it has succeeded.

At a terminal it shows the packages first, and asks. It exits with 5 when a host does not answer, or
does not remove a package.

Examples:
  kis prune --dry-run
  kis prune production --keep 2`,
		GroupID:           "clean",
		Args:              arguments(0, "the stage"),
		ValidArgsFunction: a.completeStage,
		RunE: func(cmd *cobra.Command, args []string) error {
			if cmd.Flags().Changed("keep") && keep < 1 {
				return usageError(cmd, fmt.Errorf("--keep is at least 1, not %d", keep))
			}
			return a.prune(cmd.Context(), args, keep, dryRun)
		},
	}
	cmd.Flags().IntVar(&keep, "keep", 0, "packages that each stage keeps (default: keep: of the inventory)")
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "show what would be removed, remove nothing")
	return cmd
}

func newRemove(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "remove <package> [stage]",
		Short: "Remove one package that nothing needs",
		Long: `Remove removes a package from the hosts of the stage, or of all stages. It is refused, with 3 and
nothing removed anywhere, when a host cannot be asked or needs the package: a stage links it, or a
rollback of it would link it, a process uses it, or a run works with it or did not complete. A
package that was removed can be pushed again.

At a terminal it asks first. It exits with 5 when some hosts did not remove the package after all.

Example:
  kis remove projecta-0.4`,
		GroupID:           "clean",
		Args:              arguments(1, "the package", "the stage"),
		ValidArgsFunction: a.completePackageAndStage,
		RunE:              func(cmd *cobra.Command, args []string) error { return a.remove(cmd.Context(), args[0], args[1:]) },
	}
}

func (a *app) prune(ctx context.Context, stages []string, keep int, dryRun bool) error {
	inv, hosts, err := a.allHosts(stages)
	if err != nil {
		return err
	}
	if keep == 0 {
		keep = inv.Keep()
	}
	d := a.deployer(inv, a.ui.View().Event)
	defer d.Fleet.Dialer.Close() //nolint:errcheck // every client of it is closed already
	planned := waiting(a, "finding packages that no stage needs", func() []event.Cleanup { return d.Unneeded(ctx, hosts, keep) })
	if ctx.Err() != nil {
		return ctx.Err()
	}
	a.ui.Cleanup(planned, false)
	failures := event.CleanupFailures(planned)
	if count, _ := event.CountPackages(planned); dryRun || count == 0 {
		a.ui.CleanupEnd(failures, "nothing was removed")
		return a.failureOutcome(failures, event.Split)
	}
	done, err := a.removePlanned(ctx, d, hosts, event.Prune, planned)
	if err != nil {
		return err
	}
	failures = append(failures, event.CleanupFailures(done)...)
	a.ui.CleanupEnd(failures, "")
	return a.failureOutcome(failures, event.Split)
}

func (a *app) remove(ctx context.Context, wanted string, stages []string) error {
	p, err := name.ParsePackage(wanted)
	if err != nil {
		return &ui.Hinted{Err: err, Help: "list the packages: kis list"}
	}
	inv, hosts, err := a.allHosts(stages)
	if err != nil {
		return err
	}
	d := a.deployer(inv, a.ui.View().Event)
	defer d.Fleet.Dialer.Close() //nolint:errcheck // every client of it is closed already
	planned := waiting(a, "finding "+p.String(), func() []event.Cleanup { return d.Removable(ctx, hosts, p) })
	if ctx.Err() != nil {
		return ctx.Err()
	}
	a.ui.Cleanup(planned, false)
	count, _ := event.CountPackages(planned)
	if failures := event.CleanupFailures(planned); len(failures) > 0 || count == 0 {
		sentence := "nothing was removed"
		if len(failures) == 0 {
			sentence += fmt.Sprintf(": %s is not installed on %d hosts", p, len(hosts))
		}
		a.ui.CleanupEnd(failures, sentence)
		return a.failureOutcome(failures, event.Aborted)
	}
	done, err := a.removePlanned(ctx, d, hosts, event.Remove, planned)
	if err != nil {
		return err
	}
	failures := event.CleanupFailures(done)
	a.ui.CleanupEnd(failures, "")
	return a.failureOutcome(failures, event.Split)
}

// allHosts are the hosts of the stages, or of all stages, each once.
func (a *app) allHosts(stages []string) (*inventory.Inventory, []inventory.Host, error) {
	inv, err := a.load()
	if err != nil {
		return nil, nil, err
	}
	targets, err := a.targets(inv, stages)
	return inv, union(targets), err
}

// removePlanned removes what was shown, if the user confirms.
func (a *app) removePlanned(ctx context.Context, d *deploy.Deployer, hosts []inventory.Host, op event.Op, planned []event.Cleanup) ([]event.Cleanup, error) {
	if ask := a.ui.Confirm(); ask != nil {
		yes := ask(ctx, a.ui.CleanupQuestion(planned))
		switch {
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case !yes:
			a.ui.Message("nothing was removed: the answer was no")
			return nil, outcome{status: event.Aborted.Exit()}
		}
	}
	a.changes = true
	done := waiting(a, "removing packages", func() []event.Cleanup { return d.Remove(ctx, hosts, op, planned) })
	a.ui.Cleanup(done, true)
	return done, nil
}

// failureOutcome is nil when nothing has failed, else the outcome.
func (a *app) failureOutcome(failures []event.Failure, otherwise event.Outcome) error {
	if len(failures) == 0 {
		return nil
	}
	return outcome{status: a.exitStatus(event.Bugs(failures), otherwise.Exit())}
}
