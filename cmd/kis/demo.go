package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/keep-it-simple/kis/internal/demo"
	"github.com/keep-it-simple/kis/internal/runlog"
)

func newDemo(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "demo",
		Short: "Show a push, a refused push and a rollback on three temporary hosts",
		Long: `Demo starts three hosts in this process, writes a sample application and an inventory to a temporary
directory, and shows a push, a second push, a push that is refused at the barrier because one host
is not ready, and a rollback. It needs python3 with venv on this machine and no server, and removes
everything at the end. The hosts listen on the loopback interface and accept only this process; they
are not a sandbox: what is deployed runs as you.`,
		GroupID: "other",
		Args:    arguments(0),
		RunE:    func(cmd *cobra.Command, _ []string) error { return a.demo(cmd.Context()) },
	}
}

func (a *app) demo(ctx context.Context) error {
	return demo.Run(ctx, demo.Kis{
		Say:  a.ui.Strong,
		Type: func(line string) { a.ui.Out.Lines(line) },
		Run: func(ctx context.Context, logs runlog.Dir, args []string) int {
			inner := newApp(a.ui.Streams, a.signals, a.bugs)
			inner.logs, inner.ui.Outer = logs, &a.ui
			inner.ui.Interactive, inner.ui.Err = false, a.ui.Out // one stream, so that the story keeps its order
			return execute(ctx, inner, append(args, "--color", a.ui.Color))
		},
	})
}
