package main

import (
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/keep-it-simple/kis/internal/name"
	"github.com/keep-it-simple/kis/internal/ui"
	"github.com/keep-it-simple/kis/inventory"
	"github.com/keep-it-simple/kis/remote"
)

// logsStatus is the exit status of logs.
const logsStatus = `
Exit status:
    0  every host has shown its journal
    1  a bug in kis
    2  usage or inventory error: no host was contacted
    3  no host has shown anything
    5  a host has not shown its journal, or not all of it
  130  interrupted, as -F always is
`

func newLogs(a *app) *cobra.Command {
	wanted := remote.Logs{}
	cmd := &cobra.Command{
		Use:   "logs <stage> [unit ...]",
		Short: "Show what the services of a stage have written to the journal, on all of its hosts",
		Long: `Logs shows the systemd journal of the stage's services (or of the units that are named) from all hosts, in the order
of their times, each line with its host. -F goes on with new lines until Ctrl-C.

The user on the host has to be in the group systemd-journal, or sudo has to let it run journalctl.

Examples:
  kis logs production -F
  kis logs production --since -1h --hosts web1
  kis logs production nginx.service -n 200`,
		GroupID:     "inspect",
		Annotations: map[string]string{statusKey: logsStatus},
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 || args[0] == "" {
				return usageError(cmd, errors.New("the stage is missing"))
			}
			return nil
		},
		ValidArgsFunction: a.completeStage,
		RunE: func(cmd *cobra.Command, args []string) error {
			inv, t, err := a.stage(args[0])
			if err != nil {
				return err
			}
			if wanted.Lines < 0 {
				return usageError(cmd, errors.New("--lines is not negative"))
			}
			if wanted.Units, err = unitsOf(t, args[1:]); err != nil {
				return err
			}
			if len(wanted.Units) == 0 {
				return &ui.Hinted{Err: fmt.Errorf("%s has no services", t.Name), Help: "name a unit: kis logs " + t.Name.String() + " nginx.service; or add services: to the stage in " + ui.RelativePath(inv.Path())}
			}
			ctx := cmd.Context()
			d := a.deployer(inv, a.ui.View().Event)
			defer d.Fleet.Dialer.Close() //nolint:errcheck // every client of it is closed already
			if err := a.ready(ctx, d, t.hosts); err != nil {
				return err
			}
			view := a.ui.Journal(namesOf(t.hosts), wanted.Follow)
			all := d.Logs(ctx, t.hosts, wanted, view.Line)
			view.End(all)
			return a.ranOutcome(ctx, all)
		},
	}
	cmd.Flags().BoolVarP(&wanted.Follow, "follow", "F", false, "go on with new lines until Ctrl-C")
	cmd.Flags().IntVarP(&wanted.Lines, "lines", "n", 50, "begin with the newest so many `lines` of each host")
	cmd.Flags().StringVar(&wanted.Since, "since", "", "begin at this `time`, as journalctl(1) reads it, such as -1h or \"2026-01-31 12:00\"")
	return cmd
}

// unitsOf are the units that were named, or the services of the stage.
func unitsOf(t target, names []string) ([]remote.Service, error) {
	var units []remote.Service
	if len(names) == 0 {
		for _, s := range t.Services {
			units = append(units, remote.Service(s))
		}
		return units, nil
	}
	for _, text := range names {
		unit, err := name.ParseUnit(text)
		if err != nil {
			return nil, err
		}
		user := slices.ContainsFunc(t.Services, func(s inventory.Service) bool { return s.Unit == unit && s.User })
		units = append(units, remote.Service{Unit: unit, User: user})
	}
	return units, nil
}
