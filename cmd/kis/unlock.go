package main

import (
	"context"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/keep-it-simple/kis/internal/deploy"
	"github.com/keep-it-simple/kis/internal/event"
)

func newUnlock(a *app) *cobra.Command {
	force := false
	cmd := &cobra.Command{
		Use:   "unlock <stage>",
		Short: "Show who holds the lock of a stage; with --force, end that run",
		Long: `Unlock shows who holds the stage's lock on every host. A lock ends with its run, at the latest a
minute after the host last heard from the machine that runs it, so --force is seldom necessary. It
ends the run on the hosts: a link that the run has prepared is removed, a link that it has switched
stays. The kis of that run, if it is alive, exits with 3 before the switch and with 5 after it, and
names the user who ended it.

At a terminal it shows the run first, and asks.

It exits with 0 when no lock is held any more, with 6 when one is, and with 5 when a host does not
answer.

Examples:
  kis unlock production            # who holds it
  kis unlock production --force`,
		GroupID:           "clean",
		Args:              arguments(1, "the stage"),
		ValidArgsFunction: a.completeStage,
		RunE:              func(cmd *cobra.Command, args []string) error { return a.unlock(cmd.Context(), args[0], force) },
	}
	cmd.Flags().BoolVar(&force, "force", false, "end the run that holds the lock")
	return cmd
}

func (a *app) unlock(ctx context.Context, wanted string, force bool) error {
	inv, t, err := a.stage(wanted)
	if err != nil {
		return err
	}
	d := a.deployer(inv, a.ui.View().Event)
	defer d.Fleet.Dialer.Close() //nolint:errcheck // every client of it is closed already
	var locks []event.Lock
	switch {
	case !force:
		locks, err = a.showLocks(ctx, d, t)
	case a.ui.Confirm() != nil:
		locks, err = a.unlockShown(ctx, d, t)
	default:
		a.changes = true
		locks = waiting(a, "releasing the locks", func() []event.Lock { return d.Unlock(ctx, t.Name, t.hosts) })
		a.ui.Locks(t.Name, locks)
	}
	if err != nil {
		return err
	}
	a.ui.LocksEnd(t.Name, locks, force)
	return a.locksOutcome(ctx, locks)
}

// showLocks shows who holds the lock.
func (a *app) showLocks(ctx context.Context, d *deploy.Deployer, t target) ([]event.Lock, error) {
	locks := waiting(a, "reading the locks", func() []event.Lock { return d.Locks(ctx, t.Name, t.hosts) })
	if interrupted(ctx, locks) {
		return nil, ctx.Err()
	}
	a.ui.Locks(t.Name, locks)
	return locks, nil
}

// unlockShown shows the holders, and ends them if the user confirms.
func (a *app) unlockShown(ctx context.Context, d *deploy.Deployer, t target) ([]event.Lock, error) {
	shown, err := a.showLocks(ctx, d, t)
	if err != nil || !event.AnyHeld(shown) {
		return shown, err
	}
	yes := a.ui.Confirm()(ctx, fmt.Sprintf("end the run that holds the lock of %s?", t.Name))
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case !yes:
		a.ui.Message("not unlocked: the answer was no")
		return nil, outcome{status: event.Locked.Exit()}
	}
	a.changes = true
	ended := waiting(a, "releasing the locks", func() []event.Lock { return d.UnlockHeld(ctx, t.Name, t.hosts, shown) })
	a.ui.Locks(t.Name, ended)
	return append(slices.DeleteFunc(shown, event.Lock.Held), ended...), nil
}

// interrupted reports whether the user interrupted before every host had answered.
func interrupted(ctx context.Context, locks []event.Lock) bool {
	return ctx.Err() != nil && len(event.LockFailures(locks)) > 0
}

// locksOutcome is nil when no lock is held.
func (a *app) locksOutcome(ctx context.Context, locks []event.Lock) error {
	failures := event.LockFailures(locks)
	switch {
	case interrupted(ctx, locks):
		return ctx.Err()
	case len(failures) > 0:
		return outcome{status: a.exitStatus(event.Bugs(failures), event.Split.Exit())}
	case event.AnyHeld(locks):
		return outcome{status: event.Locked.Exit()}
	}
	return nil
}
