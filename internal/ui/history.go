package ui

import (
	"maps"
	"slices"
	"strings"

	"github.com/keep-it-simple/kis/internal/event"
	"github.com/keep-it-simple/kis/internal/survey"
)

// Runs prints the runs of a stage; answered are those of the hosts that could be queried.
func (u *UI) Runs(runs []*survey.Run, hosts, answered []string) {
	var rows [][]string
	for _, r := range runs {
		switch {
		case u.WantsJSON():
			u.record("run", r)
		case u.Verbose:
			u.printRun(r, len(hosts))
		default:
			rows = append(rows, []string{r.At.Local().Format(timeFormat), r.Op, changeText(r), r.By, resultText(r, len(hosts))})
		}
	}
	u.table(rows)
	if len(runs) == 0 {
		u.nothing("nothing was ever linked", hosts, answered)
	}
}

// changeText is what was linked before and after; "various" where hosts differed before.
func changeText(r *survey.Run) string {
	from := event.LinkText(r.From)
	if r.Mixed {
		from = "various"
	}
	return from + " → " + event.LinkText(r.To)
}

// printRun prints everything that the journals record about a run.
func (u *UI) printRun(r *survey.Run, hosts int) {
	u.Out.Printf("%s  %s  %s  %s\n", r.At.Local().Format(timeFormat), r.Op, changeText(r), resultText(r, hosts))
	for _, line := range [][2]string{
		{"by", r.By},
		{"from", r.Address},
		{"key", r.Key},
		{"content", r.Content},
		{"scope", r.Scope},
		{"hosts", strings.Join(r.Hosts, ", ")},
		{"run", r.Run},
	} {
		if line[1] != "" {
			u.Out.Printf("    %-8s %s\n", line[0], line[1])
		}
	}
	for _, note := range slices.Sorted(maps.Keys(r.Notes)) {
		u.Out.Printf("    %-8s %s: %s\n", "note", list(r.Notes[note], 4), note)
	}
	if r.Skew > 0 {
		u.Out.Printf("    %-8s %.1f ms\n", "skew", r.Skew*1000)
	}
}

func resultText(r *survey.Run, hosts int) string {
	var parts []string
	for _, ending := range r.Endings() {
		if len(ending.Hosts) < hosts {
			ending.Event += " on " + list(ending.Hosts, 4)
		}
		parts = append(parts, ending.Event)
	}
	if r.Git != "" {
		parts = append(parts, "git "+r.Git)
	}
	return strings.Join(parts, "; ")
}
