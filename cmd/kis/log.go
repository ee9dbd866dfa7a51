package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/keep-it-simple/kis/internal/runlog"
	"github.com/keep-it-simple/kis/internal/runpage"
	"github.com/keep-it-simple/kis/internal/survey"
	"github.com/keep-it-simple/kis/internal/ui"
	"github.com/keep-it-simple/kis/inventory"
	"github.com/keep-it-simple/kis/remote"
)

// linesPerRun is the maximum number of lines that a run has in a journal.
const linesPerRun = 8

// maxRuns is the maximum number of runs that can be requested: a host sends no more lines.
const maxRuns = remote.MaxLines / linesPerRun

func newLog(a *app) *cobra.Command {
	most, page := 20, ""
	cmd := &cobra.Command{
		Use:   "log <stage|run>",
		Short: "Show the runs on a stage: what they linked, who ran them, how they ended",
		Long: `Log reads the stage's journal on every host and shows the newest runs first, each with the hosts by
result. With -v it shows everything that is recorded: key, address, digest, skew. It changes nothing.
It exits with 5 when a host does not answer.

A run of this machine that is named, by its name or by the path of its log, is shown as it was shown then, from the log
that kis keeps of it, without asking any host. With --html it is drawn as a page: a timeline of the steps, the barrier,
the switch, what failed; for a stage, that is the newest run of this machine there.

Examples:
  kis log production
  kis log production --html run.html
  kis log ~/.local/state/kis/runs/20260131T120000Z-push-production.jsonl`,
		GroupID:           "inspect",
		Args:              arguments(1, "the stage"),
		ValidArgsFunction: a.completeStage,
		RunE: func(cmd *cobra.Command, args []string) error {
			if most < 1 || most > maxRuns {
				return usageError(cmd, fmt.Errorf("--number is from 1 to %d, not %d", maxRuns, most))
			}
			if page != "" {
				return a.writePage(args[0], page)
			}
			if a.isRun(args[0]) {
				return a.replay(args[0])
			}
			return a.log(cmd.Context(), args, most)
		},
	}
	cmd.Flags().StringVar(&page, "html", "", "write a page about one run to this `file`")
	cmd.Flags().IntVarP(&most, "number", "n", most, fmt.Sprintf("number of runs to show, at most %d", maxRuns))
	return cmd
}

// isRun reports whether a run is meant, not a stage: the path of a log, or the name of a run whose log is here.
func (a *app) isRun(text string) bool {
	if strings.HasSuffix(text, ".jsonl") {
		return true
	}
	if path, err := a.inventoryFile(); err == nil && slices.Contains(inventory.Stages(path), text) {
		return false
	}
	run, err := a.readRun(text)
	return err == nil && len(run.Events) > 0 && run.Events[0].Run == text
}

// replay shows a run of this machine.
func (a *app) replay(wanted string) error {
	run, err := a.readRun(wanted)
	if err != nil {
		return err
	}
	a.ui.Past(run.Events, run.Header.By)
	return nil
}

// readRun reads the log of a run of this machine, or of the newest one on a stage.
func (a *app) readRun(wanted string) (runlog.Run, error) {
	path, err := a.logs.Find(wanted)
	if errors.Is(err, runlog.ErrNoRun) {
		return runlog.Run{}, &ui.Hinted{Err: err, Help: "name a stage on which this machine has carried out a run, or the path of a log: ls ~/.local/state/kis/runs"}
	}
	if err != nil {
		return runlog.Run{}, err
	}
	return runlog.Read(path)
}

// writePage draws a run of this machine.
func (a *app) writePage(wanted, to string) (err error) {
	run, err := a.readRun(wanted)
	if err != nil {
		return err
	}
	file, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("--html: %w", err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	if err := runpage.Write(file, run); err != nil {
		return err
	}
	a.ui.Wrote(to)
	return nil
}

func (a *app) log(ctx context.Context, names []string, most int) error {
	targets, found, err := a.read(ctx, names, wanted{lines: most * linesPerRun})
	if err != nil {
		return err
	}
	survey.RequireJournal(names[0], found)
	hosts := namesOf(union(targets))
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
