// Package starter writes the first inventory of a project, from what the project says of itself and
// what its hosts run.
package starter

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/keep-it-simple/kis/internal/safetext"
	"github.com/keep-it-simple/kis/inventory"
)

// Stage is a stage of the new inventory.
type Stage struct {
	Name  string   `json:"name"`
	Hosts []string `json:"hosts"`
	Units []Unit   `json:"units"` // systemd units of the application that were found on its hosts
	Notes []string `json:"notes"` // about hosts that could not be asked
}

// Unit is a systemd unit that runs the application.
type Unit struct {
	Name      string `json:"name"`
	User      bool   `json:"user"`      // of the deploying user's manager
	Exec      string `json:"exec"`      // its command line
	Directory string `json:"directory"` // in which it runs
}

// Own are the units that are on all hosts of a stage and run this application: they name its repository, or are named like
// it. Those of other stages, which say so in their names or paths, are none of them.
func Own(hosts [][]Unit, p Project, root, stage string, others []string) []Unit {
	if len(hosts) == 0 {
		return nil
	}
	var own []Unit
	for _, u := range hosts[0] {
		everywhere := !slices.ContainsFunc(hosts, func(units []Unit) bool {
			return !slices.ContainsFunc(units, func(other Unit) bool { return other.Name == u.Name && other.User == u.User })
		})
		if everywhere && runs(u, p, root) && !slices.ContainsFunc(others, u.isOf) {
			own = append(own, u)
		}
	}
	if named := slices.DeleteFunc(slices.Clone(own), func(u Unit) bool { return !u.isOf(stage) }); len(named) > 0 {
		return named
	}
	return own
}

// isOf reports whether a unit names a stage, as a word.
func (u Unit) isOf(stage string) bool {
	word := regexp.MustCompile(`(^|[^a-zA-Z0-9])` + regexp.QuoteMeta(stage) + `([^a-zA-Z0-9]|$)`)
	return word.MatchString(u.Name) || word.MatchString(u.Directory) || word.MatchString(u.Exec)
}

// runs reports whether a unit runs the application.
func runs(u Unit, p Project, root string) bool {
	stem := strings.TrimSuffix(u.Name, ".service")
	named := stem == p.Name || strings.HasPrefix(stem, p.Name+"-") || module(stem) == module(p.Name)
	return named || below(u.Directory, root) || strings.Contains(u.Exec, root+"/")
}

func below(path, directory string) bool {
	return path == directory || strings.HasPrefix(path, directory+"/")
}

// Options are what the inventory is made of.
type Options struct {
	Project Project
	Stages  []Stage
	Root    string // on the hosts; "" for one of the project's name
	User    string // to log in as; "" for what ssh_config says
}

// Root is the package repository of a project that has not chosen one: one for each application.
func Root(p Project) string { return "/var/webcode/" + p.Name }

// Text is an inventory with comments. It is one that kis reads, or an error that says why it is not.
func Text(o Options) (string, error) {
	if o.Root == "" {
		o.Root = Root(o.Project)
	}
	w := &writer{}
	w.head(o)
	w.install(o.Project)
	w.release(o.Project)
	w.line("stages:")
	for i, s := range o.Stages {
		w.stage(o, s, i)
	}
	text := w.b.String()
	if _, err := inventory.Parse("the new inventory", []byte(text), func(string) error { return nil }); err != nil {
		return "", err
	}
	return text, nil
}

// schemaURL is where editors find the keys of an inventory, with explanations.
const schemaURL = "https://raw.githubusercontent.com/keep-it-simple/kis/main/docs/inventory.schema.json"

// writer writes YAML.
type writer struct{ b strings.Builder }

func (w *writer) line(format string, values ...any) {
	w.b.WriteString(strings.TrimRight(fmt.Sprintf(format, values...), " ") + "\n")
}

func (w *writer) head(o Options) {
	w.line("# yaml-language-server: $schema=%s", schemaURL)
	w.line("# The inventory of %s, for kis. Every key: inventory.example.yaml and docs/inventory.md of kis.", o.Project.Name)
	w.line("# A setting behind a bare # is a suggestion; remove the # to use it.")
	w.line("")
	w.line("# The directory of the packages and of the stages' links on every host: one for each application.")
	w.line("root: %s", o.Root)
	w.line("# The user to log in as; without it what ~/.ssh/config says.")
	if o.User != "" {
		w.line("ssh: {user: %s}", quoted(o.User))
	} else {
		w.line("#ssh: {user: deploy}")
	}
	w.line("")
}

func (w *writer) install(p Project) {
	if p.Requirements != "" {
		w.line("# Installed before the application; hosts get exactly these wheels.")
		w.line("install: {requirements: %s}", quoted(p.Requirements))
	} else {
		w.line("# Requirements with pinned versions make every push install the same.")
		w.line("#install: {requirements: requirements.txt}")
	}
	w.line("")
}

func (w *writer) release(p Project) {
	w.line("# What all packages have in common, in the directory shared of the root: it survives every push.")
	var parts []string
	if len(p.SharedDirs) > 0 {
		parts = append(parts, "dirs: "+list(p.SharedDirs))
	}
	if len(p.SharedFiles) > 0 {
		parts = append(parts, "files: "+list(p.SharedFiles))
	}
	if len(parts) > 0 {
		w.line("shared: {%s}", strings.Join(parts, ", "))
	} else {
		w.line("#shared: {dirs: [media], files: [.env]}")
	}
	for _, note := range p.Notes {
		w.line("# %s", safetext.Line(note))
	}
	w.line("")
	w.line("# Commands that complete a package while it is built. A package serves every stage.")
	w.commands("", "prepare", p.Prepare, "pybabel compile -d locale")
	w.line("")
}

// commands writes a list of commands, or one as a suggestion.
func (w *writer) commands(indent, key string, commands []string, suggestion string) {
	if len(commands) == 0 {
		w.line("%s#%s: [%s]", indent, key, quoted(suggestion))
		return
	}
	w.line("%s%s:", indent, key)
	for _, c := range commands {
		w.line("%s  - %s", indent, quoted(c))
	}
}

func (w *writer) stage(o Options, s Stage, number int) {
	p := o.Project
	w.line("  %s:", quoted(s.Name))
	w.line("    hosts: %s", list(s.Hosts))
	if number > 0 {
		w.line("    # Link only what that stage has verified: kis promote %s %s", o.Stages[number-1].Name, s.Name)
		w.line("    #from: %s", o.Stages[number-1].Name)
	}
	w.line("    # In every push, before any link is switched; KIS_STAGE is set.")
	w.commands("    ", "verify", p.Verify, "python -c 'import "+module(p.Name)+"'")
	w.line("    # When every host is ready, still before the switch; once: on one host.")
	if len(p.BeforeLink) == 0 {
		w.line("    #before_link: [{run: %s, once: true}]", quoted("alembic upgrade head"))
	} else {
		w.line("    before_link:")
		for _, c := range p.BeforeLink {
			w.line("      - {run: %s, once: true}", quoted(c))
		}
	}
	w.services(p, s.Units)
	w.line("    # How many hosts restart at a time.")
	w.line("    #rollout: {batch: 1}")
}

// services writes the units that were found, and asks their address for health.
func (w *writer) services(p Project, units []Unit) {
	w.line("    # systemd units that are restarted after the switch.")
	if len(units) == 0 {
		w.line("    #services: [%s.service]", p.Name)
	} else {
		w.line("    services:")
		for _, u := range units {
			if u.User {
				w.line("      - {unit: %s, user: true}", u.Name)
			} else {
				w.line("      - %s", u.Name)
			}
		}
	}
	w.line("    # Asked on the host itself; a failure rolls every link back.")
	for _, u := range units {
		switch url, unix := address(u.Exec); {
		case unix != "":
			w.line("    health: {url: %s, unix: %s}", quoted(url), quoted(unix))
			return
		case url != "":
			w.line("    health: {url: %s}", quoted(url))
			return
		}
	}
	w.line("    #health: {url: %s}", quoted("http://127.0.0.1:8000/"))
}

// list is a flow sequence of YAML.
func list(items []string) string {
	var all []string
	for _, item := range items {
		all = append(all, quoted(item))
	}
	return "[" + strings.Join(all, ", ") + "]"
}

// plainText is text that YAML reads as such without quotes.
var plainText = regexp.MustCompile(`^[A-Za-z.][A-Za-z0-9_./-]*(?: [A-Za-z0-9_./-]+)*$`)

// quoted is a text as YAML, plain where that is certain to stay text.
func quoted(text string) string {
	if plainText.MatchString(text) && !slices.Contains([]string{"true", "false", "null", "yes", "no", "on", "off"}, strings.ToLower(text)) {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", "''") + "'"
}

// module is the name by which a distribution is probably imported.
func module(name string) string {
	return strings.ReplaceAll(strings.ReplaceAll(name, "-", "_"), ".", "_")
}
