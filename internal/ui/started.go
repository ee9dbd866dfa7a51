package ui

import (
	"path/filepath"
	"strings"

	"github.com/keep-it-simple/kis/internal/safetext"
	"github.com/keep-it-simple/kis/internal/starter"
)

// Started prints what a new inventory was made of, and the next command.
func (u *UI) Started(p starter.Project, path string, stages []starter.Stage) {
	if u.WantsJSON() {
		u.record("init", newInventory{path, p, stages})
		return
	}
	what := p.Backend
	if p.Framework != "" {
		what = p.Framework + ", " + p.Backend
	}
	u.Out.Printf("%s: %s\n", p.Name, what)
	for _, s := range stages {
		var units []string
		for _, unit := range s.Units {
			units = append(units, unit.Name)
		}
		services := "no systemd service of it found"
		if len(units) > 0 {
			services = "services: " + strings.Join(units, ", ")
		}
		u.Out.Printf("  %s on %s; %s\n", s.Name, list(s.Hosts, 4), services)
		for _, note := range s.Notes {
			u.Out.Printf("  %s\n", note)
		}
	}
	for _, note := range p.Notes {
		u.Out.Printf("  %s\n", note)
	}
	next := "kis check " + stages[0].Name
	if filepath.Base(path) != "inventory.yaml" && filepath.Base(path) != "inventory.yml" {
		next += " -i " + safetext.Word(path)
	}
	u.Out.Printf("wrote %s; read it, then:\n  next: %s\n", path, next)
}
