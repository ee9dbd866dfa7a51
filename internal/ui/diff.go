package ui

import (
	"fmt"
	"strings"

	"github.com/keep-it-simple/kis/internal/event"
)

// maxFiles is how many changed files are shown, unless all output is wanted.
const maxFiles = 40

// Difference prints what two packages differ in.
func (u *UI) Difference(d event.Difference) {
	if u.WantsJSON() {
		u.record("diff", d)
		return
	}
	paint := u.painter()
	u.Out.Printf("%s → %s\n", paint.strong(sideText(d.From)), paint.strong(sideText(d.To)))
	switch {
	case d.From.Package == "":
		u.Out.Lines("nothing is linked yet")
		return
	case d.Same() && d.From.Package == d.To.Package:
		u.Out.Lines("no difference")
		return
	case d.Same():
		u.Out.Lines("no difference but the version")
		return
	}
	u.commits(d)
	u.files(d, paint)
	if len(d.Distributions) > 0 {
		u.Out.Printf("%s:\n", counted(len(d.Distributions), "distribution"))
		var rows [][]string
		for _, one := range d.Distributions {
			rows = append(rows, []string{"  " + one.Name, orNone(one.From), "→ " + orNone(one.To)})
		}
		u.table(rows)
	}
	if len(d.Settings) > 0 {
		u.Out.Printf("settings that differ: %s\n", strings.Join(d.Settings, ", "))
	}
	if d.Refused() {
		u.Out.Lines("a push is refused: the version is the same. Bump it, or push with --dev")
	}
}

func (u *UI) commits(d event.Difference) {
	if len(d.Commits) > 0 {
		u.Out.Printf("%s:\n", counted(len(d.Commits), "commit"))
		for _, one := range d.Commits {
			u.Out.Printf("  %s\n", one)
		}
	}
	for _, side := range []event.Side{d.From, d.To} {
		if commit, changed := strings.CutSuffix(side.Git, "+"); changed {
			u.Out.Printf("%s has changes that are not in commit %s\n", side.Package, commit)
		}
	}
}

func (u *UI) files(d event.Difference, paint painter) {
	if d.Files == nil {
		u.Out.Lines("files: unknown, because the host does not know them any more")
		return
	}
	if len(d.Files) == 0 {
		return
	}
	u.Out.Printf("%s:\n", counted(len(d.Files), "file"))
	for i, f := range d.Files {
		if i == maxFiles && !u.Verbose {
			u.Out.Printf("  and %d more: -v\n", len(d.Files)-maxFiles)
			break
		}
		mark := map[string]colored{"added": paint.good("A"), "changed": paint.warn("M"), "removed": paint.bad("D")}[f.Change]
		u.Out.Printf("  %s %s\n", mark, f.Path)
	}
}

func sideText(s event.Side) string {
	text := event.LinkText(s.Package)
	switch {
	case s.Stage != "":
		return fmt.Sprintf("%s (%s)", text, s.Stage)
	case s.Host == "":
		return text + " (this project)"
	}
	return text
}

func orNone(version string) string {
	if version == "" {
		return "none"
	}
	return version
}

func counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
