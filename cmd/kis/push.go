package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/keep-it-simple/kis/internal/deploy"
	"github.com/keep-it-simple/kis/internal/event"
	"github.com/keep-it-simple/kis/internal/pybuild"
	"github.com/keep-it-simple/kis/internal/sdist"
	"github.com/keep-it-simple/kis/inventory"
)

// pushOptions are the flags of push.
type pushOptions struct {
	sdist  string
	noLink bool
	dryRun bool
}

func newPush(a *app) *cobra.Command {
	var o pushOptions
	cmd := &cobra.Command{
		Use:   "push <stage>",
		Short: "Build, upload, install and verify on every host; then link on all at once",
		Long: `Push builds the source distribution of the project beside the inventory, installs it as a package on every host of the stage, verifies
it, and links the stage to it on all hosts at the same moment, only if every host is ready.

A package that is installed with the same content is not built again: pushing to a second stage, or again after a failure, takes a
moment. The same version with other content is refused, because packages are never changed.

Examples:
  kis push staging
  kis push production --hosts web1,web2
  kis push staging --sdist dist/projecta-0.4.tar.gz
  kis push production --no-link       # prepare now, link later: kis link production …
  kis push production --dry-run`,
		GroupID:           "change",
		Args:              arguments("the stage"),
		ValidArgsFunction: a.completeStage,
		RunE:              func(cmd *cobra.Command, args []string) error { return o.run(cmd.Context(), a, args[0]) },
	}
	cmd.Flags().StringVar(&o.sdist, "sdist", "", "push this source distribution `file` instead of building one")
	cmd.Flags().BoolVar(&o.noLink, "no-link", false, "stop at the barrier, with everything prepared")
	cmd.Flags().BoolVar(&o.dryRun, "dry-run", false, "check laptop and hosts for real, print the plan, change nothing")
	a.lockWaitFlag(cmd)
	return cmd
}

func (o pushOptions) run(ctx context.Context, a *app, name string) error {
	inv, err := a.load()
	if err != nil {
		return err
	}
	stage, hosts, subset, err := a.stage(inv, name)
	if err != nil {
		return err
	}
	recipe, err := deploy.NewRecipe(inv.Install(), inv.Dir())
	if err != nil {
		return fmt.Errorf("%s: %w", relative(inv.Path()), err)
	}
	v := a.view()
	archive, err := o.archive(ctx, a, inv, v)
	if err != nil {
		return err
	}
	defer archive.Close() //nolint:errcheck // only read
	v.archive(archive)
	plan := deploy.Plan{
		Op: event.Push, Stage: stage, Hosts: hosts, Subset: subset, Archive: archive, Recipe: recipe, NoLink: o.noLink, DryRun: o.dryRun,
	}
	if o.sdist == "" {
		plan.Git = gitRevision(ctx, inv.Dir())
	}
	return a.carryOut(ctx, inv, plan, v)
}

// archive builds the source distribution, or opens the one that was named.
func (o pushOptions) archive(ctx context.Context, a *app, inv *inventory.Inventory, v view) (*sdist.Archive, error) {
	if o.sdist != "" {
		return sdist.Open(o.sdist)
	}
	defer v.building(a)()
	return pybuild.Build(ctx, pybuild.Options{Dir: inv.Dir(), Builder: string(inv.Build()), Log: v.buildLog(), Say: v.say})
}

// carryOut runs a plan with its log and its view.
func (a *app) carryOut(ctx context.Context, inv *inventory.Inventory, plan deploy.Plan, v view) error {
	log, err := a.openRunLog(time.Now(), plan)
	if err != nil {
		return hinted{error: fmt.Errorf("the log of the run: %w", err), hint: "kis keeps a log of every run: make room, or set XDG_STATE_HOME to a folder it can write"}
	}
	defer log.Close() //nolint:errcheck // the log must not change the outcome
	d := a.deployer(inv, func(e event.Event) {
		a.signals.follow(e)
		log.event(e)
		v.event(e)
	})
	defer d.Fleet.Dialer.Close() //nolint:errcheck // every client of it is closed already
	d.Recorded = log.recorded
	if err := d.Fleet.Ready(ctx, plan.Hosts); err != nil {
		return err
	}
	a.changes = !plan.DryRun
	v.begin(a)
	defer func() { a.live.stop() }() // if the report is not reached
	report := d.Run(ctx, plan)
	shown := relativeToHome(log.path)
	if a.stateFolder != "" {
		shown = "" // it goes with the folder when the demonstration is over
	}
	v.report(report, shown)
	if a.output != outputJSON { // where the report has them
		a.reported(report.Bugs, report.Exit)
	}
	if report.Exit != 0 {
		return outcome{status: report.Exit}
	}
	return nil
}
