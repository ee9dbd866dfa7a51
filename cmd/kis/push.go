package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/keep-it-simple/kis/internal/deploy"
	"github.com/keep-it-simple/kis/internal/event"
	"github.com/keep-it-simple/kis/internal/name"
	"github.com/keep-it-simple/kis/internal/pybuild"
	"github.com/keep-it-simple/kis/internal/runlog"
	"github.com/keep-it-simple/kis/internal/ui"
	"github.com/keep-it-simple/kis/inventory"
)

// pushOptions are the flags of push.
type pushOptions struct {
	source   source
	noLink   bool
	dryRun   bool
	replaces string
	upgrade  bool
}

func newPush(a *app) *cobra.Command {
	var o pushOptions
	cmd := &cobra.Command{
		Use:   "push <stage>",
		Short: "Build, upload, install and verify on every host; then link on all at once",
		Long: `Push builds the source distribution of the project, installs it as a package on every host of the
stage, verifies it, and links the stage to it on all hosts at the same time, only if every host is
ready.

A package that is installed with the same content is not built again, so that a push to a second
stage, or again after a failure, takes seconds. The same version with other content is refused,
because packages are never changed.

Files that git tracks and the archive lacks are named. With --rev, a clean checkout of that revision is
built, and the working tree does not count. With --dev, git revision and content become part of the
version, so that the same version can be pushed again and again while it is being developed.

Examples:
  kis push staging
  kis push staging --dev
  kis push staging --rev v0.4
  kis push production --hosts web1,web2
  kis push staging --sdist dist/projecta-0.4.tar.gz
  kis push production --no-link       # prepare now, link later: kis link production …
  kis push production --dry-run`,
		GroupID:           "change",
		Args:              arguments(1, "the stage"),
		ValidArgsFunction: a.completeStage,
		RunE:              func(cmd *cobra.Command, args []string) error { return o.run(cmd, a, args[0]) },
	}
	o.source.flags(cmd)
	cmd.Flags().BoolVar(&o.noLink, "no-link", false, "stop at the barrier, with everything prepared")
	cmd.Flags().BoolVar(&o.dryRun, "dry-run", false, "check this machine and the hosts, print the plan, change nothing")
	cmd.Flags().BoolVar(&o.upgrade, "upgrade", false, "resolve requirements without hashes anew, although they have not changed since an earlier package")
	replacesFlag(cmd, &o.replaces)
	a.lockWaitFlag(cmd)
	return cmd
}

// replacesFlag is for the commands that can link a package of another project.
func replacesFlag(cmd *cobra.Command, replaces *string) {
	cmd.Flags().StringVar(replaces, "replaces", "", "the stage may be linked to a package of this other `project`, which it is to replace")
}

// replaced is the project that --replaces names, the zero value without it.
func replaced(cmd *cobra.Command, replaces string) (name.Project, error) {
	if replaces == "" {
		return name.Project{}, nil
	}
	project, err := name.ParseProject(replaces)
	if err != nil {
		return project, usageError(cmd, fmt.Errorf("--replaces: %w", err))
	}
	return project, nil
}

func (o pushOptions) run(cmd *cobra.Command, a *app, stage string) error {
	ctx := cmd.Context()
	replaces, err := replaced(cmd, o.replaces)
	if err != nil {
		return err
	}
	inv, t, err := a.stage(stage)
	if err != nil {
		return err
	}
	if !t.From.IsZero() {
		return &ui.Hinted{Err: fmt.Errorf("%s takes its packages from %s (from: in %s)", stage, t.From, ui.RelativePath(inv.Path())), Help: fmt.Sprintf("kis promote %s %s", t.From, stage)}
	}
	v := a.ui.View()
	defer o.source.close()
	plan, err := o.source.plan(ctx, a, inv, v)
	if plan.Archive != nil {
		defer plan.Archive.Close() //nolint:errcheck // only read
	}
	if err != nil {
		return err
	}
	project, err := o.source.wheelDir(a)
	if err != nil {
		return err
	}
	wheel := newApplicationWheel(plan.Archive, project, inv)
	defer wheel.Close() //nolint:errcheck // only read
	plan.Wheel, plan.Upgrade = wheel.For, o.upgrade
	if !o.dryRun && !pybuild.HasBuiltWheel(plan.Archive, wheel.options) {
		plan.BuildWheel = wheel.Build
	}
	plan.Op, plan.Stage, plan.Hosts, plan.Subset, plan.NoLink, plan.DryRun, plan.Replaces = event.Push, t.Stage, t.hosts, t.subset, o.noLink, o.dryRun, replaces
	return a.carryOut(ctx, inv, plan, v)
}

// carryOut runs a plan with its log and its view.
func (a *app) carryOut(ctx context.Context, inv *inventory.Inventory, plan deploy.Plan, v ui.View) error {
	if plan.Stage.NoDev && plan.Target.IsDev() {
		return &ui.Hinted{
			Err:  fmt.Errorf("%s takes no version that is being developed, such as %s (dev: false)", plan.Stage.Name, plan.Target),
			Help: "push a version without --dev",
		}
	}
	header := runlog.Header{
		Version: version(), Time: time.Now(), By: who(),
		Op: plan.Op, Stage: plan.Stage.Name.String(), Hosts: namesOf(plan.Hosts),
	}
	log, err := a.logs.Open(header)
	if err != nil {
		return &ui.Hinted{Err: fmt.Errorf("the log of the run: %w", err), Help: "kis keeps a log of every run: free some space, or set XDG_STATE_HOME to a directory it can write"}
	}
	defer log.Close() //nolint:errcheck // the log must not change the outcome
	hook := a.announcer(ctx, plan)
	d := a.deployer(inv, func(e event.Event) {
		a.signals.follow(e)
		log.Event(e)
		v.Event(e)
		hook.follow(e)
	})
	defer d.Fleet.Dialer.Close() //nolint:errcheck // every client of it is closed already
	d.Recorded = log.Sync
	if err := a.ready(ctx, d, plan.Hosts); err != nil {
		return err
	}
	a.changes = !plan.DryRun
	defer v.Begin()()
	report := d.Run(ctx, plan)
	shown := ui.HomePath(log.Path)
	if a.logs != "" {
		shown = "" // the demo removes it
	}
	v.Report(report, shown)
	hook.end(report)
	if !a.ui.WantsJSON() { // the report of the JSON stream has them
		a.ui.Bugs(report.Bugs)
	}
	if report.Exit != 0 {
		return outcome{status: report.Exit}
	}
	return nil
}
