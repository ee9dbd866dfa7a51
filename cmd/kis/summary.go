package main

import (
	"fmt"
	"slices"

	"github.com/keep-it-simple/kis/internal/event"
	"github.com/keep-it-simple/kis/inventory"
)

// block is one failure that several hosts have in common.
type block struct {
	hosts   []string
	failure event.Failure
}

// fold puts failures that read the same into one block, in the order of their first host.
func fold(failures []event.Failure) []block {
	var blocks []block
	for _, f := range failures {
		at := slices.IndexFunc(blocks, func(b block) bool {
			return b.failure.Step == f.Step && b.failure.State == f.State && b.failure.Message == f.Message && slices.Equal(b.failure.Tail, f.Tail)
		})
		if at < 0 {
			blocks = append(blocks, block{failure: f})
			at = len(blocks) - 1
		}
		if !slices.Contains(blocks[at].hosts, f.Host) {
			blocks[at].hosts = append(blocks[at].hosts, f.Host)
		}
	}
	return blocks
}

// summary is the one sentence at the end: what is true now.
func summary(r event.Report) string {
	hosts := hostCount(len(r.Hosts))
	took := seconds(r.Seconds)
	switch {
	case r.Op == event.Check && r.Outcome == event.Aborted:
		return fmt.Sprintf("%s is not ready for a push on %d of %s; nothing was changed", r.Stage, failed(r), hosts)
	case r.Op == event.Check && r.Outcome == event.Interrupted:
		return "interrupted: nothing was changed"
	}
	switch r.Outcome {
	case event.Succeeded:
		return succeeded(r, hosts, took)
	case event.Aborted:
		return "aborted before link: no stage link was changed" + ready(r, hosts)
	case event.RolledBack:
		return fmt.Sprintf("failed and rolled back: %s is linked on %s as it was before%s%s", r.Stage, hosts, beforeWhat(r), unwell(r))
	case event.Split:
		return split(r, hosts)
	case event.Locked:
		return "locked by another run: no stage link was changed"
	case event.Interrupted:
		return "interrupted before link: no stage link was changed"
	}
	return string(r.Outcome)
}

func succeeded(r event.Report, hosts, took string) string {
	switch {
	case r.Op == event.Check:
		return fmt.Sprintf("%s is ready for a push on %s", r.Stage, hosts)
	case r.DryRun:
		what := r.Package + " to " + r.Stage
		if r.Op == event.Rollback {
			what = r.Stage + " to " + r.Package
		}
		return fmt.Sprintf("dry run: %s of %s on %s would do this; nothing was changed", r.Op, what, hosts)
	case r.NoLink:
		return fmt.Sprintf("%s is ready on %s, not linked (%s); link it: kis link %s %s", r.Package, hosts, took, r.Stage, r.Package)
	case r.Already:
		return fmt.Sprintf("%s is linked to %s on %s already: nothing to do (%s)", r.Stage, r.Package, hosts, took)
	}
	skew := ""
	if r.Skew != nil {
		skew = fmt.Sprintf(", all within %.1f ms ± %.1f", r.Skew.Seconds*1000, r.Skew.Error*1000)
	}
	return fmt.Sprintf("%s is linked to %s on %s (%s%s)", r.Stage, r.Package, hosts, took, skew)
}

// ready counts the hosts that have the package, once any has come so far.
func ready(r event.Report, hosts string) string {
	n := 0
	for _, h := range r.Hosts {
		if h.Ready {
			n++
		}
	}
	if n == 0 {
		return ""
	}
	return fmt.Sprintf(" (%d of %s ready)", n, hosts)
}

// beforeWhat tells of a way back that led further than to the beginning of the run.
func beforeWhat(r event.Report) string {
	if slices.ContainsFunc(r.Hosts, func(h event.HostReport) bool { return h.Was != h.Back }) {
		return " the run that did not come to its end"
	}
	return ""
}

// failed counts the hosts that have failed.
func failed(r event.Report) int {
	on := map[string]bool{}
	for _, f := range r.Failures {
		on[f.Host] = true
	}
	return len(on)
}

// unwell names the hosts whose service may not run although the link is back.
func unwell(r event.Report) string {
	var names []string
	for _, h := range r.Hosts {
		if h.Degraded {
			names = append(names, h.Host)
		}
	}
	if len(names) == 0 {
		return ""
	}
	return ", but after_link failed again on " + list(names, 4) + ": look at the service there"
}

// split tells a fleet that differs from one that is alike, and not what was asked for.
func split(r event.Report, hosts string) string {
	for _, h := range r.Hosts {
		if !h.Known || h.Linked != r.Hosts[0].Linked {
			return fmt.Sprintf("%s is not the same on all hosts, or not known:", r.Stage)
		}
	}
	if linked := r.Hosts[0].Linked; linked != r.Package {
		return fmt.Sprintf("%s is linked to %s on %s, which is not what this run wanted:", r.Stage, orNone(linked), hosts)
	}
	text := fmt.Sprintf("%s is linked to %s on %s, but the run did not come to its end", r.Stage, r.Package, hosts)
	if r.OnPartial == inventory.PartialForward || r.OnPartial == inventory.PartialStop {
		text += fmt.Sprintf("; nothing is taken back (on_partial: %s)", r.OnPartial)
	}
	return text + ":"
}
