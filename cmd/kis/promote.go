package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/keep-it-simple/kis/internal/deploy"
	"github.com/keep-it-simple/kis/internal/event"
	"github.com/keep-it-simple/kis/internal/ui"
	"github.com/keep-it-simple/kis/inventory"
	"github.com/keep-it-simple/kis/remote"
)

// promoteOptions are the flags of promote.
type promoteOptions struct {
	dryRun   bool
	noLink   bool
	replaces string
}

func newPromote(a *app) *cobra.Command {
	var o promoteOptions
	cmd := &cobra.Command{
		Use:   "promote <from> <to>",
		Short: "Link a stage to what another one has verified, byte for byte",
		Long: `Promote links the second stage to the package that the first one is linked to, confirmed and the same on
all its hosts. Nothing is built here, and nothing of the working tree counts. Hosts that lack the package get its
archive, its recipe and exactly its wheels from a host that has it, through this machine: they need no package
index. Then everything is as for a push: verify and before_link of the stage, the link on all hosts at once, services
and health.

Examples:
  kis promote staging production
  kis promote staging production --dry-run
  kis promote staging production --hosts web1,web2`,
		GroupID:           "change",
		Args:              arguments(2, "the stage to promote from", "the stage to promote to"),
		ValidArgsFunction: a.completeTwoStages,
		RunE:              func(cmd *cobra.Command, args []string) error { return o.run(cmd, a, args[0], args[1]) },
	}
	cmd.Flags().BoolVar(&o.noLink, "no-link", false, "stop at the barrier, with everything prepared")
	cmd.Flags().BoolVar(&o.dryRun, "dry-run", false, "check the hosts, print the plan, change nothing")
	replacesFlag(cmd, &o.replaces)
	a.lockWaitFlag(cmd)
	return cmd
}

func (o promoteOptions) run(cmd *cobra.Command, a *app, from, to string) error {
	replaces, err := replaced(cmd, o.replaces)
	if err != nil {
		return err
	}
	inv, t, err := a.stage(to)
	if err != nil {
		return err
	}
	stage, err := inv.Stage(from)
	if err != nil {
		return err
	}
	switch {
	case from == to:
		return usageError(cmd, fmt.Errorf("%s cannot be promoted to itself", from))
	case !t.From.IsZero() && t.From != stage.Name:
		return &ui.Hinted{Err: fmt.Errorf("%s takes its packages from %s (from: in %s), not from %s", to, t.From, ui.RelativePath(inv.Path()), from), Help: fmt.Sprintf("kis promote %s %s", t.From, to)}
	}
	hosts, err := inv.Select(from, "")
	if err != nil {
		return err
	}
	plan := deploy.Plan{
		Op: event.Promote, Stage: t.Stage, Hosts: t.hosts, Subset: t.subset, From: deploy.Source{Stage: stage.Name, Hosts: hosts},
		Recipe: copyRecipe(inv), Verify: inv.Verify(), Keep: inv.Keep(), NoLink: o.noLink, DryRun: o.dryRun, Replaces: replaces,
	}
	return a.carryOut(cmd.Context(), inv, plan, a.ui.View())
}

// copyRecipe is what the inventory says of packages that are copied from hosts. The rest of the recipe is copied too.
// The index serves only build backends of editable applications that are not pure Python; without the variables of
// its address it is the host's own.
func copyRecipe(inv *inventory.Inventory) deploy.Recipe {
	r := deploy.Recipe{Recipe: remote.Recipe{Installer: remote.Installer(inv.Install().Installer)}, Shared: inv.Shared()}
	if install, err := inv.Expand(os.Getenv); err == nil {
		r.IndexURL, r.ExtraIndexURLs = install.IndexURL, install.ExtraIndexURLs
	}
	return r
}

func newSync(a *app) *cobra.Command {
	var dryRun bool
	cmd := &cobra.Command{
		Use:   "sync <stage>",
		Short: "Bring new or rebuilt hosts to what the stage is linked to",
		Long: `Sync links the hosts of a stage that are linked to nothing to the package that all its other hosts are linked
to. They get the package from a host that has it, with exactly its wheels, and need no package index. before_link
commands are not run, because the release is not new; services, after_link and health are.

Examples:
  kis sync production
  kis sync production --dry-run`,
		GroupID:           "change",
		Args:              arguments(1, "the stage"),
		ValidArgsFunction: a.completeStage,
		RunE: func(cmd *cobra.Command, args []string) error {
			inv, t, err := a.stage(args[0])
			if err != nil {
				return err
			}
			if t.subset {
				return &ui.Hinted{Err: fmt.Errorf("sync needs all hosts of %s, to see what they are linked to", t.Name), Help: "leave out --hosts: what is right already stays as it is"}
			}
			plan := deploy.Plan{Op: event.Sync, Stage: t.Stage, Hosts: t.hosts, Recipe: copyRecipe(inv), Verify: inv.Verify(), DryRun: dryRun}
			return a.carryOut(cmd.Context(), inv, plan, a.ui.View())
		},
	}
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "check the hosts, print the plan, change nothing")
	a.lockWaitFlag(cmd)
	return cmd
}
