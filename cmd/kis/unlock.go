package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/keep-it-simple/kis/internal/fleet"
)

func newUnlock(a *app) *cobra.Command {
	force := false
	cmd := &cobra.Command{
		Use:   "unlock <stage>",
		Short: "Show who holds the lock of a stage; with --force, end that run",
		Long: `Unlock asks every host of the stage who holds its lock. A lock goes with the run that holds it, at the latest a minute after its host has
heard the last of that run's machine, so there is seldom a reason for --force: it ends the run on the hosts. What that run has prepared
to link is taken away there, what it has linked stays linked; its own kis, if it lives, ends and says who has ended it.

It exits with 0 when no lock is held any more, with 6 when one is, and with 5 when a host cannot be asked.

Examples:
  kis unlock production            # who holds it
  kis unlock production --force`,
		GroupID:           "change",
		Args:              arguments("the stage"),
		ValidArgsFunction: a.completeStage,
		RunE:              func(cmd *cobra.Command, args []string) error { return a.unlock(cmd.Context(), args[0], force) },
	}
	cmd.Flags().BoolVar(&force, "force", false, "end the run that holds the lock")
	return cmd
}

func (a *app) unlock(ctx context.Context, name string, force bool) error {
	inv, err := a.load()
	if err != nil {
		return err
	}
	stage, hosts, _, err := a.stage(inv, name)
	if err != nil {
		return err
	}
	if ask := a.ask(); force && ask != nil && !ask(ctx, fmt.Sprintf("end the run that holds the lock of %s?", stage.Name)) {
		return errors.New("not unlocked: the answer was no")
	}
	f := a.fleet(inv, a.view().event)
	defer f.Dialer.Close() //nolint:errcheck // every client of it is closed already
	a.changes = force
	all := f.Unlock(ctx, stage.Name, hosts, force)
	status, failures := 0, []fleet.Failure(nil)
	for _, u := range all {
		if a.output == outputJSON {
			writeJSON(a.Out, map[string]any{"type": "unlock", "schema": fleet.Schema, "stage": stage.Name, "unlock": u})
		}
		switch {
		case u.Failure != nil:
			failures = append(failures, *u.Failure)
		case u.Holder != nil && !u.Ended:
			status = fleet.Locked.Exit()
		}
	}
	interrupted := len(failures) > 0 && ctx.Err() != nil
	if interrupted && !force {
		return ctx.Err()
	}
	if len(failures) > 0 {
		status = fleet.Split.Exit()
	}
	if a.output != outputJSON {
		a.printUnlocked(stage.Name, all, failures)
	}
	if interrupted {
		return ctx.Err()
	}
	if status != 0 {
		return outcome{status: status}
	}
	return nil
}

func (a *app) printUnlocked(stage string, all []fleet.Unlocked, failures []fleet.Failure) {
	held := false
	for _, u := range all {
		switch {
		case u.Failure != nil:
		case u.Holder == nil:
			_, _ = fmt.Fprintf(a.Out, "%s  %s is not locked\n", clean(u.Host), stage)
		case u.Ended:
			_, _ = fmt.Fprintf(a.Out, "%s  ended: %s\n", clean(u.Host), clean(fleet.HolderText(u.Holder)))
		default:
			held = true
			_, _ = fmt.Fprintf(a.Out, "%s  %s is locked: %s\n", clean(u.Host), stage, clean(fleet.HolderText(u.Holder)))
		}
	}
	v := newTextView(a)
	for _, b := range fold(failures) {
		v.failure(b)
	}
	if held {
		_, _ = fmt.Fprintf(a.Err, "  hint: wait for it; or end it: kis unlock %s --force\n", stage)
	}
}
