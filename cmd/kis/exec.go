package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/keep-it-simple/kis/internal/event"
	"github.com/keep-it-simple/kis/internal/ui"
	"github.com/keep-it-simple/kis/inventory"
	"github.com/keep-it-simple/kis/sshx"
)

// execStatus is the exit status of exec.
const execStatus = `
Exit status:
    0  the command exited with 0 on every host
    1  a bug in kis
    2  usage or inventory error: no host was contacted
    3  the command was started on no host
    5  it failed on a host at least, or how it ended is unknown
  130  interrupted
With -t it is that of the command, or 2 or 3 as above.
`

func newExec(a *app) *cobra.Command {
	terminal := false
	cmd := &cobra.Command{
		Use:   "exec <stage> [flags] -- <command> [argument ...]",
		Short: "Run a command in what a stage is linked to, on all of its hosts",
		Long: `Exec runs a command in the directory of the package that the stage is linked to, with its environment active, as
the user to whom the repository belongs, on all hosts at the same time. It waits for no lock, and changes nothing
of kis's own; packages are read-only.

A command with arguments is run as it is, without a shell. A single argument is a command line for sh. The
variables are those of after_link: KIS_STAGE, KIS_PACKAGE, KIS_VERSION, KIS_HOST, KIS_VAR_…. Hosts that print the
same share a block, once all have ended; -v prints lines as they arrive. Without --timeout a command may run as
long as it likes; Ctrl-C terminates it on every host.

With -t one host gives it a terminal, for a shell or a console.

Examples:
  kis exec production -- python manage.py showmigrations
  kis exec production --hosts @web -- 'df -h . | tail -1'
  kis exec production --hosts web1 -t -- python manage.py shell`,
		GroupID:           "other",
		Annotations:       map[string]string{statusKey: execStatus},
		ValidArgsFunction: a.completeStage,
		Args: func(cmd *cobra.Command, args []string) error {
			switch {
			case len(args) == 0:
				return usageError(cmd, errors.New("the stage is missing"))
			case len(args) == 1:
				return usageError(cmd, errors.New("the command is missing"))
			case cmd.ArgsLenAtDash() != 1: // otherwise flags of the command would be those of kis
				return usageError(cmd, errors.New("write -- between the stage and the command"))
			case args[0] == "" || args[1] == "":
				return usageError(cmd, errors.New("the stage or the command is empty"))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			argv := args[1:]
			if len(argv) == 1 {
				argv = []string{"/bin/sh", "-c", argv[0]}
			}
			inv, t, err := a.stage(args[0])
			if err != nil {
				return err
			}
			if terminal {
				return a.atTerminal(cmd, inv, t, argv)
			}
			return a.exec(cmd.Context(), inv, t, argv, strings.Join(args[1:], " "))
		},
	}
	cmd.Flags().BoolVarP(&terminal, "tty", "t", false, "give the command a terminal; for one host")
	return cmd
}

// exec runs a program on the hosts of a stage.
func (a *app) exec(ctx context.Context, inv *inventory.Inventory, t target, argv []string, shown string) error {
	d := a.deployer(inv, a.ui.View().Event)
	defer d.Fleet.Dialer.Close() //nolint:errcheck // every client of it is closed already
	if err := a.ready(ctx, d, t.hosts); err != nil {
		return err
	}
	view := a.ui.Programs(namesOf(t.hosts), a.ui.Verbose)
	all := d.Exec(ctx, t.hosts, t.Name, argv, view.Line)
	view.End(all, shown)
	return a.ranOutcome(ctx, all)
}

// ranOutcome is nil where a program ended with 0 on every host, else the outcome.
func (a *app) ranOutcome(ctx context.Context, all []event.Ran) error {
	started, ok := 0, 0
	for _, r := range all {
		if r.Failure == nil || r.Failure.State == event.Unknown {
			started++
		}
		if r.OK() {
			ok++
		}
	}
	bugs := event.Bugs(event.RanFailures(all))
	switch {
	case ok == len(all):
		return nil
	case ctx.Err() != nil:
		return outcome{status: event.Interrupted.Exit()}
	case started == 0:
		return outcome{status: a.exitStatus(bugs, event.Aborted.Exit())}
	}
	return outcome{status: a.exitStatus(bugs, event.Split.Exit())}
}

// atTerminal runs a program on one host with the user's terminal.
func (a *app) atTerminal(cmd *cobra.Command, inv *inventory.Inventory, t target, argv []string) error {
	if len(t.hosts) != 1 {
		return &ui.Hinted{
			Err:  fmt.Errorf("-t is for one host, and %s has %d", t.Name, len(t.hosts)),
			Help: fmt.Sprintf("name it: kis exec %s --hosts %s -t -- …", t.Name, t.hosts[0].Name),
		}
	}
	if a.ui.WantsJSON() {
		return usageError(cmd, errors.New("-t is for users, and not with --output json"))
	}
	console, err := a.ui.Console()
	if err != nil {
		return &ui.Hinted{Err: fmt.Errorf("-t: %w", err), Help: "leave -t out"}
	}
	defer console.Close() //nolint:errcheck // nothing is lost with it
	terminal, err := console.Terminal()
	if err != nil {
		return err
	}
	ctx := cmd.Context()
	d := a.deployer(inv, a.ui.View().Event)
	defer d.Fleet.Dialer.Close() //nolint:errcheck // every client of it is closed already
	if err := a.ready(ctx, d, t.hosts); err != nil {
		return err
	}
	connected := a.ui.Waiting("connecting to " + t.hosts[0].Name)
	err = d.Terminal(ctx, t.hosts[0], t.Name, argv, terminal, func(p *sshx.Process) error {
		connected()
		return console.Attach(ctx, p)
	})
	connected()
	if exit, ended := errors.AsType[*sshx.ExitError](err); ended {
		return outcome{status: exit.Status}
	}
	if failure, ok := errors.AsType[*event.Failure](err); ok {
		a.ui.Unanswered([]event.Failure{*failure}, 1, event.Aborted.Exit())
		return outcome{status: a.exitStatus(event.Bugs([]event.Failure{*failure}), event.Aborted.Exit())}
	}
	if err != nil {
		a.ui.Message(err.Error())
		return outcome{status: event.Split.Exit()}
	}
	return nil
}

func namesOf(hosts []inventory.Host) []string {
	var names []string
	for _, h := range hosts {
		names = append(names, h.Name)
	}
	return names
}
