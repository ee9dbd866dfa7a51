package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/keep-it-simple/kis/internal/event"
	"github.com/keep-it-simple/kis/internal/survey"
	"github.com/keep-it-simple/kis/remote"
)

// linesPerRun is how many lines a run has in a journal, at most.
const linesPerRun = 8

// mostRuns is how many runs can be asked for: so many lines a host sends.
const mostRuns = remote.MaxLines / linesPerRun

func newLog(a *app) *cobra.Command {
	most := 20
	cmd := &cobra.Command{
		Use:   "log <stage>",
		Short: "Show who linked what, when, and how it ended",
		Long: `Log reads the stage's journal on every host and shows the newest runs, newest first, with the hosts where each ended in the same way.
It changes nothing. With -v it shows all that is known of each: key, address, digest, skew. It exits with 5 when a host cannot be asked.`,
		GroupID:           "look",
		Args:              arguments("the stage"),
		ValidArgsFunction: a.completeStage,
		RunE: func(cmd *cobra.Command, args []string) error {
			if most < 1 || most > mostRuns {
				return usageError(cmd, fmt.Errorf("--number is from 1 to %d, not %d", mostRuns, most))
			}
			return a.log(cmd.Context(), args, most)
		},
	}
	cmd.Flags().IntVarP(&most, "number", "n", most, fmt.Sprintf("number of runs to show, at most %d", mostRuns))
	return cmd
}

func (a *app) log(ctx context.Context, args []string, most int) error {
	stages, looks, err := a.look(ctx, args, most*linesPerRun)
	if err != nil {
		return err
	}
	hosts := hostNames(stages)
	for name, l := range looks {
		if unread := l.Unread(stages[0].name); unread != nil {
			l.Failure = unread // without its journal there is nothing to tell of this host
			looks[name] = l
		}
	}
	runs := survey.History(stages[0].name, hosts, looks)
	if len(runs) > most {
		runs = runs[:most]
	}
	if a.output == outputJSON {
		for _, r := range runs {
			a.Out.json(map[string]any{"type": "run", "schema": event.Schema, "run": r})
		}
	} else {
		a.printRuns(runs, hosts, looks)
	}
	if olderRuns(stages[0].name, len(runs) < most, looks) {
		a.Err.printf("kis: older runs are not shown: the journals on the hosts (.kis/journal/%s) have them\n", stages[0].name)
	}
	return a.unreached(hosts, looks)
}

// olderRuns reports whether fewer runs are shown than were asked for, although a journal has more.
func olderRuns(stage string, fewer bool, looks map[string]survey.Repository) bool {
	for _, l := range looks {
		if fewer && l.Older(stage) {
			return true
		}
	}
	return false
}

// from is what was linked before, where all hosts agree on it.
func from(r *survey.Run) string {
	if r.Mixed {
		return "various"
	}
	return orNone(r.From)
}

func (a *app) printRuns(runs []*survey.Run, hosts []string, looks map[string]survey.Repository) {
	if len(runs) == 0 {
		a.none("nothing was ever linked", hosts, looks)
		return
	}
	if a.verbose {
		for _, r := range runs {
			a.printRunDetails(r, len(hosts))
		}
		return
	}
	var rows [][]string
	for _, r := range runs {
		rows = append(rows, []string{r.At.Local().Format(timeFormat), r.Op, from(r) + " → " + orNone(r.To), r.By, resultText(r, len(hosts))})
	}
	a.Out.lines(aligned(rows)...)
}

// printRunDetails is a run with everything the journals say of it.
func (a *app) printRunDetails(r *survey.Run, hosts int) {
	a.Out.printf("%s  %s  %s → %s  %s\n", r.At.Local().Format(timeFormat), r.Op, from(r), orNone(r.To), resultText(r, hosts))
	for _, line := range [][2]string{
		{"by", r.By},
		{"from", r.Address},
		{"key", r.Key},
		{"content", r.Content},
		{"scope", r.Scope},
		{"hosts", strings.Join(r.Hosts, ", ")},
		{"run", r.Run},
	} {
		if line[1] != "" {
			a.Out.printf("    %-8s %s\n", line[0], line[1])
		}
	}
	for _, note := range slices.Sorted(maps.Keys(r.Notes)) {
		a.Out.printf("    %-8s %s: %s\n", "note", list(r.Notes[note], 4), note)
	}
	if r.Skew > 0 {
		a.Out.printf("    %-8s %.1f ms\n", "skew", r.Skew*1000)
	}
}

func resultText(r *survey.Run, hosts int) string {
	var parts []string
	for _, event := range []string{"confirmed", "linked", "unconfirmed", "reverted", "aborted", "armed"} {
		if on := r.Result[event]; len(on) == hosts {
			parts = append(parts, event)
		} else if len(on) > 0 {
			parts = append(parts, event+" on "+list(on, 4))
		}
	}
	if r.Git != "" {
		parts = append(parts, "git "+r.Git)
	}
	return strings.Join(parts, "; ")
}
