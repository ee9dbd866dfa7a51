package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/keep-it-simple/kis/internal/event"
)

func newCheck(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "check [stage]",
		Short: "Check this machine and every host; print a remedy for each problem",
		Long: `Check does what a push does before it changes anything: it reads the inventory, builds the source
distribution, connects to every host, and inspects Python, tools, free space, permissions, links and
shared files. It changes nothing on a host. It exits with 2 when the project cannot be built, and with
3 when a host would refuse a push.`,
		GroupID:           "inspect",
		Args:              arguments(0, "the stage"),
		ValidArgsFunction: a.completeStage,
		RunE:              func(cmd *cobra.Command, args []string) error { return a.check(cmd.Context(), args) },
	}
}

func (a *app) check(ctx context.Context, names []string) error {
	inv, err := a.load()
	if err != nil {
		return err
	}
	targets, err := a.targets(inv, names)
	if err != nil {
		return err
	}
	project := &source{}
	plan, err := project.plan(ctx, a, inv, a.ui.View())
	if plan.Archive != nil {
		defer plan.Archive.Close() //nolint:errcheck // only read
	}
	if err != nil {
		return err
	}
	dir, err := project.wheelDir(a)
	if err != nil {
		return err
	}
	wheel := newApplicationWheel(plan.Archive, dir, inv)
	defer wheel.Close() //nolint:errcheck // only read
	plan.Op, plan.DryRun, plan.Wheel = event.Check, true, wheel.For
	first := error(nil)
	for _, t := range targets {
		plan.Stage, plan.Hosts, plan.Subset = t.Stage, t.hosts, t.subset
		if err := a.carryOut(ctx, inv, plan, a.ui.View()); first == nil {
			first = err
		}
	}
	return first
}
