package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/keep-it-simple/kis/internal/deploy"
	"github.com/keep-it-simple/kis/internal/event"
	"github.com/keep-it-simple/kis/internal/fleet"
	"github.com/keep-it-simple/kis/internal/guard"
	"github.com/keep-it-simple/kis/internal/pybuild"
	"github.com/keep-it-simple/kis/internal/safetext"
	"github.com/keep-it-simple/kis/inventory"
	"github.com/keep-it-simple/kis/sshx"
)

// streams are what a command reads and writes.
type streams struct {
	In       io.Reader
	Out, Err printer
	Terminal bool       // a person can be asked: input and errors are a terminal
	Color    bool       // output is a terminal
	Columns  func() int // width of that terminal; nil when output is none
}

func isTerminal(f *os.File) bool { return term.IsTerminal(int(f.Fd())) }

// columns is the width of a terminal now; 80 when it does not say.
func columns(f *os.File) func() int {
	return func() int {
		width, _, err := term.GetSize(int(f.Fd()))
		if err != nil || width <= 0 {
			return 80
		}
		return width
	}
}

// app is what every command is given: the streams and the global flags.
type app struct {
	streams
	inventoryPath  string
	hosts          string
	forks          int
	output         string
	yes            bool
	quiet, verbose bool
	color          string
	sshConfig      string
	timeout        time.Duration
	connectTimeout time.Duration
	lockWait       time.Duration

	stateFolder string    // "" is the user's; the demo has its own
	live        *liveLine // nil but while one is shown
	signals     *signals
	bugs        *bugs
	changes     bool // something may have changed on a host: the exit status has to tell of that
}

// run is kis: it returns the exit status. exit ends the process at once, for the second signal.
func run(ctx context.Context, args []string, s streams, exit func(int)) (status int) {
	a := &app{streams: s, bugs: &bugs{}}
	ctx, a.signals = catchSignals(ctx, s.Err, exit, a.bugs.add)
	err := guard.Run(func() error { status = executeAll(ctx, a, args); return nil })
	if bug, ok := errors.AsType[*guard.Panic](err); ok {
		if wantsJSON(args) {
			a.output = outputJSON
		}
		a.bugs.add(bug)
	}
	return a.reported(a.bugs.list(), status)
}

// execute runs one command line.
func execute(ctx context.Context, a *app, args []string) int {
	root := newRoot(a)
	root.SetArgs(args)
	root.SetIn(a.In)
	root.SetOut(a.Out.help())
	root.SetErr(a.Err.help())
	if err := root.ExecuteContext(ctx); err != nil {
		if wantsJSON(args) {
			a.output = outputJSON // a flag before it was wrong, and it was not read
		}
		return a.fail(err)
	}
	return 0
}

// wantsJSON reports whether the command line asks for JSON, whatever else is wrong with it.
func wantsJSON(args []string) bool {
	for i, arg := range args {
		switch {
		case arg == "--":
			return false
		case arg == "-ojson" || arg == "-o=json" || arg == "--output=json":
			return true
		case (arg == "-o" || arg == "--output") && i+1 < len(args) && args[i+1] == outputJSON:
			return true
		}
	}
	return false
}

// outcome is the end of a command that has contacted hosts: everything is said already, the status is left.
type outcome struct{ status int }

func (o outcome) Error() string { return fmt.Sprintf("exit status %d", o.status) }

// hinted is an error with a line that can be pasted or followed.
type hinted struct {
	error
	hint string
}

func (h hinted) Unwrap() error { return h.error }

// fail says why a command ended before any host was contacted, and returns the exit status for it.
func (a *app) fail(err error) int {
	if done, ok := errors.AsType[outcome](err); ok {
		return done.status
	}
	if bug, ok := errors.AsType[*guard.Panic](err); ok {
		a.bugs.add(bug) // which run reports
		return event.ExitBug
	}
	status := 2
	if errors.Is(err, context.Canceled) {
		status, err = event.Interrupted.Exit(), errors.New("interrupted")
	}
	hint, tail := advice(err)
	if a.output == outputJSON {
		a.Out.json(map[string]any{"type": "error", "exit": status, "message": err.Error(), "hint": hint, "tail": append([]string{}, tail...)})
		return status
	}
	if status == event.Interrupted.Exit() && a.signals.told.Load() {
		return status
	}
	lines := errorLines(err)
	a.Err.printf("kis: %s\n", lines[0])
	a.Err.lines(lines[1:]...)
	a.Err.tail(tail)
	a.Err.hint(hint)
	return status
}

// errorLines is an error as it is printed: one line, but for the inventory's, which quotes its file.
func errorLines(err error) []string {
	if several, ok := err.(inventory.Errors); ok { //nolint:errorlint // text around it belongs into the first line
		return several.Lines()
	}
	return []string{err.Error()}
}

// advice is what belongs below an error: what to do, and the end of what a tool said.
func advice(err error) (hint string, tail []string) {
	if with, ok := errors.AsType[hinted](err); ok {
		return with.hint, nil
	}
	if build, ok := errors.AsType[*pybuild.Error](err); ok {
		return build.Hint, build.Tail
	}
	var own interface{ Hint() string }
	if errors.As(err, &own) {
		return own.Hint(), nil
	}
	return "", nil
}

// load reads the inventory that the flags, the environment or the folder name.
func (a *app) load() (*inventory.Inventory, error) {
	path := a.inventoryPath
	if path == "" {
		path = os.Getenv("KIS_INVENTORY")
	}
	if path == "" {
		here, err := os.Getwd()
		if err != nil {
			return nil, err
		}
		if path, err = inventory.Find(here); err != nil {
			return nil, err
		}
	}
	return inventory.Load(path, sshx.CheckPin)
}

// stage reads one stage and the hosts of it that --hosts leaves.
func (a *app) stage(inv *inventory.Inventory, name string) (inventory.Stage, []inventory.Host, bool, error) {
	stage, err := inv.Stage(name)
	if err != nil {
		return inventory.Stage{}, nil, false, err
	}
	all, err := inv.Select(name, "")
	if err != nil {
		return inventory.Stage{}, nil, false, err
	}
	hosts, err := inv.Select(name, a.hosts)
	return stage, hosts, len(hosts) < len(all), err
}

// deployer is how plans are carried out, by the flags. Close the dialer of its fleet after use.
func (a *app) deployer(inv *inventory.Inventory, emit func(event.Event)) *deploy.Deployer {
	dialer := &sshx.Dialer{ConnectTimeout: a.connectTimeout, Prompt: a.prompt(), Warn: func(text string) {
		emit(event.Event{Type: event.TypeNotice, Time: time.Now(), Message: text})
	}}
	return &deploy.Deployer{
		Fleet: &fleet.Fleet{
			Resolver: sshx.Resolver{ConfigFile: a.sshConfig}, Dialer: dialer, Dir: inv.Dir(), Forks: a.forks, AskKeys: a.askKeys(),
		},
		Timeout: a.timeout, LockWait: a.lockWait, Emit: emit, Who: who(), Ask: a.ask(), Interrupts: a.signals.interrupts,
	}
}

// who names the person at this machine, for locks and journals.
func who() string {
	name, machine := "somebody", "somewhere"
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	if h, err := os.Hostname(); err == nil {
		machine = h
	}
	return safetext.Line(name + "@" + machine)
}

// arguments is cobra's check of their number with words that name what is missing.
func arguments(names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) < len(names) {
			return usageError(cmd, fmt.Errorf("%s is missing", names[len(args)]))
		}
		if len(args) > len(names) {
			return usageError(cmd, fmt.Errorf("unexpected argument %q", args[len(names)]))
		}
		return emptyArgument(cmd, names, args)
	}
}

// atMost is arguments with the last names optional.
func atMost(names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) > len(names) {
			return usageError(cmd, fmt.Errorf("unexpected argument %q", args[len(names)]))
		}
		return emptyArgument(cmd, names, args)
	}
}

// emptyArgument refuses an argument that says nothing, as emptyFlag finds a flag.
func emptyArgument(cmd *cobra.Command, names, args []string) error {
	if at := slices.Index(args, ""); at >= 0 {
		return usageError(cmd, fmt.Errorf("%s is empty", names[at]))
	}
	return nil
}

func usageError(cmd *cobra.Command, err error) error {
	return hinted{error: err, hint: "usage: " + cmd.UseLine() + "; see: " + cmd.CommandPath() + " --help"}
}

// relative is path as seen from the current folder, when that is shorter.
func relative(path string) string {
	here, err := os.Getwd()
	if err != nil {
		return path
	}
	if short, err := filepath.Rel(here, path); err == nil && len(short) < len(path) {
		return short
	}
	return path
}
