// Package survey reads what is on the hosts of a stage, and says what is true of it and what the user may do about it: the
// state of stages, the history of runs, packages, advice. It changes nothing on any host.
package survey

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/keep-it-simple/kis/internal/name"
	"github.com/keep-it-simple/kis/remote"
)

// Advice is a command that the user may type next. It does what it says: it names a package that is installed on all of its
// hosts, or changes nothing.
type Advice struct {
	Verb    string // of kis: status, link or rollback
	Stage   string
	Package string   // of link and rollback
	Hosts   []string // nil: all hosts of the stage
	Except  []string // hosts that are left out
	Why     string
	Scope   bool // Why goes on with the hosts
}

// Forward links a package on all hosts of a stage.
func Forward(stage, pkg string) Advice {
	return Advice{Verb: "link", Stage: stage, Package: pkg, Why: "forward", Scope: true}
}

// Back rolls all hosts of a stage back to a package.
func Back(stage, pkg string) Advice {
	return Advice{Verb: "rollback", Stage: stage, Package: pkg, Why: "back", Scope: true}
}

// Again runs the after-link commands for what is linked once more.
func Again(stage, pkg string) Advice {
	return Advice{Verb: "link", Stage: stage, Package: pkg, Why: "runs after_link again"}
}

// statusAgain asks again.
func statusAgain(stage, why string) Advice { return Advice{Verb: "status", Stage: stage, Why: why} }

// On narrows the command to hosts.
func (a Advice) On(hosts []string) Advice {
	a.Hosts = hosts
	return a
}

// Command is what the user types. Names of hosts, stages and packages have no character that a shell reads, but the ! of an
// exception.
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
		words = append(words, "--hosts", "'!"+strings.Join(a.Except, ",!")+"'")
	}
	return strings.Join(words, " ")
}

// Reason says why, and where.
func (a Advice) Reason() string {
	const few = 4 // hosts that are named
	where := "everywhere"
	switch {
	case len(a.Hosts) > few:
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

// advise adds what makes the stage what the user wants it to be.
func (s *Stage) advise(repositories map[string]Repository) {
	switch s.Verdict {
	case Interrupted, Unconfirmed, Subset, Diverged:
		s.unify(repositories)
	case InProgress:
		s.Next = []Advice{statusAgain(s.Stage, "again, when that run has ended")}
	case Degraded:
		if _, err := name.ParsePackage(s.Hosts[0].Linked); err == nil { // a host may say anything
			s.Next = []Advice{Again(s.Stage, s.Hosts[0].Linked)}
		}
	case Drift:
		s.restore(repositories)
	case Unreachable:
		s.adviseOthers(repositories)
	case Uniform:
	}
}

// adviseOthers says what can be done while hosts cannot be asked: ask again when the unreachable ones are back, and, where the
// others need it, fix those. What is to be done about a host that has answered is said by its own hint.
func (s *Stage) adviseOthers(repositories map[string]Repository) {
	rest := Stage{Stage: s.Stage}
	var unreachable, except []string
	for _, h := range s.Hosts {
		if h.Known {
			rest.Hosts = append(rest.Hosts, h)
			continue
		}
		except = append(except, h.Host)
		if !h.Failure.Answered {
			unreachable = append(unreachable, h.Host)
		}
	}
	if len(unreachable) > 0 {
		s.Next = append(s.Next, statusAgain(s.Stage, "again, when "+areBack(unreachable)))
	}
	if rest.Verdict = verdict(rest.Hosts); rest.Verdict == InProgress {
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

// areBack says which hosts are waited for.
func areBack(hosts []string) string {
	switch {
	case len(hosts) > 4:
		return fmt.Sprintf("%d hosts are back", len(hosts))
	case len(hosts) > 1:
		return strings.Join(hosts, ", ") + " are back"
	}
	return hosts[0] + " is back"
}

// unify links the same package on all hosts: the one the newest run wanted, or the one before it.
func (s *Stage) unify(repositories map[string]Repository) {
	to, from := s.wanted(Runs(s.Stage, repositories))
	if to != "" {
		if missing := missing(to, s.Hosts, repositories); len(missing) > 0 {
			s.Hint = notInstalled(to, missing)
		} else {
			s.Next = append(s.Next, Forward(s.Stage, to))
		}
	}
	if from != "" && from != to && len(missing(from, s.Hosts, repositories)) == 0 {
		s.Next = append(s.Next, Back(s.Stage, from))
	}
}

// notInstalled is what to do about a package that hosts lack. No command can name it: a push takes what the working tree is.
func notInstalled(pkg string, hosts []string) string {
	return fmt.Sprintf("%s is not installed on %s: check out the revision it was built from (kis list), and push it", pkg, strings.Join(hosts, ", "))
}

// wanted is what the newest run on any host wanted to link, and what was linked there before.
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

// hasOwnHint reports whether a host is linked to the package and has a hint of its own about it.
func (s *Stage) hasOwnHint(pkg string) bool {
	return slices.ContainsFunc(s.Hosts, func(h HostState) bool { return h.Linked == pkg && h.Hint != "" })
}

// restore undoes changes that were made outside kis to a link that kis has made, without a change to hosts that are as their
// own journals say. Where the drift is of another kind, its host's own hint says what to do.
func (s *Stage) restore(repositories map[string]Repository) {
	var wanted []string
	on := map[string][]HostState{}
	unchanged := s.unchanged()
	for _, h := range s.Hosts {
		if h.Drift == "" || h.Hint != "" {
			continue
		}
		pkg := h.lastLinked
		if pkg == "" || len(unchanged) == 1 && unchanged[0] == h.Linked { // its journal has lost what the others' know
			pkg = h.Linked
		}
		if s.hasOwnHint(pkg) {
			continue // no command fixes it: its own host says what to do
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

// unchanged are the packages that hosts are linked to which are as their own journals say, each once.
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
	if missing := missing(pkg, hosts, repositories); len(missing) > 0 {
		s.Hint = notInstalled(pkg, missing)
		return
	}
	s.Next = append(s.Next, advice)
}
