package main

import (
	"github.com/spf13/cobra"

	"github.com/keep-it-simple/kis/internal/deploy"
	"github.com/keep-it-simple/kis/internal/event"
	"github.com/keep-it-simple/kis/internal/name"
	"github.com/keep-it-simple/kis/internal/ui"
	"github.com/keep-it-simple/kis/remote"
)

// relinkOptions are the flags and arguments of rollback and link.
type relinkOptions struct {
	target   string // the package; "" for the previous one
	dryRun   bool
	replaces string
}

func newRollback(a *app) *cobra.Command {
	var o relinkOptions
	cmd := &cobra.Command{
		Use:   "rollback <stage>",
		Short: "Link the previous package on all hosts at once",
		Long: `Rollback links the package that the stage linked before, and that was confirmed, the same on all hosts.
The package is verified again, then linked as push does; a host that lacks it gets it from one that
has it. A second rollback goes one package further back; it never returns to the package that was rolled back.

Examples:
  kis rollback production
  kis rollback production --to projecta-0.3
  kis rollback production --dry-run`,
		GroupID:           "change",
		Args:              arguments(1, "the stage"),
		ValidArgsFunction: a.completeStage,
		RunE: func(cmd *cobra.Command, args []string) error {
			return o.run(cmd, a, event.Rollback, args[0])
		},
	}
	cmd.Flags().StringVar(&o.target, "to", "", "link this `package` instead of the previous one")
	o.flags(a, cmd)
	_ = cmd.RegisterFlagCompletionFunc("to", a.completePackage)
	return cmd
}

func newLink(a *app) *cobra.Command {
	var o relinkOptions
	cmd := &cobra.Command{
		Use:   "link <stage> <package>",
		Short: "Link a package that is installed",
		Long: `Link links a stage to a package, as push does after the barrier. A host that lacks the package gets it
from one that has it. Link runs no before_link commands.

Example:
  kis link staging projecta-0.4`,
		GroupID:           "change",
		Args:              arguments(2, "the stage", "the package"),
		ValidArgsFunction: a.completeStageAndPackage,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.target = args[1]
			return o.run(cmd, a, event.Relink, args[0])
		},
	}
	o.flags(a, cmd)
	return cmd
}

// flags are those of every command that links and installs nothing.
func (o *relinkOptions) flags(a *app, cmd *cobra.Command) {
	cmd.Flags().BoolVar(&o.dryRun, "dry-run", false, "check the hosts, print the plan, change nothing")
	replacesFlag(cmd, &o.replaces)
	a.lockWaitFlag(cmd)
}

// run carries out a plan that installs nothing.
func (o *relinkOptions) run(cmd *cobra.Command, a *app, op event.Op, stage string) error {
	replaces, err := replaced(cmd, o.replaces)
	if err != nil {
		return err
	}
	inv, t, err := a.stage(stage)
	if err != nil {
		return err
	}
	plan := deploy.Plan{Op: op, Stage: t.Stage, Hosts: t.hosts, Subset: t.subset, DryRun: o.dryRun, Replaces: replaces}
	plan.Recipe.Installer = remote.Installer(inv.Install().Installer) // for hosts that lack the package
	if o.target != "" {
		if plan.Target, err = name.ParsePackage(o.target); err != nil {
			return &ui.Hinted{Err: err, Help: "list the packages: kis list " + stage}
		}
	}
	return a.carryOut(cmd.Context(), inv, plan, a.ui.View())
}
