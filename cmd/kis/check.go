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
		Use:     "check [stage]",
		Aliases: []string{"doctor"},
		Short:   "Check this machine and every host, with the remedy for what is missing",
		Long: `Check does what a push does before it changes anything: it reads the inventory, looks for what builds the project here, connects to
every host, and looks at Python, tools, space, rights and links. It changes nothing, and builds nothing: kis push --dry-run does. It
exits with 2 when nothing could be built here, and with 3 when a host would refuse a push.`,
		GroupID:           "look",
		Args:              atMost("the stage"),
		ValidArgsFunction: a.completeStage,
		RunE:              func(cmd *cobra.Command, args []string) error { return a.check(cmd.Context(), args) },
	}
}

func (a *app) check(ctx context.Context, args []string) error {
	inv, err := a.load()
	if err != nil {
		return err
	}
	if _, err := deploy.NewRecipe(inv.Install(), inv.Dir()); err != nil {
		return err
	}
	v := a.view()
	build, err := pybuild.NewPlan(ctx, pybuild.Options{Dir: inv.Dir(), Builder: string(inv.Build())})
	if err != nil {
		return err
	}
	v.say("this machine: " + build.String())
	names := args
	if len(names) == 0 {
		names = inv.StageNames()
	}
	var plans []deploy.Plan
	for _, name := range names {
		stage, hosts, subset, err := a.stage(inv, name)
		if err != nil {
			return err
		}
		plans = append(plans, deploy.Plan{Op: event.Check, Stage: stage, Hosts: hosts, Subset: subset, DryRun: true})
	}
	first := error(nil)
	for _, plan := range plans {
		if err := a.carryOut(ctx, inv, plan, a.view()); first == nil {
			first = err
		}
	}
	return first
}
