// Package survey reads what is on the hosts of a stage and derives from it the state of stages, the
// history of runs, the packages, and advice to the user. It changes nothing on any host.
package survey

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/keep-it-simple/kis/internal/name"
	"github.com/keep-it-simple/kis/internal/safetext"
	"github.com/keep-it-simple/kis/remote"
)

// Advice is a command that the user may type next. It names a package that is installed on one of its
// hosts at least, from which the others get it, or it changes nothing.
type Advice struct {
	Verb    string // of kis: status, link, rollback or logs
	Stage   string
	Package string   // of link and rollback
	Hosts   []string // nil: all hosts of the stage
	Except  []string // hosts that are excluded
	Why     string
	Scope   bool // the reason names the hosts as well
}

// Forward links a package on all hosts of a stage.
func Forward(stage, pkg string) Advice {
	return Advice{Verb: "link", Stage: stage, Package: pkg, Why: "forward", Scope: true}
}

// Back rolls all hosts of a stage back to a package.
func Back(stage, pkg string) Advice {
	return Advice{Verb: "rollback", Stage: stage, Package: pkg, Why: "back", Scope: true}
}

// RunAfterLink repeats the after_link commands for the linked package.
func RunAfterLink(stage, pkg string) Advice {
	return Advice{Verb: "link", Stage: stage, Package: pkg, Why: "brings it into service again"}
}

// recheck shows the status.
func recheck(stage, why string) Advice { return Advice{Verb: "status", Stage: stage, Why: why} }

// On narrows the command to hosts.
func (a Advice) On(hosts []string) Advice {
	a.Hosts = hosts
	return a
}

// Command is what the user types. An epoch in a version and an exclusion have a !, which some shells
// expand.
func (a Advice) Command() string {
	words := []string{"kis", a.Verb, a.Stage}
	switch {
	case a.Verb == "rollback":
		words = append(words, "--to", a.Package)
	case a.Package != "":
		words = append(words, a.Package)
	}
	switch {
	case len(a.Hosts) > 0:
		words = append(words, "--hosts", strings.Join(a.Hosts, ","))
	case len(a.Except) > 0:
		words = append(words, "--hosts", "!"+strings.Join(a.Except, ",!"))
	}
	for i := range words {
		words[i] = safetext.Word(words[i])
	}
	return strings.Join(words, " ")
}

// Reason is the reason, and the hosts.
func (a Advice) Reason() string {
	const maxNamed = 4 // hosts
	where := "everywhere"
	switch {
	case len(a.Hosts) > maxNamed:
		where = fmt.Sprintf("on %d hosts", len(a.Hosts))
	case len(a.Hosts) > 0:
		where = "on " + strings.Join(a.Hosts, ", ")
	case len(a.Except) > 0:
		where = "on the others"
	}
	switch {
	case a.Scope && a.Why != "":
		return a.Why + ", " + where
	case a.Scope, a.Why == "" && len(a.Except) > 0:
		return where
	}
	return a.Why
}

// String is the command with its reason as a shell comment.
func (a Advice) String() string {
	if reason := a.Reason(); reason != "" {
		return a.Command() + "    # " + reason
	}
	return a.Command()
}

// MarshalJSON gives programs the command and the reason.
func (a Advice) MarshalJSON() ([]byte, error) {
	return json.Marshal(map[string]string{"command": a.Command(), "why": a.Reason()})
}

// advise adds the commands that repair the stage.
func (s *Stage) advise(repositories map[string]Repository) {
	switch s.Verdict {
	case Interrupted, Unconfirmed, Subset, Diverged:
		s.unify(repositories)
	case InProgress:
		s.Next = []Advice{recheck(s.Stage, "when that run has ended")}
	case Degraded:
		if _, err := name.ParsePackage(s.Hosts[0].Linked); err == nil { // a host may report any text
			s.Next = []Advice{RunAfterLink(s.Stage, s.Hosts[0].Linked)}
		}
	case Drift:
		s.restore(repositories)
	case Unreachable:
		s.adviseOthers(repositories)
	case Uniform:
	}
}

// adviseOthers advises while some hosts do not answer: repeat the status when the unreachable ones
// are reachable, and repair the others if they need it. A host that refused has its own hint.
func (s *Stage) adviseOthers(repositories map[string]Repository) {
	rest := Stage{Stage: s.Stage}
	var unreachable, here, except []string
	for _, h := range s.Hosts {
		if h.Answered {
			rest.Hosts = append(rest.Hosts, h)
			continue
		}
		except = append(except, h.Host)
		switch {
		case h.Failure.Here:
			here = append(here, h.Host)
		case !h.Failure.Answered:
			unreachable = append(unreachable, h.Host)
		}
	}
	if len(here) > 0 && len(unreachable) == 0 {
		s.Next = append(s.Next, recheck(s.Stage, "when that is fixed on this machine"))
	}
	if len(unreachable) > 0 {
		s.Next = append(s.Next, recheck(s.Stage, "when "+reachable(unreachable)))
	}
	if rest.Verdict = rest.verdict(); rest.Verdict == InProgress {
		return
	}
	rest.advise(repositories)
	s.Hint = rest.Hint
	if len(rest.Next) == 0 {
		return
	}
	first := rest.Next[0]
	if len(first.Hosts) == 0 {
		first.Except, first.Scope = except, true
	}
	s.Next = append(s.Next, first)
}

// reachable names the hosts that must be reachable first.
func reachable(hosts []string) string {
	switch {
	case len(hosts) > 4:
		return fmt.Sprintf("%d hosts are reachable", len(hosts))
	case len(hosts) > 1:
		return strings.Join(hosts, ", ") + " are reachable"
	}
	return hosts[0] + " is reachable"
}

// unify links the same package on all hosts: the target of the newest run, or the previous package.
func (s *Stage) unify(repositories map[string]Repository) {
	to, from := s.wanted(Runs(s.Stage, repositories))
	if to != "" {
		if missing := unobtainable(to, s.Hosts, repositories); len(missing) > 0 {
			s.Hint = notInstalled(s.Stage, to, missing, repositories)
		} else {
			s.Next = append(s.Next, Forward(s.Stage, to))
		}
	}
	if from != "" && from != to && len(unobtainable(from, s.Hosts, repositories)) == 0 {
		s.Next = append(s.Next, Back(s.Stage, from))
	}
}

// Install is what to do about a package that hosts lack. The revision it was built from (see
// pybuild.Revision) makes it a command; without one, or where files were changed, no command builds the
// same.
func Install(stage string, pkg name.Package, revision string, hosts []string) string {
	if !commitPattern.MatchString(revision) {
		return fmt.Sprintf("push it to %s from the files it was built from, with --no-link; packages: kis list %s", strings.Join(hosts, ", "), stage)
	}
	dev := ""
	if pkg.IsDev() {
		dev = " --dev"
	}
	return fmt.Sprintf("install it there: kis push %s --hosts %s --rev %s%s --no-link", stage, strings.Join(hosts, ","), revision, dev)
}

// commitPattern is the revision of a clean checkout.
var commitPattern = regexp.MustCompile(`^[0-9a-f]{12,64}$`)

// notInstalled is the hint for a package that hosts lack.
func notInstalled(stage, pkg string, hosts []string, repositories map[string]Repository) string {
	text := fmt.Sprintf("%s is not installed on %s", pkg, strings.Join(hosts, ", "))
	p, err := name.ParsePackage(pkg)
	if err != nil {
		return text
	}
	revision := ""
	for _, host := range slices.Sorted(maps.Keys(repositories)) {
		for _, there := range repositories[host].State.Packages {
			if there.Name == p && there.Receipt != nil {
				revision = there.Receipt.Git
			}
		}
	}
	return text + "; " + Install(stage, p, revision, hosts)
}

// wanted is the target of the newest run on any host, and the link there before it.
func (s *Stage) wanted(runs []string) (to, from string) {
	var newest HostState
	for _, h := range s.Hosts {
		if e := h.Interrupted; e != nil && (newest.Interrupted == nil || slices.Index(runs, e.Run) > slices.Index(runs, newest.Interrupted.Run)) {
			newest = h
		}
	}
	if e := newest.Interrupted; e != nil {
		return e.To, e.From
	}
	for _, h := range s.Hosts {
		if h.Linked != "" && slices.Index(runs, h.Run) >= slices.Index(runs, newest.Run) {
			newest = h
		}
	}
	for _, h := range s.Hosts {
		if h.Linked != "" && h.Linked != newest.Linked {
			from = h.Linked
		}
	}
	return newest.Linked, from
}

// unobtainable are the hosts that lack a package, unless one of the others has it, from which they get it.
func unobtainable(pkg string, hosts []HostState, repositories map[string]Repository) []string {
	lacking := missing(pkg, hosts, repositories)
	if len(lacking) < len(hosts) {
		return nil
	}
	return lacking
}

// missing are the hosts on which a package is not sealed.
func missing(pkg string, hosts []HostState, repositories map[string]Repository) []string {
	var names []string
	for _, h := range hosts {
		sealed := func(p remote.InstalledPackage) bool { return p.Name.String() == pkg && p.State == remote.Sealed }
		if !slices.ContainsFunc(repositories[h.Host].State.Packages, sealed) {
			names = append(names, h.Host)
		}
	}
	return names
}

// hasOwnHint reports whether a host that links the package has its own hint about it.
func (s *Stage) hasOwnHint(pkg string) bool {
	return slices.ContainsFunc(s.Hosts, func(h HostState) bool { return h.Linked == pkg && h.Hint != "" })
}

// restore undoes changes that were made outside kis to links of kis. It changes no host whose link
// matches its journal. Drift of other kinds has a hint of its own.
func (s *Stage) restore(repositories map[string]Repository) {
	var wanted []string
	on := map[string][]HostState{}
	unchanged := s.unchanged()
	for _, h := range s.Hosts {
		if h.Drift == "" || h.Hint != "" {
			continue
		}
		pkg := h.lastLinked
		if pkg == "" || len(unchanged) == 1 && unchanged[0] == h.Linked { // the journal has lost what the others have
			pkg = h.Linked
		}
		if s.hasOwnHint(pkg) {
			continue // no command fixes it; the host's hint explains
		}
		if on[pkg] == nil {
			wanted = append(wanted, pkg)
		}
		on[pkg] = append(on[pkg], h)
	}
	for _, pkg := range wanted {
		only := len(wanted) > 1 || slices.ContainsFunc(unchanged, func(other string) bool { return other != pkg })
		s.relink(pkg, on[pkg], only, repositories)
	}
}

// unchanged are the packages that hosts without drift link to, each once.
func (s *Stage) unchanged() []string {
	var found []string
	for _, h := range s.Hosts {
		if h.Drift == "" && h.Linked != "" && !slices.Contains(found, h.Linked) {
			found = append(found, h.Linked)
		}
	}
	return found
}

// relink links a package on all hosts of the stage, or on the given ones only.
func (s *Stage) relink(pkg string, hosts []HostState, only bool, repositories map[string]Repository) {
	advice := Advice{Verb: "link", Stage: s.Stage, Package: pkg}
	if only {
		for _, h := range hosts {
			advice.Hosts = append(advice.Hosts, h.Host)
		}
	} else {
		hosts = s.Hosts
	}
	if missing := unobtainable(pkg, hosts, repositories); len(missing) > 0 {
		s.Hint = notInstalled(s.Stage, pkg, missing, repositories)
		return
	}
	s.Next = append(s.Next, advice)
}
