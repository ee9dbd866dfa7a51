package ui

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/keep-it-simple/kis/internal/event"
	"github.com/keep-it-simple/kis/internal/survey"
)

// Report ends the view: first what failed, then the state of the hosts.
func (v *textView) Report(r event.Report, log string) {
	v.ui.area().stop()
	v.printNotices()
	v.flush()
	u := v.ui
	u.printFailures(r.Failures)
	sentence := Summary(r)
	if r.Outcome == event.Succeeded {
		if u.Quiet {
			u.Out.Lines(sentence)
		}
		v.out.Printf("%s\n", v.paint.good(sentence))
		v.table(v.out, r)
		v.pruned(r)
		return
	}
	mark := "kis: "
	for _, line := range u.fitted(mark + sentence) {
		u.Err.Printf("%s%s\n", mark, v.paint.bad(strings.TrimPrefix(line, mark)))
		mark = ""
	}
	if r.Outcome == event.Split || r.Outcome == event.RolledBack || len(r.Bugs) > 0 {
		v.table(u.Err, r)
	}
	if v.past {
		return // what was to be done then would now do something else
	}
	for _, next := range survey.AfterRun(r) {
		u.Err.Printf("  next: %s\n", next)
	}
	if log != "" {
		u.Err.Printf("  log:  %s\n", log)
	}
}

// table prints the state of every host; many hosts with the same state share a line.
func (v *textView) table(to Printer, r event.Report) {
	var folded grouped
	names := make([]string, len(r.Hosts))
	for i, h := range r.Hosts {
		names[i] = h.Host
	}
	for _, h := range r.Hosts {
		if text := hostText(r, h); len(r.Hosts) > boardFrom {
			folded.add(h.Host, text)
		} else {
			to.Printf("  %-*s  %s\n", hostColumn(names), h.Host, text)
		}
	}
	for _, line := range folded {
		to.Printf("  %s: %s\n", allHosts(line.hosts), line.text)
	}
}

// pruned prints what was removed after the push.
func (v *textView) pruned(r event.Report) {
	var folded grouped
	for _, h := range r.Hosts {
		if h.Pruned != nil && len(h.Pruned.Packages) > 0 {
			folded.add(h.Host, "removed old packages: "+removed(*h.Pruned))
		}
	}
	for _, line := range folded {
		v.out.Printf("  %s: %s\n", allHosts(line.hosts), line.text)
	}
}

// hostText is the state of one host.
func hostText(r event.Report, h event.HostReport) string {
	linked := event.LinkText(h.Linked)
	switch {
	case r.Op == event.Check:
		return linked + " is linked"
	case r.DryRun:
		return fmt.Sprintf("%s: %s", cmp.Or(h.Linked, "not linked"), h.Plan)
	case r.NoLink:
		return fmt.Sprintf("%s is ready; %s is linked", r.Package, linked)
	case !h.LinkKnown:
		return "unknown"
	case h.Degraded:
		return linked + ", and it did not come back into service: check it"
	case r.Op == event.Restart && !h.Restarted:
		return linked + ", not restarted"
	case r.Op == event.Restart:
		return linked + ", restarted"
	case h.Was == h.Linked:
		return linked
	}
	return fmt.Sprintf("%s → %s", event.LinkText(h.Was), linked)
}
