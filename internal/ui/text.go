package ui

import (
	"io"

	"github.com/keep-it-simple/kis/internal/event"
	"github.com/keep-it-simple/kis/internal/safetext"
	"github.com/keep-it-simple/kis/internal/sdist"
)

// The rules of the text view:
//   - Progress goes to standard output, one line per event that matters; failures go to standard
//     error, at the end, in one block.
//   - Every line about a host begins with the host; with many hosts, and above live rows, those that
//     do the same share a line (see board). No line is rewritten, except those of the live area at
//     the bottom of a terminal.
//   - No capital at the beginning and no full stop at the end. Text from hosts is one line, or a
//     part of one (see Printer).

// textView is for users, at a terminal or in a log of CI.
type textView struct {
	ui        *UI
	out       Printer // takes nothing when the user wants the result only
	errs      Printer
	paint     painter
	width     int // of the longest host name
	op        event.Op
	stage     string
	notices   grouped // that are held back, so that hosts share a line
	connected bool    // all hosts are: notices are not held back any more
	board     *board  // nil for few hosts
	built     lineWriter
	past      bool // the run has ended long ago
}

func newTextView(u *UI) *textView {
	v := &textView{ui: u, out: u.lifted(u.Out), errs: u.lifted(u.Err), paint: u.painter()}
	if u.Quiet {
		v.out = NewPrinter(io.Discard)
	}
	v.built.take = func(line string) { u.area().line(line) }
	if u.Verbose {
		out := u.lifted(u.Out)
		v.built.take = func(line string) { v.around(func() { out.Printf("| %s\n", safetext.Output(line)) }) }
	}
	return v
}

// Begin starts the live area.
func (v *textView) Begin() (end func()) { return v.ui.beginLive() }

// Building shows in the live area that kis builds, and the newest line of the builder's output; with
// -v all of it is printed.
func (v *textView) Building() (end func()) {
	built := v.ui.Waiting("building the source distribution")
	return func() {
		v.built.end()
		built()
	}
}

// Say prints a sentence.
func (v *textView) Say(sentence string) { v.around(func() { v.out.Lines(sentence) }) }

// around prints above the live area.
func (v *textView) around(print func()) { v.ui.area().around(print) }

// BuildLog returns what takes the output of the builder.
func (v *textView) BuildLog() io.Writer { return &v.built }

// Archive prints the source distribution and its warnings.
func (v *textView) Archive(a *sdist.Archive) {
	v.around(func() {
		v.out.Printf("%s %s: %s, %d entries\n", a.Name, a.Version, size(a.Size), a.Files)
		for _, warning := range a.Warnings {
			v.errs.Lines(v.ui.fitted("kis: warning: " + warning)...)
		}
	})
}

// Event prints what matters of an event.
func (v *textView) Event(e event.Event) {
	v.ui.area().follow(e)
	v.around(func() { v.print(e) })
}

func (v *textView) print(e event.Event) {
	if e.Type != event.TypeNotice && e.Type != event.TypeStart && e.Step != event.StepConnect {
		v.connected = true
		v.printNotices()
	}
	switch e.Type {
	case event.TypeStart:
		v.start(e)
	case event.TypeStep:
		v.step(e)
	case event.TypeOutput:
		if v.ui.Verbose {
			v.line(e.Host, e.Step, "", "| "+safetext.Output(e.Message))
		}
	case event.TypeNotice:
		v.notices.add(e.Host, e.Message)
		if e.Host == "" || v.connected {
			v.printNotices()
		}
	case event.TypeCommand:
		v.command(e)
	case event.TypeBarrier:
		v.barrier(e)
	case event.TypeProgress, event.TypeReport: // shown in the live area and by Report
	}
}

// command shows the commands of the inventory with -v, and always those that were skipped.
func (v *textView) command(e event.Event) {
	switch {
	case e.State == event.Skipped:
		v.notices.add(e.Host, string(e.Step)+": skipped, because it verified this package when it was built: "+e.Message)
	case v.ui.Verbose:
		v.line(e.Host, e.Step, "", "$ "+safetext.Line(e.Message))
	}
}

// printNotices prints the notices that were held back.
func (v *textView) printNotices() {
	for _, n := range v.notices {
		on := ""
		if len(n.hosts) > 0 {
			on = list(n.hosts, 4) + ": "
		}
		v.errs.Lines(v.ui.fitted("kis: " + on + n.text)...)
	}
	v.notices = nil
}

func (v *textView) start(e event.Event) {
	v.op, v.stage, v.width = e.Op, e.Stage, hostColumn(e.Hosts)
	v.board = nil
	if len(e.Hosts) > boardFrom || v.ui.area() != nil && len(e.Hosts) > 1 { // rows show what each host does
		v.board, v.width = newBoard(e.Hosts), max(v.width, len(hostCount(len(e.Hosts))))
	}
	what := ""
	if e.Package != "" {
		what = " " + e.Package
	}
	to := " to "
	if what == "" || v.op == event.Check {
		to = " "
	}
	v.out.Printf("%s%s%s%s on %s\n", v.op, what, to, v.stage, list(e.Hosts, 6))
}

func (v *textView) step(e event.Event) {
	if v.board != nil && !v.ui.Verbose {
		v.boardLines(v.board.follow(e))
		return
	}
	if e.State == event.Started {
		if v.ui.Verbose {
			v.line(e.Host, e.Step, "", "…")
		}
		return
	}
	if e.State == event.Done && brief(e.Step) && !v.ui.Verbose {
		return
	}
	mark, more := stepText(e, v.paint)
	v.line(e.Host, e.Step, mark, more)
}

// flush prints what the board still holds back.
func (v *textView) flush() {
	if v.board != nil && !v.ui.Verbose {
		v.boardLines(v.board.ready(true))
	}
}

func (v *textView) boardLines(lines []boardLine) {
	for _, l := range lines {
		mark, more := l.text(v.paint)
		v.line(l.hosts, l.step, mark, more)
	}
}

// stepText is the result of a step on one host, and more about it. Where the run ends soon after a
// failure, the cause is left to the end.
func stepText(e event.Event, paint painter) (mark colored, more string) {
	took, cause := "", ""
	if e.Seconds >= 0.05 {
		took = seconds(e.Seconds)
	}
	if slow(e.Step) {
		cause = e.Message
	}
	switch e.State {
	case event.Refused:
		return paint.bad("failed"), cause
	case event.Unknown:
		return paint.warn("unknown"), cause
	}
	return paint.good("done"), took
}

// slow steps may continue for minutes on other hosts after they have failed on one.
func slow(s event.Step) bool {
	switch s {
	case event.StepUpload, event.StepUnpack, event.StepWheels, event.StepEnvironment, event.StepVerify, event.StepPrepare, event.StepSeal, event.StepVerifyStage, event.StepBeforeLink, event.StepServices, event.StepAfterLink,
		event.StepHealth, event.StepPrune:
		return true
	}
	return false
}

// brief steps get a line only when they fail, or with -v.
func brief(s event.Step) bool {
	switch s {
	case event.StepLock, event.StepPackage, event.StepArm, event.StepRollCall, event.StepConfirm, event.StepCheck, event.StepPrune:
		return true
	}
	return false
}

// line is one about a host: a mark, a text, or both.
func (v *textView) line(host string, step event.Step, mark colored, text string) {
	gap := ""
	if mark != "" && text != "" {
		gap = "  "
	}
	v.out.Printf("%-*s  %-12s  %s%s%s\n", v.width, host, step, mark, gap, text)
}

func (v *textView) barrier(e event.Event) {
	v.flush()
	text := "── barrier: not every host is ready, so no link is changed ──"
	if e.State == event.Done {
		text = "── barrier: every host is ready, nothing has changed yet ──"
	}
	v.out.Printf("%s\n", v.paint.strong(text))
}

// longLine is the length at which a line without an end is broken.
const longLine = 16 << 10

// lineWriter takes an output line by line.
type lineWriter struct {
	take func(line string)
	line []byte // without its end, which has not arrived
}

// Write takes the lines that are complete.
func (w *lineWriter) Write(text []byte) (int, error) {
	for _, c := range text {
		if c == '\n' || len(w.line) == longLine {
			w.flush()
		}
		if c != '\n' {
			w.line = append(w.line, c)
		}
	}
	return len(text), nil
}

func (w *lineWriter) flush() {
	w.take(string(w.line))
	w.line = w.line[:0]
}

// end takes a last line without an end.
func (w *lineWriter) end() {
	if len(w.line) > 0 {
		w.flush()
	}
}
