package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/keep-it-simple/kis/internal/event"
	"github.com/keep-it-simple/kis/internal/survey"
)

func newList(a *app) *cobra.Command {
	return &cobra.Command{
		Use:               "list [stage]",
		Short:             "Show the packages, how old and how large they are, what links them and where they are missing",
		Long:              `List asks every host for its packages. It changes nothing. It exits with 5 when a host cannot be asked.`,
		GroupID:           "look",
		Args:              atMost("the stage"),
		ValidArgsFunction: a.completeStage,
		RunE:              func(cmd *cobra.Command, args []string) error { return a.list(cmd.Context(), args) },
	}
}

func (a *app) list(ctx context.Context, args []string) error {
	stages, looks, err := a.look(ctx, args, 0)
	if err != nil {
		return err
	}
	hosts := hostNames(stages)
	packages := survey.Packages(hosts, looks)
	if a.output == outputJSON {
		for _, p := range packages {
			a.Out.json(map[string]any{"type": "package", "schema": event.Schema, "package": p})
		}
	} else {
		a.printPackages(packages, hosts, looks)
	}
	return a.unreached(hosts, looks)
}

func hostNames(stages []asked) []string {
	var names []string
	for _, s := range stages {
		for _, h := range s.hosts {
			if !slices.Contains(names, h.Name) {
				names = append(names, h.Name)
			}
		}
	}
	return names
}

// none says that there is nothing of a kind, of those hosts only that have answered.
func (a *app) none(sentence string, hosts []string, looks map[string]survey.Repository) {
	var answered []string
	for _, h := range hosts {
		if looks[h].Failure == nil {
			answered = append(answered, h)
		}
	}
	switch len(answered) {
	case 0:
	case len(hosts):
		a.Out.lines(sentence)
	default:
		a.Out.printf("%s on %s\n", sentence, list(answered, 4))
	}
}

func (a *app) printPackages(packages []*survey.Package, hosts []string, looks map[string]survey.Repository) {
	if len(packages) == 0 {
		a.none("no packages", hosts, looks)
		return
	}
	var rows [][]string
	for _, p := range packages {
		created, bytes := "incomplete", ""
		if len(p.Unsealed) == 0 {
			created = "no package"
		}
		if !p.Created.IsZero() {
			created, bytes = p.Created.Local().Format(timeFormat), size(p.Size)
		}
		var notes []string
		if len(p.LinkedBy) > 0 {
			notes = append(notes, "linked by "+strings.Join(p.LinkedBy, ", "))
		}
		if len(p.Missing) > 0 {
			notes = append(notes, "missing on "+list(p.Missing, 4))
		}
		if len(p.Unsealed) > 0 {
			notes = append(notes, "incomplete on "+list(p.Unsealed, 4)+": goes with the next run there")
		}
		if len(p.Foreign) > 0 {
			notes = append(notes, "no package on "+list(p.Foreign, 4)+": kis leaves it alone")
		}
		if len(p.Changed) > 0 {
			notes = append(notes, "changed by hand on "+list(p.Changed, 4))
		}
		rows = append(rows, []string{p.Package, created, bytes, strings.Join(notes, "; ")})
	}
	a.Out.lines(aligned(rows)...)
}

// unreached says which hosts could not be asked; the answer is incomplete then, and the exit status says so.
func (a *app) unreached(hosts []string, looks map[string]survey.Repository) error {
	var failures []event.Failure
	for _, h := range hosts {
		if f := looks[h].Failure; f != nil {
			failures = append(failures, *f)
		}
	}
	if len(failures) == 0 {
		return nil
	}
	status := event.Split.Exit()
	if slices.ContainsFunc(failures, func(f event.Failure) bool { return f.Code == event.CodePanic }) {
		status = event.ExitBug
	}
	message := fmt.Sprintf("%d of %d hosts could not be asked", len(failures), len(hosts))
	if a.output == outputJSON {
		a.Out.json(map[string]any{"type": "error", "exit": status, "message": message, "hint": "", "tail": []string{}, "failures": failures})
	} else {
		v := newTextView(a)
		for _, b := range fold(failures) {
			v.failure(b)
		}
		a.Err.printf("kis: %s\n", message)
	}
	return outcome{status: a.failedWith(failures, status)}
}
