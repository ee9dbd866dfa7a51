package main

import (
	"context"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/keep-it-simple/kis/internal/deploy"
	"github.com/keep-it-simple/kis/internal/event"
	"github.com/keep-it-simple/kis/internal/name"
	"github.com/keep-it-simple/kis/inventory"
	"github.com/keep-it-simple/kis/remote"
)

func newUnlock(a *app) *cobra.Command {
	force := false
	cmd := &cobra.Command{
		Use:   "unlock <stage>",
		Short: "Show who holds the lock of a stage; with --force, end that run",
		Long: `Unlock asks every host of the stage who holds its lock. A lock goes with the run that holds it, at the latest a minute after its host has
heard the last of that run's machine, so there is seldom a reason for --force: it ends the run on the hosts. What that run has prepared
to link is taken away there, what it has linked stays linked. Its own kis, if it lives, ends with 3 before the links were switched; after that with 5, and it says
who has ended it.

At a terminal it shows the run first, and asks.

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

func (a *app) unlock(ctx context.Context, wanted string, force bool) error {
	inv, err := a.load()
	if err != nil {
		return err
	}
	stage, hosts, _, err := a.stage(inv, wanted)
	if err != nil {
		return err
	}
	f := a.deployer(inv, a.view().event)
	defer f.Fleet.Dialer.Close() //nolint:errcheck // every client of it is closed already
	if ask := a.ask(); force && ask != nil {
		return a.unlockAsked(ctx, f, stage.Name, hosts, ask)
	}
	a.changes = force
	var all []deploy.Unlocked
	if force {
		all = f.Unlock(ctx, stage.Name, hosts, nil)
	} else {
		all = f.Holders(ctx, stage.Name, hosts)
	}
	if !force && cutShort(ctx, all) {
		return ctx.Err()
	}
	if a.output == outputJSON {
		for _, u := range all {
			a.Out.json(map[string]any{"type": "unlock", "schema": event.Schema, "stage": stage.Name, "unlock": u})
		}
	} else {
		a.printUnlocked(stage.Name, all)
	}
	return a.unlocked(ctx, stage.Name, all, force)
}

// unlockAsked shows a person who holds the lock, and ends that run on the hosts that it was shown of, and no other run, if the answer is yes.
func (a *app) unlockAsked(ctx context.Context, f *deploy.Deployer, stage name.Stage, hosts []inventory.Host, ask func(context.Context, string) bool) error {
	shown := f.Holders(ctx, stage, hosts)
	if cutShort(ctx, shown) {
		return ctx.Err()
	}
	a.printUnlocked(stage, shown)
	held, holders := []inventory.Host{}, map[string]*remote.Holder{}
	var rest []deploy.Unlocked
	for i, u := range shown {
		if u.Holder != nil {
			held = append(held, hosts[i])
			holders[u.Host] = u.Holder
		} else {
			rest = append(rest, u)
		}
	}
	if len(held) == 0 {
		return a.unlocked(ctx, stage, shown, true)
	}
	yes := ask(ctx, fmt.Sprintf("end the run that holds the lock of %s?", stage))
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case !yes:
		a.Err.lines("kis: not unlocked: the answer was no")
		return outcome{status: event.Locked.Exit()}
	}
	a.changes = true
	ended := f.Unlock(ctx, stage, held, holders)
	a.printUnlocked(stage, ended)
	return a.unlocked(ctx, stage, append(rest, ended...), true)
}

// cutShort reports whether somebody has interrupted before every host had answered.
func cutShort(ctx context.Context, all []deploy.Unlocked) bool {
	return ctx.Err() != nil && slices.ContainsFunc(all, func(u deploy.Unlocked) bool { return u.Failure != nil })
}

// unlocked is the end: what failed, and the exit status.
func (a *app) unlocked(ctx context.Context, stage name.Stage, all []deploy.Unlocked, force bool) error {
	var failures []event.Failure
	held := false
	for _, u := range all {
		if u.Failure != nil {
			failures = append(failures, *u.Failure)
		}
		held = held || u.Failure == nil && u.Holder != nil && !u.Ended
	}
	if a.output != outputJSON {
		v := newTextView(a)
		for _, b := range fold(failures) {
			v.failure(b)
		}
		switch {
		case held && force: // one that came while somebody thought about the answer
			a.Err.printf("kis: not unlocked everywhere: another run holds the lock now\n  hint: look again: kis unlock %s\n", stage)
		case held:
			a.Err.printf("  hint: wait for it; or end it: kis unlock %s --force\n", stage)
		}
	}
	switch {
	case cutShort(ctx, all):
		return ctx.Err()
	case len(failures) > 0:
		return outcome{status: a.failedWith(failures, event.Split.Exit())}
	case held:
		return outcome{status: event.Locked.Exit()}
	}
	return nil
}

func (a *app) printUnlocked(stage name.Stage, all []deploy.Unlocked) {
	for _, u := range all {
		switch {
		case u.Failure != nil:
		case u.Holder == nil:
			a.Out.printf("%s  %s is not locked\n", u.Host, stage)
		case u.Ended:
			a.Out.printf("%s  ended: %s\n", u.Host, event.HolderText(u.Holder))
		default:
			a.Out.printf("%s  %s is locked: %s\n", u.Host, stage, event.HolderText(u.Holder))
		}
	}
}
