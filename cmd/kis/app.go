package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/user"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/keep-it-simple/kis/internal/deploy"
	"github.com/keep-it-simple/kis/internal/event"
	"github.com/keep-it-simple/kis/internal/fleet"
	"github.com/keep-it-simple/kis/internal/guard"
	"github.com/keep-it-simple/kis/internal/pybuild"
	"github.com/keep-it-simple/kis/internal/runlog"
	"github.com/keep-it-simple/kis/internal/safetext"
	"github.com/keep-it-simple/kis/internal/ui"
	"github.com/keep-it-simple/kis/inventory"
	"github.com/keep-it-simple/kis/sshx"
)

// app is what every command gets: the user interface and the other global flags.
type app struct {
	ui             ui.UI
	inventoryPath  string
	project        string
	hosts          string
	forks          int
	sshConfig      string
	timeout        time.Duration
	connectTimeout time.Duration
	lockWait       time.Duration

	logs    runlog.Dir // the demo has its own
	signals *signals
	bugs    *event.Stream                             // the panics of kis outside a run, which reports its own; without a receiver
	dynamic func(dir, command string) ([]byte, error) // runs the inventory's command, if the user allows it
	changes bool                                      // something may have changed on a host: the exit status has to report that
}

// newApp returns what a command gets that is run with these streams.
func newApp(s ui.Streams, sig *signals, bugs *event.Stream) *app {
	a := &app{signals: sig, bugs: bugs}
	a.ui.Streams, a.ui.Caught = s, bugs.Bug
	return a
}

// run is kis: it returns the exit status. exit ends the process immediately, for the second signal.
func run(ctx context.Context, args []string, s ui.Streams, exit func(int)) (status int) {
	a := newApp(s, nil, event.NewStream("", nil))
	ctx, a.signals = catchSignals(ctx, a.ui.Interrupted, func(status int) { a.ui.Leave(); exit(status) }, a.bugs.Bug)
	err := guard.Run(func() error { status = executeAll(ctx, a, args); return nil })
	a.ui.EndLive() // which a panic may have left
	if bug, ok := errors.AsType[*guard.Panic](err); ok {
		a.outputFlag(args)
		a.bugs.Bug(bug)
	}
	return a.exitStatus(a.bugs.Bugs(), status)
}

// exitStatus prints the bugs, and returns the exit status: that of the command if there are none.
func (a *app) exitStatus(found []event.Bug, status int) int {
	a.ui.Bugs(found)
	if len(found) > 0 {
		return event.ExitBug
	}
	return status
}

// executeAll is execute, and an error when not all of the output could be written: a program would
// take what has arrived for the whole. Where something may have changed on a host, the exit status
// still reports that.
func executeAll(ctx context.Context, a *app, args []string) int {
	outlet, out := a.ui.Out.Outlet()
	a.ui.Out = out
	status := execute(ctx, a, args)
	err := outlet.Err()
	if err == nil {
		return status
	}
	a.ui.Err.Printf("kis: cannot write the output: %s\n", err)
	if a.changes || status == event.Interrupted.Exit() || status == event.ExitBug {
		return status
	}
	return 2
}

// execute runs one command line.
func execute(ctx context.Context, a *app, args []string) int {
	root := newRoot(a)
	root.SetArgs(args)
	root.SetOut(a.ui.Out.Help())
	root.SetErr(a.ui.Err.Help())
	if err := root.ExecuteContext(ctx); err != nil {
		a.outputFlag(args) // a flag before it was wrong, and it was not read
		return a.fail(err)
	}
	return 0
}

// outputFlag selects JSON where the command line asks for it, whatever else is wrong with it.
func (a *app) outputFlag(args []string) {
	if wantsJSON(args) {
		a.ui.Output = ui.JSON
	}
}

func wantsJSON(args []string) bool {
	for i, arg := range args {
		switch {
		case arg == "--":
			return false
		case arg == "-ojson" || arg == "-o=json" || arg == "--output=json":
			return true
		case (arg == "-o" || arg == "--output") && i+1 < len(args) && args[i+1] == ui.JSON:
			return true
		}
	}
	return false
}

// outcome ends a command whose result was printed: only the exit status is left.
type outcome struct{ status int }

func (o outcome) Error() string { return fmt.Sprintf("exit status %d", o.status) }

// fail prints why a command ended before any host was contacted, and returns the exit status for
// it.
func (a *app) fail(err error) int {
	if done, ok := errors.AsType[outcome](err); ok {
		return done.status
	}
	if bug, ok := errors.AsType[*guard.Panic](err); ok {
		a.bugs.Bug(bug) // run reports it
		return event.ExitBug
	}
	status := 2
	if errors.Is(err, context.Canceled) {
		status, err = event.Interrupted.Exit(), errors.New("interrupted")
		if a.signals.announced.Load() && !a.ui.WantsJSON() {
			return status
		}
	}
	a.ui.Error(err, status)
	return status
}

// inventoryFile is the inventory that the flags, the environment or the directory name.
func (a *app) inventoryFile() (string, error) {
	path := a.inventoryPath
	if path == "" {
		path = os.Getenv("KIS_INVENTORY")
	}
	if path == "" {
		here, err := os.Getwd()
		if err != nil {
			return "", err
		}
		if path, err = inventory.Find(here); err != nil {
			return "", err
		}
	}
	return path, nil
}

// load reads the inventory.
func (a *app) load() (*inventory.Inventory, error) {
	path, err := a.inventoryFile()
	if err != nil {
		return nil, err
	}
	return inventory.Load(path, inventory.Options{Shown: ui.RelativePath(path), CheckHostKey: sshx.CheckPin, Dynamic: a.dynamic})
}

// projectDir is the directory of the Python project: the one that --project names, or the nearest
// from the current directory upwards. The inventory may lie elsewhere.
func (a *app) projectDir() (string, error) {
	if a.project != "" {
		return a.project, nil
	}
	here, err := os.Getwd()
	if err != nil {
		return "", err
	}
	dir, err := pybuild.FindProject(here)
	if errors.Is(err, pybuild.ErrNoProject) {
		return "", &ui.Hinted{Err: err, Help: "run kis in the directory of a Python project, name it with --project DIR, or push an archive: --sdist FILE"}
	}
	return dir, err
}

// target is a stage with the hosts of it that a command is about.
type target struct {
	inventory.Stage
	hosts  []inventory.Host
	subset bool // --hosts excludes some
}

// target selects the hosts of a stage.
func (a *app) target(inv *inventory.Inventory, name string) (target, error) {
	stage, err := inv.Stage(name)
	if err != nil {
		return target{}, err
	}
	all, err := inv.Select(name, "")
	if err != nil {
		return target{}, err
	}
	hosts, err := inv.Select(name, a.hosts)
	return target{Stage: stage, hosts: hosts, subset: len(hosts) < len(all)}, err
}

// stage reads the inventory and selects the hosts of a stage.
func (a *app) stage(name string) (*inventory.Inventory, target, error) {
	inv, err := a.load()
	if err != nil {
		return nil, target{}, err
	}
	t, err := a.target(inv, name)
	return inv, t, err
}

// targets are those of the stages that were named, or of all stages.
func (a *app) targets(inv *inventory.Inventory, names []string) ([]target, error) {
	if len(names) == 0 {
		names = inv.StageNames()
	}
	var all []target
	for _, name := range names {
		t, err := a.target(inv, name)
		if err != nil {
			return nil, err
		}
		all = append(all, t)
	}
	return all, nil
}

// deployer makes what carries out plans, by the flags. The caller closes the dialer of its fleet.
func (a *app) deployer(inv *inventory.Inventory, emit func(event.Event)) *deploy.Deployer {
	dialer := &sshx.Dialer{ConnectTimeout: a.connectTimeout, Prompt: a.ui.Prompt(), Warn: func(text string) {
		emit(event.Event{Type: event.TypeNotice, Time: time.Now(), Message: text})
	}}
	return &deploy.Deployer{
		Fleet: &fleet.Fleet{
			Resolver: sshx.Resolver{ConfigFile: a.sshConfig}, Dialer: dialer, Dir: inv.Dir(), Forks: a.forks, AskKeys: a.ui.AskKeys(), Watch: a.ui.Watch,
		},
		Timeout: a.timeout, LockWait: a.lockWait, Emit: emit, Who: who(), Ask: a.ui.Confirm(), Interrupts: a.signals.interrupts,
	}
}

// ready resolves how hosts are reached. ssh_config may run programs for that.
func (a *app) ready(ctx context.Context, d *deploy.Deployer, hosts []inventory.Host) error {
	return waiting(a, "reading the SSH configuration", func() error { return d.Fleet.Ready(ctx, hosts) })
}

// waiting does something, and shows meanwhile that kis does it.
func waiting[T any](a *app, what string, do func() T) T {
	defer a.ui.Waiting(what)()
	return do()
}

// who names the user and this machine, for locks and journals.
func who() string {
	login, machine := "unknown", "unknown"
	if u, err := user.Current(); err == nil {
		login = u.Username
	}
	if h, err := os.Hostname(); err == nil {
		machine = h
	}
	return safetext.Line(login + "@" + machine)
}

// arguments is cobra's check of the number of arguments, with messages that name them: so many are required, the others
// are optional. Like emptyFlag, it refuses empty ones.
func arguments(required int, names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) < required:
			return usageError(cmd, fmt.Errorf("%s is missing", names[len(args)]))
		case len(args) > len(names):
			return usageError(cmd, fmt.Errorf("unexpected argument %q", args[len(names)]))
		case slices.Contains(args, ""):
			return usageError(cmd, fmt.Errorf("%s is empty", names[slices.Index(args, "")]))
		}
		return nil
	}
}

func usageError(cmd *cobra.Command, err error) error {
	return &ui.Hinted{Err: err, Help: "usage: " + cmd.UseLine() + "; see: " + cmd.CommandPath() + " --help"}
}
