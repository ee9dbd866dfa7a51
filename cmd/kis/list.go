package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/keep-it-simple/kis/internal/survey"
)

func newList(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "list [stage]",
		Short: "Show the packages: their age, size, history and revision, what links them",
		Long: `List shows the packages on all hosts: when they were built, their size, whether a stage has confirmed
them, the revision they were built from, what links them, where they are missing, and which ones the
next push removes because no stage keeps them. It changes nothing. It exits with 5 when a host does not
answer.`,
		GroupID:           "inspect",
		Args:              arguments(0, "the stage"),
		ValidArgsFunction: a.completeStage,
		RunE:              func(cmd *cobra.Command, args []string) error { return a.list(cmd.Context(), args) },
	}
}

func (a *app) list(ctx context.Context, names []string) error {
	targets, found, err := a.read(ctx, names, wanted{packages: true})
	if err != nil {
		return err
	}
	hosts := namesOf(union(targets))
	a.ui.Packages(survey.Packages(hosts, found), hosts, survey.Answered(hosts, found))
	return a.unanswered(hosts, found)
}
