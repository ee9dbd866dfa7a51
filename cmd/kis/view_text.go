package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/keep-it-simple/kis/internal/fleet"
	"github.com/keep-it-simple/kis/internal/sdist"
)

// The rules of the text view:
//   - What happens goes to standard output, one line per event that matters; what went wrong goes to standard error, at the end, in one block.
//   - Every line about a host begins with the host. No line is ever rewritten, but for one at the bottom of a terminal (see liveLine).
//   - No capitals at the beginning and no full stops at the end. Text from hosts is made harmless before it is printed.

// textView is for people, at a terminal or in a log of CI.
type textView struct {
	out, err io.Writer
	paint    painter
	quiet    bool
	verbose  bool
	width    int // of the longest host name
	op       fleet.Op
	stage    string
	live     *liveLine // nil but at a terminal
}

func newTextView(a *app) *textView {
	return &textView{out: a.Out, err: a.Err, paint: a.painter(), quiet: a.quiet, verbose: a.verbose}
}

// begin starts the line at the bottom, where there is a terminal for it. The report ends it.
func (v *textView) begin(a *app) {
	if a.Color && a.Terminal && a.Columns != nil && !v.quiet && os.Getenv("TERM") != "dumb" {
		v.live = newLiveLine(v.out, a.Columns)
	}
}

func (v *textView) printf(format string, args ...any) {
	if !v.quiet {
		_, _ = fmt.Fprintf(v.out, format, args...)
	}
}

func (v *textView) say(sentence string) { v.printf("%s\n", clean(sentence)) }

func (v *textView) buildLog() io.Writer {
	if v.verbose {
		return cleaner{v.out}
	}
	return io.Discard
}

func (v *textView) archive(a *sdist.Archive) {
	v.printf("%s %s: %s, %d files\n", a.Name, a.Version, size(a.Size), a.Files)
	for _, warning := range a.Warnings {
		_, _ = fmt.Fprintf(v.err, "kis: warning: %s\n", clean(warning))
	}
}

func (v *textView) event(e fleet.Event) {
	v.live.follow(e)
	v.live.around(func() { v.print(e) })
}

func (v *textView) print(e fleet.Event) {
	switch e.Type {
	case fleet.TypeStart:
		v.start(e)
	case fleet.TypeStep:
		v.step(e)
	case fleet.TypeOutput:
		if v.verbose {
			v.line(e.Host, string(e.Step), "| "+clean(e.Message))
		}
	case fleet.TypeNotice:
		_, _ = fmt.Fprintf(v.err, "kis: %s%s\n", prefix(e.Host), clean(e.Message))
	case fleet.TypeBarrier:
		v.barrier(e)
	case fleet.TypeProgress, fleet.TypeReport: // the steps and the end of the run say it
	}
}

func (v *textView) start(e fleet.Event) {
	v.op, v.stage = e.Op, e.Stage
	for _, h := range e.Hosts {
		v.width = max(v.width, len(h))
	}
	what := ""
	if e.Package != "" {
		what = " " + e.Package
	}
	to := " to "
	if v.op == fleet.Check || v.op == fleet.Rollback && what == "" {
		to = " "
	}
	v.printf("%s%s%s%s on %s\n", v.op, what, to, v.stage, list(e.Hosts, 6))
}

func (v *textView) step(e fleet.Event) {
	if e.State == fleet.Started {
		if v.verbose {
			v.line(e.Host, string(e.Step), "…")
		}
		return
	}
	took := ""
	if e.Seconds >= 0.05 {
		took = fmt.Sprintf("%.1f s", e.Seconds)
	}
	switch e.State {
	case fleet.Done:
		if v.verbose || !brief(e.Step) {
			v.line(e.Host, string(e.Step), strings.TrimSpace(v.paint.good("done")+"  "+took))
		}
	case fleet.Refused:
		v.line(e.Host, string(e.Step), v.paint.bad("failed")+"  "+clean(e.Message))
	case fleet.Unknown:
		v.line(e.Host, string(e.Step), v.paint.warn("unknown")+"  "+clean(e.Message))
	case fleet.Started:
	}
}

// brief steps are worth a line only when they fail, or with -v.
func brief(s fleet.Step) bool {
	switch s {
	case fleet.StepLock, fleet.StepArm, fleet.StepRollCall, fleet.StepConfirm, fleet.StepCheck:
		return true
	}
	return false
}

func (v *textView) line(host, step, text string) {
	v.printf("%-*s  %-11s  %s\n", v.width, clean(host), step, text)
}

func (v *textView) barrier(e fleet.Event) {
	if e.State == fleet.Done {
		v.printf("%s\n", v.paint.strong("── barrier: every host is ready, nothing has changed yet ──"))
		return
	}
	v.printf("%s\n", v.paint.strong("── barrier: not every host is ready, so no link is touched ──"))
}

func (v *textView) report(r fleet.Report, log string) {
	v.live.stop()
	for _, block := range fold(r.Failures) {
		v.failure(block)
	}
	sentence := summary(r)
	if r.Outcome == fleet.Succeeded {
		if v.quiet {
			_, _ = fmt.Fprintln(v.out, sentence)
		}
		v.printf("%s\n", v.paint.good(sentence))
		v.table(v.printfOut, r)
		return
	}
	_, _ = fmt.Fprintf(v.err, "kis: %s\n", v.paint.bad(sentence))
	if r.Outcome == fleet.Split || r.Outcome == fleet.RolledBack {
		v.table(func(format string, args ...any) { _, _ = fmt.Fprintf(v.err, format, args...) }, r)
	}
	for _, next := range nextCommands(r) {
		_, _ = fmt.Fprintf(v.err, "  next: %s\n", next)
	}
	_, _ = fmt.Fprintf(v.err, "  log:  %s\n", log)
}

func (v *textView) printfOut(format string, args ...any) { v.printf(format, args...) }

func (v *textView) table(print func(string, ...any), r fleet.Report) {
	for _, h := range r.Hosts {
		switch {
		case r.Op == fleet.Check:
			print("  %-*s  %s is linked\n", v.width, clean(h.Host), orNone(h.Linked))
		case r.DryRun:
			print("  %-*s  %s: %s\n", v.width, clean(h.Host), orNone(h.Linked), h.Plan)
		case r.NoLink:
			print("  %-*s  %s is ready; linked is %s\n", v.width, clean(h.Host), r.Package, orNone(h.Linked))
		case !h.Known:
			print("  %-*s  unknown\n", v.width, clean(h.Host))
		case h.Was == h.Linked:
			print("  %-*s  %s\n", v.width, clean(h.Host), orNone(h.Linked))
		default:
			print("  %-*s  %s → %s\n", v.width, clean(h.Host), orNone(h.Was), orNone(h.Linked))
		}
	}
}

func (v *textView) failure(b block) {
	f := b.failure
	mark := ""
	if f.State == fleet.Unknown {
		mark = " (unknown)"
	}
	_, _ = fmt.Fprintf(v.err, "%s: %s%s: %s\n", clean(list(b.hosts, 8)), f.Step, mark, clean(f.Message))
	for _, line := range f.Tail {
		_, _ = fmt.Fprintf(v.err, "    %s\n", clean(line))
	}
	for hint := range strings.Lines(f.Hint) {
		_, _ = fmt.Fprintf(v.err, "  hint: %s\n", clean(strings.TrimRight(hint, "\n")))
	}
}

// cleaner passes a builder's output on, harmless.
type cleaner struct{ w io.Writer }

func (c cleaner) Write(p []byte) (int, error) {
	_, err := io.WriteString(c.w, clean(string(p)))
	return len(p), err
}

// painter colors text, or leaves it.
type painter struct{ on bool }

func (a *app) painter() painter {
	switch a.color {
	case "always":
		return painter{on: true}
	case "never":
		return painter{}
	}
	return painter{on: a.Color && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"}
}

func (p painter) sgr(code, text string) string {
	if !p.on {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

func (p painter) good(text string) string   { return p.sgr("32", text) }
func (p painter) bad(text string) string    { return p.sgr("31", text) }
func (p painter) warn(text string) string   { return p.sgr("33", text) }
func (p painter) strong(text string) string { return p.sgr("1", text) }

func prefix(host string) string {
	if host == "" {
		return ""
	}
	return host + ": "
}

func orNone(link string) string {
	if link == "" {
		return "nothing"
	}
	return clean(link)
}

// list joins names, and counts those that do not fit.
func list(names []string, most int) string {
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:most-1], ", "), len(names)-most+1)
}

func size(bytes int64) string {
	switch {
	case bytes < 10_000:
		return fmt.Sprintf("%d bytes", bytes)
	case bytes < 10_000_000:
		return fmt.Sprintf("%d kB", bytes/1000)
	}
	return fmt.Sprintf("%d MB", bytes/1_000_000)
}

func seconds(s float64) string {
	return time.Duration(s * float64(time.Second)).Round(10 * time.Millisecond).String()
}
