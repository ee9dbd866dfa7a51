package survey

import (
	"slices"

	"github.com/keep-it-simple/kis/internal/event"
	"github.com/keep-it-simple/kis/internal/name"
	"github.com/keep-it-simple/kis/remote"
)

// AfterRun is what the user may type after a run. It names packages that are installed: the run's
// own is ready on all of its hosts, and what was linked on a host is installed there.
func AfterRun(r event.Report) []Advice {
	switch r.Outcome {
	case event.RolledBack:
		return restarts(r)
	case event.Split:
	default:
		return nil
	}
	next := []Advice{{Verb: "status", Stage: r.Stage}}
	if r.Op == event.Restart {
		return append(next, Advice{Verb: "restart", Stage: r.Stage, Why: "restarts all of them"})
	}
	if slices.ContainsFunc(r.Failures, func(f event.Failure) bool { return f.Code == remote.CodeTaken || f.Code == remote.CodeLinkChanged }) {
		return next // another run or user is changing the stage: the command depends on their intention
	}
	narrowed := func(command Advice, hosts []string) Advice {
		if !r.Subset && len(hosts) == len(r.Hosts) {
			return command
		}
		return command.On(hosts)
	}
	_, all := byPackage(r, func(event.HostReport) string { return r.Package })
	next = append(next, narrowed(Forward(r.Stage, r.Package), all[r.Package]))
	before, on := byPackage(r, func(h event.HostReport) string {
		if h.RollbackTo == r.Package {
			return "" // nothing to roll back
		}
		return h.RollbackTo
	})
	for _, pkg := range before {
		next = append(next, narrowed(Back(r.Stage, pkg), on[pkg]))
	}
	return next
}

// restarts repeat the after_link commands where they failed after the rollback.
func restarts(r event.Report) []Advice {
	linked, on := byPackage(r, func(h event.HostReport) string {
		if !h.Degraded {
			return ""
		}
		return h.Linked
	})
	var next []Advice
	for _, pkg := range linked {
		next = append(next, RunAfterLink(r.Stage, pkg).On(on[pkg]))
	}
	return next
}

// byPackage groups hosts by a package of theirs. It skips hosts without one, and those whose link
// is not the name of a package, because it becomes a command to paste. The packages are in the
// order of their first hosts.
func byPackage(r event.Report, of func(event.HostReport) string) (packages []string, hosts map[string][]string) {
	hosts = map[string][]string{}
	for _, h := range r.Hosts {
		pkg := of(h)
		if _, err := name.ParsePackage(pkg); err != nil {
			continue
		}
		if hosts[pkg] == nil {
			packages = append(packages, pkg)
		}
		hosts[pkg] = append(hosts[pkg], h.Host)
	}
	return packages, hosts
}
