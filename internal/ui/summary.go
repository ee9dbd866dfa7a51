package ui

import (
	"fmt"
	"slices"

	"github.com/keep-it-simple/kis/internal/event"
	"github.com/keep-it-simple/kis/internal/safetext"
	"github.com/keep-it-simple/kis/inventory"
)

// Summary is the one sentence at the end of a run: the state of the stage.
func Summary(r event.Report) string {
	hosts := hostCount(len(r.Hosts))
	switch {
	case r.Op == event.Check && r.Outcome == event.Aborted:
		return fmt.Sprintf("%s is not ready for a push on %d of %s; nothing was changed", r.Stage, countFailed(r), hosts)
	case r.Op == event.Check && r.Outcome == event.Interrupted:
		return "interrupted: nothing was changed"
	case r.Op == event.Restart:
		return restarted(r, hosts)
	}
	switch r.Outcome {
	case event.Succeeded:
		return succeeded(r, hosts)
	case event.Aborted:
		return "aborted before link: no stage link was changed" + ready(r, hosts) + prepared(r)
	case event.RolledBack:
		return fmt.Sprintf("failed and rolled back: %s has %s on %s%s", r.Stage, previousLink(r), hosts, degraded(r))
	case event.Split:
		return split(r, hosts)
	case event.Locked:
		return "locked by another run: no stage link was changed"
	case event.Interrupted:
		return "interrupted before link: no stage link was changed"
	}
	return string(r.Outcome)
}

// restarted is the sentence of a run that changes no link.
func restarted(r event.Report, hosts string) string {
	n := 0
	for _, h := range r.Hosts {
		if h.Restarted {
			n++
		}
	}
	switch r.Outcome {
	case event.Succeeded:
		return fmt.Sprintf("%s was restarted on %s (%s)", r.Stage, hosts, seconds(r.Seconds))
	case event.Split:
		return fmt.Sprintf("%s was restarted on %d of %s; no link was changed:", r.Stage, n, hosts)
	case event.Locked:
		return "locked by another run: nothing was restarted"
	case event.Interrupted:
		return "interrupted: nothing was restarted"
	}
	return "aborted: nothing was restarted"
}

func succeeded(r event.Report, hosts string) string {
	took := seconds(r.Seconds)
	switch {
	case r.Op == event.Check && r.From != "":
		return fmt.Sprintf("%s is ready on %s; only this leads there: kis promote %s %s", r.Stage, hosts, r.From, r.Stage)
	case r.Op == event.Check:
		return fmt.Sprintf("%s is ready for a push on %s", r.Stage, hosts)
	case r.DryRun:
		what := r.Package + " to " + r.Stage
		if r.Op == event.Rollback {
			what = r.Stage + " to " + r.Package
		}
		return fmt.Sprintf("dry run: %s of %s on %s would do this; nothing was changed", r.Op, what, hosts)
	case r.NoLink && r.BeforeLink:
		return fmt.Sprintf("%s is ready on %s, not linked (%s); the same %s without --no-link runs before_link and links it", r.Package, hosts, took, r.Op)
	case r.NoLink:
		return fmt.Sprintf("%s is ready on %s, not linked (%s); link it: kis link %s %s", r.Package, hosts, took, r.Stage, safetext.Word(r.Package))
	case r.UpToDate:
		return fmt.Sprintf("%s is already linked to %s on %s: nothing to do (%s)", r.Stage, r.Package, hosts, took)
	}
	skew := ""
	if r.Skew != nil {
		skew = fmt.Sprintf(", all within %.1f ms ± %.1f", r.Skew.Seconds*1000, r.Skew.Error*1000)
	}
	return fmt.Sprintf("%s is linked to %s on %s (%s%s)", r.Stage, r.Package, hosts, took, skew)
}

// ready counts the hosts on which the package is ready, if there are any.
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

// prepared says that commands before the link may have changed something outside of kis, such as a database.
func prepared(r event.Report) string {
	if slices.ContainsFunc(r.Failures, func(f event.Failure) bool { return f.Step == event.StepBeforeLink }) {
		return "; what before_link has done stays"
	}
	return ""
}

// previousLink names the link that the hosts were rolled back to.
func previousLink(r event.Report) string {
	if slices.ContainsFunc(r.Hosts, func(h event.HostReport) bool { return h.Was != h.RollbackTo }) {
		return "the link from before the interrupted run"
	}
	return "its previous link"
}

func countFailed(r event.Report) int {
	on := map[string]bool{}
	for _, f := range r.Failures {
		on[f.Host] = true
	}
	return len(on)
}

// degraded names the hosts whose service may be down although the link was rolled back.
func degraded(r event.Report) string {
	var names []string
	for _, h := range r.Hosts {
		if h.Degraded {
			names = append(names, h.Host)
		}
	}
	if len(names) == 0 {
		return ""
	}
	return ", but it did not come back into service on " + list(names, 4) + ": check the service there"
}

// split distinguishes a stage whose hosts differ from one that is uniform, but not as requested.
func split(r event.Report, hosts string) string {
	for _, h := range r.Hosts {
		if !h.LinkKnown || h.Linked != r.Hosts[0].Linked {
			return fmt.Sprintf("%s: hosts differ or are unknown:", r.Stage)
		}
	}
	if linked := r.Hosts[0].Linked; linked != r.Package {
		return fmt.Sprintf("%s is linked to %s on %s, not to %s:", r.Stage, event.LinkText(linked), hosts, event.LinkText(r.Package))
	}
	text := fmt.Sprintf("%s is linked to %s on %s, but the run did not complete", r.Stage, r.Package, hosts)
	if r.OnPartial == inventory.PartialForward || r.OnPartial == inventory.PartialStop {
		text += fmt.Sprintf("; nothing was rolled back (on_partial: %s)", r.OnPartial)
	}
	return text + ":"
}
