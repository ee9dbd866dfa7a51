package main

import (
	"context"
	"slices"

	"github.com/spf13/cobra"

	"github.com/keep-it-simple/kis/internal/event"
	"github.com/keep-it-simple/kis/internal/name"
	"github.com/keep-it-simple/kis/internal/ui"
)

func newVerify(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "verify [stage|package]",
		Short: "Read all files of packages, and compare them with what was sealed",
		Long: `Verify reads every file of the package that a stage is linked to, of all stages, or of the package that is
named, on all hosts, and compares it with its digest in the package's manifest. A switch compares names, sizes and times
only, which shows every edit but not a failing disk. It also finds an interpreter that was removed or replaced by one
of another series since. It changes nothing, and exits with 5 when a package is not as it was sealed, or a host does
not answer.

Examples:
  kis verify production
  kis verify projecta-0.4`,
		GroupID:           "inspect",
		Args:              arguments(0, "the stage or package"),
		ValidArgsFunction: a.completeStageOrPackage,
		RunE:              func(cmd *cobra.Command, args []string) error { return a.verify(cmd.Context(), args) },
	}
}

func (a *app) verify(ctx context.Context, args []string) error {
	inv, err := a.load()
	if err != nil {
		return err
	}
	d := a.deployer(inv, a.ui.View().Event)
	defer d.Fleet.Dialer.Close() //nolint:errcheck // every client of it is closed already
	if len(args) == 1 && !slices.Contains(inv.StageNames(), args[0]) {
		p, err := name.ParsePackage(args[0])
		if err != nil {
			return &ui.Hinted{Err: err, Help: "name a stage of the inventory, or a package: kis list"}
		}
		targets, err := a.targets(inv, nil)
		if err != nil {
			return err
		}
		hosts := union(targets)
		found := waiting(a, "reading every file of "+p.String(), func() []event.Intact { return d.VerifyPackage(ctx, hosts, p) })
		a.ui.Intact(found, p.String()+" is not installed")
		return a.intactOutcome(ctx, found)
	}
	targets, err := a.targets(inv, args)
	if err != nil {
		return err
	}
	var all []event.Intact
	for _, t := range targets {
		found := waiting(a, "reading every file of "+t.Name.String(), func() []event.Intact { return d.VerifyStage(ctx, t.hosts, t.Name) })
		for i := range found {
			found[i].Stage = t.Name.String()
		}
		a.ui.Intact(found, t.Name.String()+" is linked to nothing")
		all = append(all, found...)
	}
	return a.intactOutcome(ctx, all)
}

// intactOutcome is nil where every package is intact, else the outcome.
func (a *app) intactOutcome(ctx context.Context, found []event.Intact) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return a.failureOutcome(event.IntactFailures(found), event.Split)
}
