package ui

import (
	"strings"

	"github.com/keep-it-simple/kis/internal/survey"
)

// Packages prints packages; answered are those of the hosts that could be queried.
func (u *UI) Packages(packages []*survey.Package, hosts, answered []string) {
	var rows [][]string
	for _, p := range packages {
		if u.WantsJSON() {
			u.record("package", p)
			continue
		}
		created, bytes, revision := "incomplete", "", ""
		if len(p.Unsealed) == 0 {
			created = "no package"
		}
		if !p.Created.IsZero() {
			created, bytes, revision = p.Created.Local().Format(timeFormat), size(p.Size), p.Git
		}
		rows = append(rows, []string{p.Package, created, bytes, string(p.History), revision, strings.Join(packageNotes(p), "; ")})
	}
	u.table(rows)
	if len(packages) == 0 {
		u.nothing("no packages", hosts, answered)
	}
}

func packageNotes(p *survey.Package) []string {
	var notes []string
	for _, n := range []struct {
		before string
		names  []string
		after  string
	}{
		{"linked by ", p.LinkedBy, ""},
		{"missing on ", p.Missing, ""},
		{"incomplete on ", p.Unsealed, ": removed by the next run there"},
		{"no package on ", p.Foreign, ": kis leaves it alone"},
		{"no stage keeps it on ", p.Unneeded, ""},
		{"changed outside kis on ", p.Changed, ""},
	} {
		if len(n.names) > 0 {
			notes = append(notes, n.before+list(n.names, 4)+n.after)
		}
	}
	return notes
}

// nothing prints that there is nothing of a kind, about those hosts only that answered.
func (u *UI) nothing(sentence string, hosts, answered []string) {
	switch {
	case u.WantsJSON() || len(answered) == 0:
	case len(answered) == len(hosts):
		u.Out.Lines(sentence)
	default:
		u.Out.Printf("%s on %s\n", sentence, list(answered, 4))
	}
}
