package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/keep-it-simple/kis/internal/deploy"
	"github.com/keep-it-simple/kis/internal/event"
	"github.com/keep-it-simple/kis/internal/ui"
)

func newRestart(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "restart <stage>",
		Short: "Restart the services of what is linked, in the batches of rollout",
		Long: `Restart does what follows a switch, without one: it restarts the services of the stage, runs its
after_link commands and asks for its health, in the batches of rollout. The next batch begins when the
last is healthy. No link is changed.

Examples:
  kis restart production
  kis restart production --hosts web1`,
		GroupID:           "change",
		Args:              arguments(1, "the stage"),
		ValidArgsFunction: a.completeStage,
		RunE: func(cmd *cobra.Command, args []string) error {
			inv, t, err := a.stage(args[0])
			if err != nil {
				return err
			}
			if len(t.Services)+len(t.AfterLink) == 0 && t.Health.URL == "" {
				return &ui.Hinted{Err: fmt.Errorf("%s has nothing to restart", t.Name), Help: "add services, after_link or health to the stage in " + ui.RelativePath(inv.Path())}
			}
			plan := deploy.Plan{Op: event.Restart, Stage: t.Stage, Hosts: t.hosts, Subset: t.subset}
			return a.carryOut(cmd.Context(), inv, plan, a.ui.View())
		},
	}
	a.lockWaitFlag(cmd)
	return cmd
}
