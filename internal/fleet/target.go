package fleet

import (
	"fmt"
	"slices"
	"strings"

	"github.com/keep-it-simple/kis/internal/name"
	"github.com/keep-it-simple/kis/remote"
)

// chooseTarget finds out what is to be linked, where the plan does not say: a roll-back goes to the package that the stage linked before,
// by the journals, and only where all hosts agree. Then every host must have it.
func (r *run) chooseTarget() bool {
	if r.plan.Op == Push || r.plan.Op == Check {
		return true
	}
	if r.pkg.IsZero() {
		if err := r.agreeOnPrevious(); err != nil {
			for _, m := range r.members {
				m.fail(StepCheck, err)
			}
			return false
		}
	}
	for _, m := range r.members {
		if err := m.has(r.pkg); err != nil {
			m.fail(StepCheck, err)
			continue
		}
		m.plan = m.planned("verify", "")
	}
	return len(r.failures()) == 0
}

func (r *run) agreeOnPrevious() error {
	chosen := map[name.Package][]string{}
	for _, m := range r.members {
		back := m.goesBackTo()
		chosen[back] = append(chosen[back], m.host.Name)
	}
	if len(chosen) > 1 {
		var parts []string
		for p, hosts := range chosen {
			parts = append(parts, fmt.Sprintf("%s on %s", orNone(p.String()), strings.Join(hosts, ", ")))
		}
		slices.Sort(parts)
		return refuse("no-target", "the hosts linked different packages before: "+strings.Join(parts, "; "),
			fmt.Sprintf("say which: kis rollback %s --to PACKAGE", r.stage))
	}
	for p := range chosen {
		r.pkg = p
	}
	if !r.pkg.IsZero() {
		return nil
	}
	why := fmt.Sprintf("the journal of %s tells of no other package", r.stage)
	if slices.ContainsFunc(r.members, (*member).hasLinkedAnother) {
		why = fmt.Sprintf("what %s was linked to before was rolled back from, or never confirmed", r.stage)
	}
	return refuse("no-target", fmt.Sprintf("%v: %s", errNoTarget, why),
		fmt.Sprintf("see what there is: kis list %s\nthen say which: kis rollback %s --to PACKAGE", r.stage, r.stage))
}

// hasLinkedAnother reports whether the journal of this host tells of a package that the stage was linked to and is not linked to now.
func (m *member) hasLinkedAnother() bool {
	linked := m.facts.Stage.Linked
	for _, e := range remote.ParseJournal(m.facts.Stage.Lines).Entries {
		switched := e.Event != "armed" && e.Event != "aborted"
		if switched && e.To != linked || e.From != "" && e.From != linked {
			return true
		}
	}
	return false
}

// goesBackTo is where the roll-back leads on this host: what a roll-back that did not come to its end has linked, so that the same command
// finishes it, and otherwise what was confirmed before.
func (m *member) goesBackTo() name.Package {
	journal := remote.ParseJournal(m.facts.Stage.Lines)
	if open, some := journal.Open(); some && open.Op == string(Rollback) && open.To == m.facts.Stage.Linked {
		if p, err := name.ParsePackage(open.To); err == nil {
			return p
		}
	}
	return journal.Previous(m.facts.Stage.Linked)
}

// has refuses when the package is not installed on this host.
func (m *member) has(p name.Package) error {
	for _, there := range m.facts.Packages {
		if there.Name == p && there.State == remote.Sealed {
			return nil
		}
	}
	hint := "see what there is: kis list " + m.run.stage.String()
	if common := m.run.common(); len(common) > 0 {
		hint = "installed on all hosts: " + strings.Join(common, ", ")
	}
	return refuse("no-package", fmt.Sprintf("%s is not installed", p), hint)
}

// common lists the packages that all hosts have, sorted by name.
func (r *run) common() []string {
	count := map[string]int{}
	for _, m := range r.members {
		for _, there := range m.facts.Packages {
			if there.State == remote.Sealed {
				count[there.Name.String()]++
			}
		}
	}
	var names []string
	for name, n := range count {
		if n == len(r.members) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}
