package main

import (
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/spf13/cobra"

	"github.com/keep-it-simple/kis/internal/deploy"
	"github.com/keep-it-simple/kis/internal/event"
	"github.com/keep-it-simple/kis/internal/name"
	"github.com/keep-it-simple/kis/internal/pybuild"
	"github.com/keep-it-simple/kis/internal/ui"
	"github.com/keep-it-simple/kis/inventory"
)

// diffStatus is the exit status of diff.
const diffStatus = `
Exit status:
    0  the comparison is complete, whether there are differences or not
    1  a bug in kis
    2  usage, inventory or local build error: no host was contacted; or the answer could not be printed
    5  a host did not answer, or the hosts of a stage are linked to different packages
  130  interrupted
`

// maxCommits is how many commits are shown.
const maxCommits = 50

func newDiff(a *app) *cobra.Command {
	var from source
	cmd := &cobra.Command{
		Use:   "diff <stage> [stage|package]",
		Short: "Show what a push would deploy, or what two stages or packages differ in",
		Long: `Diff builds the source distribution of the project and compares it with the package that the stage is linked to: the
commits between the two, the files that differ, the distributions whose pinned version differs, and the settings of
the inventory that make another package. With a second argument it compares with what another stage is linked to, or
with a package that is installed; nothing is built then, and the whole environments are compared.

It changes nothing. The text of a change: git diff, with the revisions that diff names.

Examples:
  kis diff production
  kis diff production --rev v1.5
  kis diff production staging
  kis diff production projecta-1.4`,
		GroupID:           "inspect",
		Annotations:       map[string]string{statusKey: diffStatus},
		ValidArgsFunction: a.completeDiff,
		Args:              arguments(1, "the stage", "the stage or package to compare it with"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 2 && (from.sdist != "" || from.rev != "" || from.dev) {
				return usageError(cmd, errors.New("--sdist, --rev and --dev are about this project, and two packages are compared"))
			}
			defer from.close()
			return a.diff(cmd.Context(), from, args)
		},
	}
	from.flags(cmd)
	return cmd
}

func (a *app) diff(ctx context.Context, from source, args []string) error {
	inv, t, err := a.stage(args[0])
	if err != nil {
		return err
	}
	v := a.ui.View()
	d := a.deployer(inv, v.Event)
	defer d.Fleet.Dialer.Close() //nolint:errcheck // every client of it is closed already
	var plan deploy.Plan
	if len(args) == 1 {
		plan, err = from.plan(ctx, a, inv, v)
		if plan.Archive != nil {
			defer plan.Archive.Close() //nolint:errcheck // only read
		}
		if err != nil {
			return err
		}
	}
	end := a.ui.Waiting("reading the packages")
	defer end()
	linked, err := d.LinkedSide(ctx, t.hosts, t.Name)
	if err != nil {
		end()
		return a.diffFailed(ctx, err)
	}
	other := event.Side{}
	if len(args) == 1 {
		other = plan.Side()
		if linked.Distributions != nil { // what is not pinned is resolved by the push
			other.Distributions = maps.Clone(linked.Distributions)
			maps.Copy(other.Distributions, plan.Recipe.Pins())
		}
	} else if other, err = a.otherSide(ctx, d, inv, args[1]); err != nil {
		end()
		return a.diffFailed(ctx, err)
	}
	found := event.Compare(linked, other)
	if dir, err := a.projectDir(); err == nil {
		found.Commits = pybuild.Commits(ctx, dir, linked.Git, other.Git, maxCommits)
	}
	end()
	a.ui.Difference(found)
	return nil
}

// otherSide reads what a stage is linked to, or a package.
func (a *app) otherSide(ctx context.Context, d *deploy.Deployer, inv *inventory.Inventory, text string) (event.Side, error) {
	if slices.Contains(inv.StageNames(), text) {
		hosts, err := inv.Select(text, "")
		if err != nil {
			return event.Side{}, err
		}
		stage, err := inv.Stage(text)
		if err != nil {
			return event.Side{}, err
		}
		return d.LinkedSide(ctx, hosts, stage.Name)
	}
	p, err := name.ParsePackage(text)
	if err != nil {
		return event.Side{}, &ui.Hinted{Err: err, Help: "name a stage of the inventory, or a package: kis list"}
	}
	targets, err := a.targets(inv, nil)
	if err != nil {
		return event.Side{}, err
	}
	return d.PackageSide(ctx, union(targets), p)
}

// diffFailed prints what a host refused; other errors are returned.
func (a *app) diffFailed(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if unanswered, some := errors.AsType[*event.Unanswered](err); some {
		a.ui.Unanswered(unanswered.Failures, unanswered.Hosts, event.Split.Exit())
		return outcome{status: a.exitStatus(event.Bugs(unanswered.Failures), event.Split.Exit())}
	}
	if failure, some := errors.AsType[*event.Failure](err); some { // of the hosts together
		a.ui.Error(&ui.Hinted{Err: errors.New(failure.Message), Help: failure.Hint}, event.Split.Exit())
		return outcome{status: event.Split.Exit()}
	}
	return err
}

// completeDiff completes a stage, then another one or a package of earlier runs of this machine.
func (a *app) completeDiff(cmd *cobra.Command, args []string, start string) ([]string, cobra.ShellCompDirective) {
	switch len(args) {
	case 0:
		return a.completeStage(cmd, args, start)
	case 1:
		stages, directive := a.completeStageOrPackage(cmd, nil, start)
		return slices.DeleteFunc(stages, func(name string) bool { return name == args[0] }), directive
	}
	return nil, noFiles
}
