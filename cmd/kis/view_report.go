package main

import (
	"fmt"
	"strings"

	"github.com/keep-it-simple/kis/internal/event"
	"github.com/keep-it-simple/kis/internal/survey"
)

// report ends the view: first what went wrong, then what is true now.
func (v *textView) report(r event.Report, log string) {
	v.live.stop()
	v.tellNotices()
	v.flush()
	for _, block := range fold(r.Failures) {
		v.failure(block)
	}
	sentence := summary(r)
	if r.Outcome == event.Succeeded {
		if v.quiet {
			_, _ = fmt.Fprintln(v.out, sentence)
		}
		v.printf("%s\n", v.paint.good(sentence))
		v.table(v.printfOut, r)
		return
	}
	_, _ = fmt.Fprintf(v.err, "kis: %s\n", v.paint.bad(sentence))
	if r.Outcome == event.Split || r.Outcome == event.RolledBack {
		v.table(func(format string, args ...any) { _, _ = fmt.Fprintf(v.err, format, args...) }, r)
	}
	for _, next := range survey.AfterRun(r) {
		_, _ = fmt.Fprintf(v.err, "  next: %s\n", clean(next.String()))
	}
	if log != "" {
		_, _ = fmt.Fprintf(v.err, "  log:  %s\n", log)
	}
}

func (v *textView) printfOut(format string, args ...any) { v.printf(format, args...) }

// table says what is true of every host; many hosts of which the same is true share a line.
func (v *textView) table(print func(string, ...any), r event.Report) {
	var folded notices
	for _, h := range r.Hosts {
		if text := v.hostText(r, h); len(r.Hosts) > boardFrom {
			folded.add(h.Host, text)
		} else {
			print("  %-*s  %s\n", v.width, clean(h.Host), text)
		}
	}
	for _, line := range folded.take() {
		print("  %s: %s\n", clean(whole(line.hosts)), line.message)
	}
}

// hostText is what is true of one host.
func (v *textView) hostText(r event.Report, h event.HostReport) string {
	switch {
	case r.Op == event.Check:
		return orNone(h.Linked) + " is linked"
	case r.DryRun:
		return fmt.Sprintf("%s: %s", orNone(h.Linked), h.Plan)
	case r.NoLink:
		return fmt.Sprintf("%s is ready; linked is %s", r.Package, orNone(h.Linked))
	case !h.Known:
		return "unknown"
	case h.Degraded:
		return orNone(h.Linked) + ", and after_link failed again: look at the service"
	case h.Was == h.Linked:
		return orNone(h.Linked)
	}
	return fmt.Sprintf("%s → %s", orNone(h.Was), orNone(h.Linked))
}

// whole names every host, so that nobody has to look elsewhere for those in trouble, unless they are so many that no person would read on;
// the log and -o json have them all.
func whole(hosts []string) string {
	if len(hosts) <= 20 {
		return strings.Join(hosts, ", ")
	}
	return list(hosts, 8)
}

func (v *textView) failure(b block) {
	f := b.failure
	mark := ""
	if f.State == event.Unknown {
		mark = " (unknown)"
	}
	_, _ = fmt.Fprintf(v.err, "%s: %s%s: %s\n", clean(whole(b.hosts)), f.Step, mark, clean(f.Message))
	for _, line := range f.Tail {
		_, _ = fmt.Fprintf(v.err, "    %s\n", clean(line))
	}
	for hint := range strings.Lines(f.Hint) {
		_, _ = fmt.Fprintf(v.err, "  hint: %s\n", clean(strings.TrimRight(hint, "\n")))
	}
}
