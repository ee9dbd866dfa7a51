package deploy

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/keep-it-simple/kis/internal/event"
	"github.com/keep-it-simple/kis/internal/name"
	"github.com/keep-it-simple/kis/internal/survey"
	"github.com/keep-it-simple/kis/remote"
)

// chooseTarget determines the target where the plan names none: a rollback goes to the previous
// package by the journals, if all hosts agree on it. Then every host must have it.
func (r *run) chooseTarget() bool {
	if r.builds() || r.plan.Op == event.Restart {
		return true
	}
	if r.pkg.IsZero() {
		agree := r.agreeOnPrevious
		if r.plan.Op == event.Sync {
			agree = r.agreeOnLinked
		}
		if err := agree(); err != nil {
			for _, h := range r.hosts {
				h.log.Fail(event.StepCheck, err)
			}
			return false
		}
	}
	lacking, having := r.lacking(r.pkg), r.having(r.pkg)
	for _, h := range r.hosts {
		lacks, err := slices.Contains(lacking, h.Name), error(nil)
		if lacks && len(having) == 0 {
			err = event.Refuse(remote.CodeNoPackage, fmt.Sprintf("%s is not installed", r.pkg), r.howToInstall(r.pkg, lacking))
		}
		if err == nil && !r.plan.Target.IsZero() { // the previous package may be of the project that was replaced
			err = h.sameProject()
		}
		if err != nil {
			h.log.Fail(event.StepCheck, err)
			continue
		}
		if h.steps = "verify"; lacks {
			h.steps = "copy from " + having[0] + ", build, verify"
		}
	}
	return len(r.failures()) == 0
}

func (r *run) agreeOnPrevious() error {
	chosen := map[name.Package][]string{}
	for _, h := range r.hosts {
		previous := h.rollbackTarget()
		chosen[previous] = append(chosen[previous], h.Name)
	}
	// A host that has joined the stage since then has no previous package, and goes where the others go.
	if len(chosen) == 2 && !slices.ContainsFunc(r.hosts, func(h *host) bool { return h.rollbackTarget().IsZero() && h.hasLinkedAnother() }) {
		delete(chosen, name.Package{})
	}
	if len(chosen) > 1 {
		return event.Refuse(event.CodeNoTarget, "the hosts linked different packages before: "+onWhich(chosen),
			fmt.Sprintf("name one: kis rollback %s --to PACKAGE", r.stage))
	}
	for p := range chosen {
		r.pkg = p
	}
	if !r.pkg.IsZero() {
		return nil
	}
	why := fmt.Sprintf("the journal of %s names no other package", r.stage)
	if slices.ContainsFunc(r.hosts, (*host).hasLinkedAnother) {
		why = fmt.Sprintf("every earlier package of %s was rolled back, or was never confirmed", r.stage)
	}
	return event.Refuse(event.CodeNoTarget, fmt.Sprintf("%v: %s", errNoTarget, why),
		fmt.Sprintf("list the packages: kis list %s\nthen name one: kis rollback %s --to PACKAGE", r.stage, r.stage))
}

// onWhich names packages, each with its hosts.
func onWhich[P comparable](hosts map[P][]string) string {
	var parts []string
	for p, names := range hosts {
		parts = append(parts, fmt.Sprintf("%s on %s", event.LinkText(fmt.Sprint(p)), strings.Join(names, ", ")))
	}
	slices.Sort(parts)
	return strings.Join(parts, "; ")
}

// hasLinkedAnother reports whether the stage ever linked another package on this host, by its
// journal.
func (h *host) hasLinkedAnother() bool {
	linked := h.facts.Stage.Linked
	for _, e := range h.journal.Entries {
		switched := e.Event != remote.EventArmed && e.Event != remote.EventAborted
		if switched && e.To != linked || e.From != "" && e.From != linked {
			return true
		}
	}
	return false
}

// rollbackTarget is what a rollback links on this host: the target of an interrupted rollback, so
// that the same command completes it; otherwise the previous package that was confirmed.
func (h *host) rollbackTarget() name.Package {
	journal := h.journal
	if open, some := journal.Open(); some && open.Op == string(event.Rollback) && open.To == h.facts.Stage.Linked {
		if p, err := name.ParsePackage(open.To); err == nil {
			return p
		}
	}
	return journal.Previous(h.facts.Stage.Linked)
}

// sameProject refuses to replace a package of another project, unless the user named that project: two
// applications that share a package repository would take each other's stages.
func (h *host) sameProject() error {
	linked, err := name.ParsePackage(h.facts.Stage.Linked)
	r := h.run
	if err != nil || linked.Project() == r.pkg.Project() || linked.Project() == r.plan.Replaces {
		return nil
	}
	message := fmt.Sprintf("%s is linked to %s, a package of another project than %s", r.stage, linked, r.pkg)
	above := h.Root
	if path.Base(above) == linked.Project().String() { // the other application's own
		above = path.Dir(above)
	}
	hint := fmt.Sprintf("give each application a root: of its own in the inventory, such as %s\nif %s replaces %s: add --replaces %s to the command",
		path.Join(above, r.pkg.Project().String()), r.pkg.Project(), linked.Project(), linked.Project())
	return event.Refuse(event.CodeOtherProject, message, hint)
}

// lacking are the hosts on which a package is not installed.
func (r *run) lacking(p name.Package) []string {
	return namesOf(r.hosts, func(h *host) bool { return h.sealed(p) == nil })
}

// having are the hosts on which a package is installed, also those of the stage that is promoted.
func (r *run) having(p name.Package) []string {
	return namesOf(r.everyHost(), func(h *host) bool { return h.sealed(p) != nil })
}

// sealed is the receipt of a package on this host, nil where it is not installed.
func (h *host) sealed(p name.Package) *remote.Receipt {
	for _, there := range h.facts.Packages {
		if there.Name == p && there.State == remote.Sealed {
			return there.Receipt
		}
	}
	return nil
}

// howToInstall names the command that brings a package to the hosts that lack it, where another host
// knows the revision that it was built from; or else the packages that could be linked instead.
func (r *run) howToInstall(p name.Package, lacking []string) string {
	for _, h := range r.hosts {
		if there := h.sealed(p); there != nil {
			return survey.Install(r.stage.String(), p, there.Git, lacking)
		}
	}
	if common := r.common(); len(common) > 0 {
		return "installed on all hosts: " + strings.Join(common, ", ")
	}
	return "list the packages: kis list " + r.stage.String()
}

// common lists the packages that all hosts have, sorted by name.
func (r *run) common() []string {
	count := map[string]int{}
	for _, h := range r.hosts {
		for _, there := range h.facts.Packages {
			if there.State == remote.Sealed {
				count[there.Name.String()]++
			}
		}
	}
	var names []string
	for name, n := range count {
		if n == len(r.hosts) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// errNoTarget is wrapped by refusals to choose the target of a rollback.
var errNoTarget = errors.New("nothing to roll back to")
