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
			v.result.lines(sentence)
		}
		v.out.printf("%s\n", v.paint.good(sentence))
		v.table(v.out, r)
		return
	}
	v.err.printf("kis: %s\n", v.paint.bad(sentence))
	if r.Outcome == event.Split || r.Outcome == event.RolledBack || len(r.Bugs) > 0 {
		v.table(v.err, r)
	}
	for _, next := range survey.AfterRun(r) {
		v.err.printf("  next: %s\n", next)
	}
	if log != "" {
		v.err.printf("  log:  %s\n", log)
	}
}

// table says what is true of every host; many hosts of which the same is true share a line.
func (v *textView) table(to printer, r event.Report) {
	var folded notices
	for _, h := range r.Hosts {
		if text := v.hostText(r, h); len(r.Hosts) > boardFrom {
			folded.add(h.Host, text)
		} else {
			to.printf("  %-*s  %s\n", v.width, h.Host, text)
		}
	}
	for _, line := range folded.take() {
		to.printf("  %s: %s\n", whole(line.hosts), line.message)
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
	v.err.printf("%s: %s%s: %s\n", whole(b.hosts), f.Step, mark, f.Message)
	v.err.tail(f.Tail)
	v.err.hint(f.Hint)
}
