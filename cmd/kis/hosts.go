package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/keep-it-simple/kis/internal/event"
	"github.com/keep-it-simple/kis/internal/fleet"
	"github.com/keep-it-simple/kis/internal/safetext"
	"github.com/keep-it-simple/kis/inventory"
	"github.com/keep-it-simple/kis/sshx"
)

func newHosts(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "hosts [pattern]",
		Short: "Show the inventory after expansion, with the ssh settings in force",
		Long: `Hosts shows every host of the inventory, or those that match the pattern, with how it is reached. With -v it shows every ssh setting
and who decided it: the inventory, a file of ssh_config, a default, or kis itself where it does not follow what is said. It connects
to no host.`,
		GroupID: "look",
		Args:    atMost("the pattern"),
		RunE: func(cmd *cobra.Command, args []string) error {
			pattern := a.hosts
			if len(args) > 0 {
				pattern = args[0]
			}
			return a.printHosts(cmd.Context(), pattern)
		},
	}
}

func (a *app) printHosts(ctx context.Context, pattern string) error {
	inv, err := a.load()
	if err != nil {
		return err
	}
	hosts, err := inv.Hosts(pattern)
	if err != nil {
		return err
	}
	resolver := sshx.Resolver{ConfigFile: a.sshConfig, Explain: a.verbose}
	targets := make([]sshx.Target, len(hosts))
	for i, h := range hosts {
		if targets[i], err = resolver.Resolve(ctx, fleet.SSHHost(h, inv.Dir())); err != nil {
			return err
		}
	}
	if a.output == outputJSON {
		for i, h := range hosts {
			a.Out.json(hostJSON(h, targets[i]))
		}
		return nil
	}
	a.printTargets(hosts, targets)
	return nil
}

func (a *app) printTargets(hosts []inventory.Host, targets []sshx.Target) {
	var rows [][]string
	for i, h := range hosts {
		cells := hostCells(h, targets[i])
		if a.verbose {
			a.Out.lines(strings.TrimRight(strings.Join(cells, "  "), " "))
			printSettings(a.Out, targets[i])
			continue
		}
		rows = append(rows, cells)
	}
	a.Out.lines(aligned(rows)...)
}

func hostJSON(h inventory.Host, t sshx.Target) map[string]any {
	jumps := []map[string]any{}
	for _, j := range t.Jump {
		jumps = append(jumps, map[string]any{"host": j.Name, "user": j.User, "address": j.HostName, "port": j.Port, "settings": j.Settings})
	}
	return map[string]any{
		"type": "host", "schema": event.Schema, "host": h.Name, "user": t.User, "address": t.HostName, "port": t.Port, "root": h.Root, "python": h.Python,
		"become": h.Become, "groups": h.Groups, "settings": t.Settings, "jumps": jumps, "warnings": append([]string{}, t.Warnings...),
	}
}

// hostCells are what is shown of a host in one line.
func hostCells(h inventory.Host, t sshx.Target) []string {
	return []string{h.Name, login(t) + jumpText(t), h.Root, h.Python.String() + becomeText(h), groupText(h)}
}

func login(t sshx.Target) string {
	host := t.HostName
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	return fmt.Sprintf("%s@%s:%d", t.User, host, t.Port)
}

// printSettings prints one setting in a line, of the host and then of each jump host on the way, and what is not followed.
func printSettings(w printer, t sshx.Target) {
	for _, warning := range t.Warnings {
		printWrapped(w, "  ", "warning: "+warning)
	}
	for _, s := range t.Settings {
		printSetting(w, s)
	}
	for _, j := range t.Jump {
		w.printf("  jump host %s  %s\n", j.Name, login(j))
		for _, s := range j.Settings {
			printSetting(w, s)
		}
	}
}

// The columns of a setting. The longest keyword has 28 letters, and the whole fits into pageWidth.
const (
	pageWidth    = 100
	keywordWidth = 28
	sourceWidth  = 19
)

// printSetting prints keyword, source and value; lists go on below, under the value.
func printSetting(w printer, s sshx.Setting) {
	name, source := safetext.Line(s.Name), safetext.Line(relativeToHome(s.Source))
	head := fmt.Sprintf("    %-*s  %-*s  ", keywordWidth, name, sourceWidth, source)
	if len([]rune(source)) > sourceWidth { // a long path: the value starts a line of its own
		w.printf("    %s  %s\n", name, source)
		head = strings.Repeat(" ", 4+keywordWidth+2+sourceWidth+2)
	}
	printWrapped(w, head, s.Value)
}

// printWrapped prints a text after head and goes on under its beginning. It breaks after blanks and commas; what has neither is longer
// than the page, or moves to a line of its own.
func printWrapped(w printer, head, text string) {
	text = safetext.Line(text)
	indent := strings.Repeat(" ", len([]rune(head)))
	line, empty := head, true
	for word := range wordsOf(text) {
		if !empty && len([]rune(line+strings.TrimRight(word, " "))) > pageWidth {
			w.lines(strings.TrimRight(line, " "))
			line, empty = indent, true
		}
		if empty && len([]rune(indent+word)) > pageWidth && len([]rune(word)) <= pageWidth-8 {
			w.lines(strings.TrimRight(line, " "))
			line = "        "
		}
		line, empty = line+word, false
	}
	w.lines(strings.TrimRight(line, " "))
}

// wordsOf gives the pieces of a text, each with the blank or comma that ends it.
func wordsOf(text string) func(func(string) bool) {
	return func(yield func(string) bool) {
		for text != "" {
			end := strings.IndexAny(text, " ,") + 1
			if end == 0 {
				end = len(text)
			}
			if !yield(text[:end]) {
				return
			}
			text = text[end:]
		}
	}
}

func jumpText(t sshx.Target) string {
	switch {
	case len(t.Jump) > 0:
		names := make([]string, len(t.Jump))
		for i, j := range t.Jump {
			names[i] = j.Name
		}
		return " through " + strings.Join(names, ", ")
	case len(t.ProxyCommand) > 0:
		return " through ProxyCommand"
	}
	return ""
}

func becomeText(h inventory.Host) string {
	if h.Become.IsZero() {
		return ""
	}
	return " as " + h.Become.String()
}

func groupText(h inventory.Host) string {
	if len(h.Groups) == 0 {
		return ""
	}
	return "@" + strings.Join(h.Groups, " @")
}
