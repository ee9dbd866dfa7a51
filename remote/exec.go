package remote

import (
	"context"
	"encoding/json"
	"fmt"
	"path"
	"time"

	"github.com/keep-it-simple/kis/internal/name"
)

// Program is a program that a user runs on a host, beside whatever kis does there.
type Program struct {
	// Package is installed: the program runs in its directory, with its environment active.
	Package name.Package      `json:"package"`
	Argv    []string          `json:"argv"` // the program, found on PATH, and its arguments
	Env     map[string]string `json:"env"`
	Within  time.Duration     `json:"-"`
}

// Exit is how a program ended.
type Exit struct {
	Status  int    `json:"exit"`    // its exit status; -1 where it has none, such as after a signal
	Failure string `json:"failure"` // in words; "" for exit status 0
}

func (e *Exit) check(raw json.RawMessage) error {
	e.Failure = cut(e.Failure, maxText)
	if e.Status < -1 || e.Status > 255 || (e.Status == 0) != (e.Failure == "") {
		return fmt.Errorf("exit status %d, and %q", e.Status, e.Failure)
	}
	return requireMembers(raw, "exit", "failure")
}

// Exec runs a program, without a lock. Its output is complete: a program that prints faster than
// output returns has to wait. An error says nothing of the program's end, which is in Exit.
func (a *Agent) Exec(ctx context.Context, p Program, output func(line string)) (exit Exit, err error) {
	err = a.call(ctx, opExec, programRequest{p, seconds(p.Within)}, &exit, output)
	return exit, err
}

// Logs are lines of the journal that are wanted, see journalctl(1).
type Logs struct {
	Units  []Service     `json:"units"`
	Lines  int           `json:"lines"`  // the newest so many, at first
	Since  string        `json:"since"`  // a time as journalctl reads it, "" for any
	Follow bool          `json:"follow"` // until Cancel
	Within time.Duration `json:"-"`
}

// Logs shows what units have written to the journal, a line each: time, host, program, message. It needs
// no lock.
func (a *Agent) Logs(ctx context.Context, l Logs, output func(line string)) (exit Exit, err error) {
	err = a.call(ctx, opLogs, logsRequest{l, seconds(l.Within)}, &exit, output)
	return exit, err
}

// terminalAnswer is where a program is ready to be started at a terminal.
type terminalAnswer struct {
	Path string `json:"path"`
}

func (t *terminalAnswer) check(json.RawMessage) error {
	if !path.IsAbs(t.Path) || path.Clean(t.Path) != t.Path {
		return fmt.Errorf("the program is at %q", t.Path)
	}
	return nil
}

// Terminal prepares a program that is to run at a terminal of its own: `sh PATH` runs it, as the agent's
// user, while this session lasts. run is a new one.
func (a *Agent) Terminal(ctx context.Context, p Program, run name.Run, owner Holder) (script string, err error) {
	var answer terminalAnswer
	args := terminalRequest{programRequest{p, seconds(p.Within)}, run, lockOwner{owner.Who, owner.What}}
	err = a.call(ctx, opTerminal, args, &answer, nil)
	return answer.Path, err
}

// TerminalCommand is the command that runs the script of Terminal.
func TerminalCommand(script string, become name.User) string {
	if become.IsZero() {
		return "exec /bin/sh " + script
	}
	return "exec " + english + " sudo -n -H -u " + become.String() + " -- /bin/sh " + script
}
