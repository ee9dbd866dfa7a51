package main

import (
	"fmt"
	"io"
	"os"
	"time"
	"unicode/utf8"

	"github.com/keep-it-simple/kis/internal/event"
	"github.com/keep-it-simple/kis/internal/safetext"
	"github.com/keep-it-simple/kis/internal/sdist"
)

// The rules of the text view:
//   - What happens goes to standard output, one line per event that matters; what went wrong goes to standard error, at the end, in one block.
//   - Every line about a host begins with the host; with many hosts, those that do the same share a line (see board). No line is ever rewritten, but for one at the bottom of a terminal (see liveLine).
//   - No capitals at the beginning and no full stops at the end. Text from hosts is one line, or a part of one: see printer.

// textView is for people, at a terminal or in a log of CI.
type textView struct {
	out, err  printer // out takes nothing when quiet is set
	result    printer // standard output, for what is printed even then
	paint     painter
	quiet     bool
	verbose   bool
	width     int // of the longest host name
	op        event.Op
	stage     string
	live      *liveLine // nil but at a terminal
	notices   notices
	connected bool   // all hosts are: notices are not held back any more
	board     *board // nil for few hosts
	built     builderOutput
}

func newTextView(a *app) *textView {
	v := &textView{built: builderOutput{out: a.Out}, out: a.Out, err: a.Err, result: a.Out, paint: a.painter(), quiet: a.quiet, verbose: a.verbose}
	if v.quiet {
		v.out = printer{io.Discard}
	}
	return v
}

// begin starts the line at the bottom, where there is a terminal for it. The report ends it.
func (v *textView) begin(a *app) {
	if a.Color && a.Terminal && a.Columns != nil && !v.quiet && os.Getenv("TERM") != "dumb" {
		v.live = newLiveLine(v.out, a.Columns, a.bugs.add)
		a.live = v.live
	}
}

// building has the line at the bottom say what this machine does, before there is a run. With -v the builder's own output does.
func (v *textView) building(a *app) (end func()) {
	if v.verbose {
		return v.built.end
	}
	v.begin(a)
	v.live.here("building the source distribution here", time.Now())
	return func() {
		v.live.stop()
		v.live, a.live = nil, nil
	}
}

func (v *textView) say(sentence string) {
	v.live.around(func() { v.out.lines(sentence) })
}

func (v *textView) buildLog() io.Writer {
	if v.verbose {
		return &v.built
	}
	return io.Discard
}

func (v *textView) archive(a *sdist.Archive) {
	v.out.printf("%s %s: %s, %d files\n", a.Name, a.Version, size(a.Size), a.Files)
	for _, warning := range a.Warnings {
		v.err.printf("kis: warning: %s\n", warning)
	}
}

func (v *textView) event(e event.Event) {
	v.live.follow(e)
	v.live.around(func() { v.print(e) })
}

func (v *textView) print(e event.Event) {
	if e.Type != event.TypeNotice && e.Type != event.TypeStart && e.Step != event.StepConnect {
		v.connected = true
		v.tellNotices()
	}
	switch e.Type {
	case event.TypeStart:
		v.start(e)
	case event.TypeStep:
		v.step(e)
	case event.TypeOutput:
		if v.verbose {
			v.line(e.Host, e.Step, "", "| "+safetext.Output(e.Message))
		}
	case event.TypeNotice:
		v.notices.add(e.Host, e.Message)
		if e.Host == "" || v.connected {
			v.tellNotices()
		}
	case event.TypeBarrier:
		v.barrier(e)
	case event.TypeProgress, event.TypeReport: // the steps and the end of the run say it
	}
}

// tellNotices prints what was held back so that hosts with the same notice share a line.
func (v *textView) tellNotices() {
	for _, n := range v.notices.take() {
		on := ""
		if len(n.hosts) > 0 {
			on = list(n.hosts, 4) + ": "
		}
		v.err.printf("kis: %s%s\n", on, n.message)
	}
}

func (v *textView) start(e event.Event) {
	v.op, v.stage = e.Op, e.Stage
	for _, h := range e.Hosts {
		v.width = max(v.width, utf8.RuneCountInString(safetext.Line(h)))
	}
	if len(e.Hosts) > boardFrom {
		v.board, v.width = newBoard(e.Hosts), max(v.width, len("64 hosts"))
	}
	what := ""
	if e.Package != "" {
		what = " " + e.Package
	}
	to := " to "
	if v.op == event.Check || v.op == event.Rollback && what == "" {
		to = " "
	}
	v.out.printf("%s%s%s%s on %s\n", v.op, what, to, v.stage, list(e.Hosts, 6))
}

func (v *textView) step(e event.Event) {
	if v.board != nil && !v.verbose {
		v.boardLines(v.board.follow(e))
		return
	}
	if e.State == event.Started {
		if v.verbose {
			v.line(e.Host, e.Step, "", "…")
		}
		return
	}
	if e.State == event.Done && brief(e.Step) && !v.verbose {
		return
	}
	mark, more := stepText(e, v.paint)
	v.line(e.Host, e.Step, mark, more)
}

// flush tells what the board still holds back.
func (v *textView) flush() {
	if v.board != nil && !v.verbose {
		v.boardLines(v.board.tell(true))
	}
}

func (v *textView) boardLines(lines []boardLine) {
	for _, l := range lines {
		mark, more := l.text(v.paint)
		v.line(l.who, l.step, mark, more)
	}
}

// stepText is what has become of a step on one host, and more about it. Where the run ends soon after a failure, the cause is left to the end.
func stepText(e event.Event, paint painter) (mark colored, more string) {
	took, cause := "", ""
	if e.Seconds >= 0.05 {
		took = fmt.Sprintf("%.1f s", e.Seconds)
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

// slow steps go on for minutes on other hosts after they have failed on one.
func slow(s event.Step) bool {
	switch s {
	case event.StepUpload, event.StepUnpack, event.StepEnvironment, event.StepVerify, event.StepSeal, event.StepAfterLink:
		return true
	}
	return false
}

// brief steps are worth a line only when they fail, or with -v.
func brief(s event.Step) bool {
	switch s {
	case event.StepLock, event.StepPackage, event.StepArm, event.StepRollCall, event.StepConfirm, event.StepCheck:
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
	v.out.printf("%-*s  %-11s  %s%s%s\n", v.width, host, step, mark, gap, text)
}

func (v *textView) barrier(e event.Event) {
	v.flush()
	if e.State == event.Done {
		v.out.printf("%s\n", v.paint.strong("── barrier: every host is ready, nothing has changed yet ──"))
		return
	}
	v.out.printf("%s\n", v.paint.strong("── barrier: not every host is ready, so no link is touched ──"))
}

// longLine is where a line without an end is broken.
const longLine = 16 << 10

// builderOutput prints a builder's output, each line marked as such.
type builderOutput struct {
	out  printer
	line []byte // of which the end has not come
}

func (b *builderOutput) Write(text []byte) (int, error) {
	for _, c := range text {
		if c == '\n' || len(b.line) == longLine {
			b.print()
		}
		if c != '\n' {
			b.line = append(b.line, c)
		}
	}
	return len(text), nil
}

func (b *builderOutput) print() {
	b.out.printf("| %s\n", safetext.Output(string(b.line)))
	b.line = b.line[:0]
}

// end prints what has no line end.
func (b *builderOutput) end() {
	if len(b.line) > 0 {
		b.print()
	}
}
