// Package ui shows a user, or a program, what commands find and what runs do: text and JSON, the
// live rows of a terminal, and the questions that are asked there. It decides nothing: what hosts
// are asked, and what exit status that makes, is decided below and beside it.
package ui

import (
	"os"
	"sync/atomic"

	"golang.org/x/term"

	"github.com/keep-it-simple/kis/internal/event"
	"github.com/keep-it-simple/kis/internal/guard"
)

// Streams are what a command writes to.
type Streams struct {
	Out, Err    Printer
	Interactive bool       // input and errors are a terminal, so that questions can be asked
	Terminal    bool       // output is a terminal
	Columns     func() int // the width of that terminal; nil when output is none
	Lines       func() int // its height; likewise
}

// NewStreams returns the streams of a process.
func NewStreams(in, out, errs *os.File) Streams {
	return Streams{
		Out: NewPrinter(out), Err: NewPrinter(errs),
		Interactive: isTerminal(in) && isTerminal(errs), Terminal: isTerminal(out),
		Columns: measure(out, 80, func(columns, _ int) int { return columns }),
		Lines:   measure(out, 24, func(_, lines int) int { return lines }),
	}
}

func isTerminal(f *os.File) bool { return term.IsTerminal(int(f.Fd())) }

// measure returns what asks a terminal for its present width or height, with a default where it does not report one.
// It is nil for no terminal: programs read lines as they are.
func measure(f *os.File, otherwise int, of func(columns, lines int) int) func() int {
	if !isTerminal(f) {
		return nil
	}
	return func() int {
		if columns, lines, err := term.GetSize(int(f.Fd())); err == nil && of(columns, lines) > 0 {
			return of(columns, lines)
		}
		return otherwise
	}
}

// The values of UI.Output.
const (
	Text = "text"
	JSON = "json"
)

// UI is the streams of a command and the global flags about output.
type UI struct {
	Streams
	Output    string // Text or JSON
	Color     string // auto, always or never
	Quiet     bool   // print the result only
	Verbose   bool
	AssumeYes bool               // answer yes to yes-or-no questions
	Caught    func(*guard.Panic) // takes panics of goroutines of the UI
	Outer     *UI                // with which it shares the terminal; nil for none

	live atomic.Pointer[liveArea] // nil except while one is shown
}

// WantsJSON reports whether the output is for programs.
func (u *UI) WantsJSON() bool { return u.Output == JSON }

func (u *UI) painter() painter {
	switch u.Color {
	case "always":
		return painter{on: true}
	case "never":
		return painter{}
	}
	return painter{on: u.Terminal && os.Getenv("NO_COLOR") == "" && !isDumb()}
}

// Message prints a message of kis itself, above the live area.
func (u *UI) Message(text string) {
	u.area().around(func() { u.lifted(u.Err).Lines(u.fitted("kis: " + text)...) })
}

// Interrupted prints a message about a signal, on a line of its own: where the user has typed Ctrl-C,
// the terminal has shown ^C.
func (u *UI) Interrupted(text string) {
	u.area().around(func() {
		errs := u.lifted(u.Err)
		switch {
		case !u.Interactive:
		case isDumb():
			errs.Lines("")
		default:
			errs.replace(0, nil)
		}
		errs.Lines(u.fitted("kis: " + text)...)
	})
}

// isDumb reports whether the terminal knows no control sequences.
func isDumb() bool { return os.Getenv("TERM") == "dumb" }

// Wrote prints that a file was written.
func (u *UI) Wrote(path string) {
	if u.WantsJSON() {
		u.record("file", written{path})
		return
	}
	u.Out.Lines("wrote " + path)
}

// Strong prints a line in bold.
func (u *UI) Strong(line string) { u.Out.Printf("%s\n", u.painter().strong(line)) }

// record prints one line of JSON: an object of a type, with a schema number and one member.
func (u *UI) record(kind string, value any) {
	u.Out.json(map[string]any{"type": kind, "schema": event.Schema, kind: value})
}

// table prints rows with their cells below each other. On a terminal, a last cell that does not fit
// is wrapped below itself.
func (u *UI) table(rows [][]string) {
	width := 0
	if u.Columns != nil {
		width = u.Columns()
	}
	u.Out.Lines(wrapped(withoutEmptyColumns(rows), width)...)
}
