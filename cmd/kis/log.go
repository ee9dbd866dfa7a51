package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/keep-it-simple/kis/internal/survey"
	"github.com/keep-it-simple/kis/remote"
)

// linesPerRun is the maximum number of lines that a run has in a journal.
const linesPerRun = 8

// maxRuns is the maximum number of runs that can be requested: a host sends no more lines.
const maxRuns = remote.MaxLines / linesPerRun

func newLog(a *app) *cobra.Command {
	most := 20
	cmd := &cobra.Command{
		Use:   "log <stage>",
		Short: "Show the runs on a stage: what they linked, who ran them, how they ended",
		Long: `Log reads the stage's journal on every host and shows the newest runs first, each with the hosts by
result. With -v it shows everything that is recorded: key, address, digest, skew. It changes nothing.
It exits with 5 when a host does not answer.`,
		GroupID:           "inspect",
		Args:              arguments("the stage"),
		ValidArgsFunction: a.completeStage,
		RunE: func(cmd *cobra.Command, args []string) error {
			if most < 1 || most > maxRuns {
				return usageError(cmd, fmt.Errorf("--number is from 1 to %d, not %d", maxRuns, most))
			}
			return a.log(cmd.Context(), args, most)
		},
	}
	cmd.Flags().IntVarP(&most, "number", "n", most, fmt.Sprintf("number of runs to show, at most %d", maxRuns))
	return cmd
}

func (a *app) log(ctx context.Context, names []string, most int) error {
	targets, found, err := a.read(ctx, names, most*linesPerRun, false)
	if err != nil {
		return err
	}
	survey.RequireJournal(names[0], found)
	hosts := hostNames(targets)
	runs := survey.History(names[0], hosts, found)
	if len(runs) > most {
		runs = runs[:most]
	}
	a.ui.Runs(runs, hosts, survey.Answered(hosts, found))
	if len(runs) < most && survey.AnyOlder(names[0], found) {
		a.ui.Message("older runs are not shown: the journals on the hosts (.kis/journal/" + names[0] + ") have them")
	}
	return a.unanswered(hosts, found)
}
