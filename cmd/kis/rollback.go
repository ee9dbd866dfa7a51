package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/keep-it-simple/kis/internal/deploy"
	"github.com/keep-it-simple/kis/internal/event"
	"github.com/keep-it-simple/kis/internal/name"
)

// relinkOptions are the flags and arguments of rollback and link.
type relinkOptions struct {
	target string // the package; empty for the one before
	dryRun bool
}

func newRollback(a *app) *cobra.Command {
	var o relinkOptions
	cmd := &cobra.Command{
		Use:   "rollback <stage>",
		Short: "Link the package that the stage had before, on all hosts at once",
		Long: `Rollback links the package that the stage had linked and confirmed before, the same on all hosts. It uploads and builds nothing: the
package is verified once more, then linked as push does. A package that was rolled back from is not gone back to by a second rollback.

Examples:
  kis rollback production
  kis rollback production --to projecta-0.3
  kis rollback production --dry-run`,
		GroupID:           "change",
		Args:              arguments("the stage"),
		ValidArgsFunction: a.completeStage,
		RunE: func(cmd *cobra.Command, args []string) error {
			return o.run(cmd.Context(), a, event.Rollback, args[0])
		},
	}
	cmd.Flags().StringVar(&o.target, "to", "", "link this `package` instead of the one before")
	o.flags(a, cmd)
	_ = cmd.RegisterFlagCompletionFunc("to", a.completePackage)
	return cmd
}

func newLink(a *app) *cobra.Command {
	var o relinkOptions
	cmd := &cobra.Command{
		Use:   "link <stage> <package>",
		Short: "Link a package that is installed on every host",
		Long: `Link links a stage to a package that is installed on all its hosts, as push does after the barrier. It uploads and builds nothing.

Example:
  kis link staging projecta-0.4`,
		GroupID:           "change",
		Args:              arguments("the stage", "the package"),
		ValidArgsFunction: a.completeStageAndPackage,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.target = args[1]
			return o.run(cmd.Context(), a, event.Relink, args[0])
		},
	}
	o.flags(a, cmd)
	return cmd
}

// lockWaitFlag is for the commands that take a stage's lock.
func (a *app) lockWaitFlag(cmd *cobra.Command) {
	cmd.Flags().DurationVar(&a.lockWait, "lock-wait", 0, "how long to wait for another run's lock, such as 10m (default: not at all)")
}

// flags are those of every command that links and installs nothing.
func (o *relinkOptions) flags(a *app, cmd *cobra.Command) {
	cmd.Flags().BoolVar(&o.dryRun, "dry-run", false, "check the hosts for real, print the plan, change nothing")
	a.lockWaitFlag(cmd)
}

// run carries a plan out that installs nothing.
func (o *relinkOptions) run(ctx context.Context, a *app, op event.Op, wanted string) error {
	inv, err := a.load()
	if err != nil {
		return err
	}
	stage, hosts, subset, err := a.stage(inv, wanted)
	if err != nil {
		return err
	}
	plan := deploy.Plan{Op: op, Stage: stage, Hosts: hosts, Subset: subset, DryRun: o.dryRun}
	if o.target != "" {
		if plan.Target, err = name.ParsePackage(o.target); err != nil {
			return hinted{error: err, hint: "see what there is: kis list " + wanted}
		}
	}
	return a.carryOut(ctx, inv, plan, a.view())
}
