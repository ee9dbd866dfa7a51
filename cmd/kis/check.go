package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/keep-it-simple/kis/internal/deploy"
	"github.com/keep-it-simple/kis/internal/event"
	"github.com/keep-it-simple/kis/internal/pybuild"
)

func newCheck(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "check [stage]",
		Short: "Check this machine and every host; print a remedy for each problem",
		Long: `Check does what a push does before it changes anything: it reads the inventory, finds the tool that
builds the project on this machine, connects to every host, and inspects Python, tools, free space,
permissions and links. It changes nothing and builds nothing; kis push --dry-run builds. It exits
with 2 when this machine cannot build, and with 3 when a host would refuse a push.`,
		GroupID:           "inspect",
		Args:              atMost("the stage"),
		ValidArgsFunction: a.completeStage,
		RunE:              func(cmd *cobra.Command, args []string) error { return a.check(cmd.Context(), args) },
	}
}

func (a *app) check(ctx context.Context, names []string) error {
	inv, err := a.load()
	if err != nil {
		return err
	}
	if _, err := deploy.NewRecipe(inv.Install(), inv.Shared(), inv.Prepare(), inv.Dir()); err != nil {
		return err
	}
	project, err := a.projectDir()
	if err != nil {
		return err
	}
	build, err := pybuild.NewPlan(ctx, pybuild.Options{Dir: project, Builder: string(inv.Build())})
	if err != nil {
		return err
	}
	a.ui.View().Say("this machine: " + build.String())
	targets, err := a.targets(inv, names)
	if err != nil {
		return err
	}
	first := error(nil)
	for _, t := range targets {
		plan := deploy.Plan{Op: event.Check, Stage: t.Stage, Hosts: t.hosts, Subset: t.subset, DryRun: true, Keep: inv.Keep()}
		if err := a.carryOut(ctx, inv, plan, a.ui.View()); first == nil {
			first = err
		}
	}
	return first
}
