package ui

import (
	"fmt"
	"runtime"
	"strings"
	"unicode/utf8"

	"github.com/keep-it-simple/kis/internal/safetext"
	"github.com/keep-it-simple/kis/inventory"
	"github.com/keep-it-simple/kis/sshx"
)

// Hosts prints hosts of the inventory with the targets that they resolve to.
func (u *UI) Hosts(hosts []inventory.Host, targets []sshx.Target) {
	var rows [][]string
	for i, h := range hosts {
		t := targets[i]
		if u.WantsJSON() {
			u.Out.json(newHostRecord(h, t))
			continue
		}
		row := []string{h.Name, login(t) + jumpText(t), h.Root, h.Python.String() + becomeText(h), groupText(h)}
		if u.Verbose {
			u.Out.Lines(strings.TrimRight(strings.Join(row, "  "), " "))
			printSettings(u.Out, t)
			continue
		}
		rows = append(rows, row)
	}
	u.table(rows)
}

func login(t sshx.Target) string {
	host := t.HostName
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	return fmt.Sprintf("%s@%s:%d", t.User, host, t.Port)
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

// The columns of a setting. The longest keyword has 28 letters, and all fit into settingsWidth.
const (
	settingsWidth = 100
	keywordWidth  = 28
	sourceWidth   = 19
)

// printSettings prints warnings, then the settings of the host and of each jump host, one a line.
func printSettings(w Printer, t sshx.Target) {
	for _, warning := range t.Warnings {
		w.Lines(wrap("  ", "warning: "+warning, settingsWidth)...)
	}
	for _, s := range t.Settings {
		printSetting(w, s)
	}
	for _, j := range t.Jump {
		w.Printf("  jump host %s  %s\n", j.Name, login(j))
		for _, s := range j.Settings {
			printSetting(w, s)
		}
	}
}

// printSetting prints keyword, source and value; a long value continues below itself.
func printSetting(w Printer, s sshx.Setting) {
	source := safetext.Line(HomePath(s.Source))
	if utf8.RuneCountInString(source) > sourceWidth { // the value begins a line of its own
		w.Printf("    %s  %s\n", s.Name, source)
		w.Lines(wrap(strings.Repeat(" ", 4+keywordWidth+2+sourceWidth+2), s.Value, settingsWidth)...)
		return
	}
	head := fmt.Sprintf("    %-*s  %-*s  ", keywordWidth, safetext.Line(s.Name), sourceWidth, source)
	w.Lines(wrap(head, s.Value, settingsWidth)...)
}

// Version prints the version of kis, of its protocol with the agent, and of Go.
func (u *UI) Version(version string, protocol int) {
	if u.WantsJSON() {
		u.Out.json(versionRecord{newHead("version"), version, protocol, runtime.Version()})
		return
	}
	u.Out.Printf("kis %s (protocol %d, %s, %s/%s)\n", version, protocol, runtime.Version(), runtime.GOOS, runtime.GOARCH)
}
