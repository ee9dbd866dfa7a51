package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/keep-it-simple/kis/internal/fleet"
	"github.com/keep-it-simple/kis/remote"
)

func newRollback(a *app) *cobra.Command {
	to := ""
	cmd := &cobra.Command{
		Use:   "rollback <stage>",
		Short: "Link the package that the stage had before, on all hosts at once",
		Long: `Rollback links the package that the stage had linked and confirmed before, the same on all hosts. It uploads and builds nothing: the
package is verified once more, then linked as push does. A package that was rolled back from is not gone back to by a second rollback.

Examples:
  kis rollback production
  kis rollback production --to projecta-0.3`,
		GroupID:           "change",
		Args:              arguments("the stage"),
		ValidArgsFunction: a.completeStage,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.relink(cmd.Context(), fleet.Rollback, args[0], to)
		},
	}
	cmd.Flags().StringVar(&to, "to", "", "link this `package` instead of the one before")
	a.lockWaitFlag(cmd)
	_ = cmd.RegisterFlagCompletionFunc("to", a.completePackage)
	return cmd
}

func newLink(a *app) *cobra.Command {
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
			return a.relink(cmd.Context(), fleet.Relink, args[0], args[1])
		},
	}
	a.lockWaitFlag(cmd)
	return cmd
}

// lockWaitFlag is for the commands that take a stage's lock.
func (a *app) lockWaitFlag(cmd *cobra.Command) {
	cmd.Flags().DurationVar(&a.lockWait, "lock-wait", 0, "how long to wait for another run's lock, such as 10m (default: not at all)")
}

// relink carries a plan out that installs nothing. target may be empty for a roll-back.
func (a *app) relink(ctx context.Context, op fleet.Op, name, target string) error {
	inv, err := a.load()
	if err != nil {
		return err
	}
	stage, hosts, subset, err := a.stage(inv, name)
	if err != nil {
		return err
	}
	plan := fleet.Plan{Op: op, Stage: stage, Hosts: hosts, Subset: subset}
	if target != "" {
		if plan.Target, err = remote.ParsePackage(target); err != nil {
			return hinted{error: err, hint: "see what there is: kis list " + name}
		}
	}
	return a.carryOut(ctx, inv, plan, a.view())
}
