package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/keep-it-simple/kis/internal/fleet"
)

func newCheck(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "check [stage]",
		Aliases: []string{"doctor"},
		Short:   "Check this machine and every host, with the remedy for what is missing",
		Long: `Check does what a push does before it changes anything: it reads the inventory, connects to every host, and looks at Python, tools,
space, rights and links. It changes nothing. It exits with 3 when a push would be refused.`,
		GroupID:           "look",
		Args:              atMost("stage"),
		ValidArgsFunction: a.completeStage,
		RunE:              func(cmd *cobra.Command, args []string) error { return a.check(cmd.Context(), args) },
	}
}

func (a *app) check(ctx context.Context, args []string) error {
	inv, err := a.load()
	if err != nil {
		return err
	}
	if _, err := fleet.NewRecipe(inv.Install(), inv.Dir()); err != nil {
		return err
	}
	names := args
	if len(names) == 0 {
		names = inv.StageNames()
	}
	worst := error(nil)
	for _, name := range names {
		stage, hosts, subset, err := a.stage(inv, name)
		if err != nil {
			return err
		}
		plan := fleet.Plan{Op: fleet.Check, Stage: stage, Hosts: hosts, Subset: subset, DryRun: true}
		if err := a.carryOut(ctx, inv, plan, a.view()); err != nil {
			worst = err
		}
	}
	return worst
}
