package main

import (
	"fmt"
	"strings"

	"github.com/keep-it-simple/kis/internal/fleet"
)

// report ends the view: first what went wrong, then what is true now.
func (v *textView) report(r fleet.Report, log string) {
	v.live.stop()
	v.tellNotices()
	if v.board != nil && !v.verbose {
		v.boardLines(v.board.tell(true))
	}
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
		_, _ = fmt.Fprintf(v.err, "  next: %s\n", clean(next))
	}
	if log != "" {
		_, _ = fmt.Fprintf(v.err, "  log:  %s\n", log)
	}
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
		case h.Unwell:
			print("  %-*s  %s, and after_link failed again: look at the service\n", v.width, clean(h.Host), orNone(h.Linked))
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
