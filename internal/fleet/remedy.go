package fleet

import (
	"fmt"
	"slices"
	"strings"

	"github.com/keep-it-simple/kis/remote"
)

// Forward is the command that makes all hosts of a stage alike with a package, and Back the one that goes back to another.
func Forward(stage, pkg string) string {
	return fmt.Sprintf("kis link %s %s    # forward, everywhere", stage, pkg)
}

// Back is described at Forward.
func Back(stage, pkg string) string {
	return fmt.Sprintf("kis rollback %s --to %s    # back, everywhere", stage, pkg)
}

// Again is the command that runs the after-link commands again for what is linked.
func Again(stage, pkg string) string {
	return fmt.Sprintf("kis link %s %s    # runs after_link again", stage, pkg)
}

// On narrows one of those commands to hosts.
func On(command string, hosts []string) string {
	command, comment, _ := strings.Cut(command, "    #")
	where := "on " + strings.Join(hosts, ", ")
	if len(hosts) > 4 {
		where = fmt.Sprintf("on %d hosts", len(hosts))
	}
	return fmt.Sprintf("%s%s    #%s", command, only(hosts), strings.Replace(comment, "everywhere", where, 1))
}

// only is the flag that narrows a command to hosts. There is nothing in their names that a shell would read.
func only(hosts []string) string { return " --hosts " + strings.Join(hosts, ",") }

// remedies are the commands that make the stage what a person wants it to be: they name packages that are there.
func (l StageLook) remedies(looks map[string]Look) []string {
	switch l.Verdict {
	case Torn, Unconfirmed, Subset, Apart:
		return l.alike(looks)
	case Busy:
		return []string{fmt.Sprintf("kis status %s    # again, when that run has ended", l.Stage)}
	case Unwell:
		return []string{Again(l.Stage, l.Hosts[0].Linked)}
	case Drift:
		return l.asLeft(looks)
	case Unreachable:
		return l.without(looks)
	}
	return nil
}

// without says what can be done while hosts cannot be asked: ask again when those that are away are back, and, where the others need it, put
// those right. What is to be done about a host that has answered is said by its own hint.
func (l StageLook) without(looks map[string]Look) []string {
	rest := StageLook{Stage: l.Stage}
	var next, away, leaveOut []string
	for _, h := range l.Hosts {
		if h.Known {
			rest.Hosts = append(rest.Hosts, h)
			continue
		}
		leaveOut = append(leaveOut, "!"+h.Host)
		if !h.Failure.answered {
			away = append(away, h.Host)
		}
	}
	if len(away) > 0 {
		next = append(next, l.again(away))
	}
	if rest.Verdict = verdict(rest.Hosts); rest.Verdict == Busy {
		return next
	}
	if others := rest.remedies(looks); len(others) > 0 {
		command, comment, _ := strings.Cut(others[0], "    #")
		comment = strings.TrimSpace(strings.Replace(comment, ", everywhere", "", 1) + ", on the others")
		if strings.Contains(command, " --hosts ") {
			return append(next, command) // it names hosts that are there
		}
		next = append(next, fmt.Sprintf("%s --hosts '%s'    # %s", command, strings.Join(leaveOut, ","), strings.TrimPrefix(comment, ", ")))
	}
	return next
}

// again asks once more when hosts that are away are back.
func (l StageLook) again(away []string) string {
	who, verb := strings.Join(away, ", "), "is"
	if len(away) > 1 {
		verb = "are"
	}
	if len(away) > 4 {
		who = fmt.Sprintf("%d hosts", len(away))
	}
	return fmt.Sprintf("kis status %s    # again, when %s %s back", l.Stage, who, verb)
}

// alike makes the hosts the same: with what the last run wanted, or with what was before it.
func (l StageLook) alike(looks map[string]Look) []string {
	to, from := l.wanted(Runs(l.Stage, looks))
	var next []string
	switch {
	case to == "":
	case l.everywhere(to, looks):
		next = append(next, Forward(l.Stage, to))
	default:
		next = append(next, fmt.Sprintf("kis push %s    # forward: %s is not installed on every host", l.Stage, to))
	}
	if from != "" && from != to && l.everywhere(from, looks) {
		next = append(next, Back(l.Stage, from))
	}
	return next
}

// wanted is what the newest run on any host wanted to link, and what was linked there before.
func (l StageLook) wanted(runs []string) (to, from string) {
	var newest Standing
	for _, h := range l.Hosts {
		if e := h.Interrupted; e != nil && (newest.Interrupted == nil || slices.Index(runs, e.Run) > slices.Index(runs, newest.Interrupted.Run)) {
			newest = h
		}
	}
	if e := newest.Interrupted; e != nil {
		return e.To, e.From
	}
	for _, h := range l.Hosts {
		if h.Linked != "" && slices.Index(runs, h.Run) >= slices.Index(runs, newest.Run) {
			newest = h
		}
	}
	for _, h := range l.Hosts {
		if h.Linked != "" && h.Linked != newest.Linked {
			from = h.Linked
		}
	}
	return newest.Linked, from
}

// everywhere reports whether a package is sealed on all hosts of the stage.
func (l StageLook) everywhere(pkg string, looks map[string]Look) bool {
	return installed(pkg, l.Hosts, looks)
}

func installed(pkg string, hosts []Standing, looks map[string]Look) bool {
	for _, h := range hosts {
		if !slices.ContainsFunc(looks[h.Host].State.Packages, func(p remote.InstalledPackage) bool { return p.Name.String() == pkg && p.State == remote.Sealed }) {
			return false
		}
	}
	return true
}

// touched reports whether a host is linked to the package, and has trouble of its own with it.
func (l StageLook) touched(pkg string) bool {
	return slices.ContainsFunc(l.Hosts, func(h Standing) bool { return h.Linked == pkg && h.Hint != "" })
}

// asLeft puts right what other hands did to a link that kis has made, without a change to hosts that are as their own journals say. Where the
// drift is of another kind, its host's own hint says what to do.
func (l StageLook) asLeft(looks map[string]Look) []string {
	var next, wanted []string
	wanting := map[string][]Standing{}
	settled := l.settled()
	for _, h := range l.Hosts {
		if h.Drift == "" || h.Hint != "" {
			continue
		}
		pkg := h.left
		if pkg == "" || len(settled) == 1 && settled[0] == h.Linked { // its journal has lost what the others' know
			pkg = h.Linked
		}
		if l.touched(pkg) {
			continue // no command puts it right: its own host says what to do
		}
		if wanting[pkg] == nil {
			wanted = append(wanted, pkg)
		}
		wanting[pkg] = append(wanting[pkg], h)
	}
	for _, pkg := range wanted {
		alone := len(wanted) > 1 || slices.ContainsFunc(settled, func(other string) bool { return other != pkg })
		if command := l.relink(pkg, wanting[pkg], alone, looks); !slices.Contains(next, command) {
			next = append(next, command)
		}
	}
	return next
}

// settled are the packages that hosts are linked to which are as their own journals say, each once.
func (l StageLook) settled() []string {
	var found []string
	for _, h := range l.Hosts {
		if h.Drift == "" && h.Linked != "" && !slices.Contains(found, h.Linked) {
			found = append(found, h.Linked)
		}
	}
	return found
}

// relink links a package on all hosts of the stage, or on the named ones alone.
func (l StageLook) relink(pkg string, hosts []Standing, alone bool, looks map[string]Look) string {
	narrowed := ""
	if alone {
		var names []string
		for _, h := range hosts {
			names = append(names, h.Host)
		}
		narrowed = only(names)
	} else {
		hosts = l.Hosts
	}
	if !installed(pkg, hosts, looks) {
		return fmt.Sprintf("kis push %s%s", l.Stage, narrowed)
	}
	return fmt.Sprintf("kis link %s %s%s", l.Stage, pkg, narrowed)
}
