package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/keep-it-simple/kis/internal/event"
	"github.com/keep-it-simple/kis/internal/survey"
	"github.com/keep-it-simple/kis/remote"
)

func newLog(a *app) *cobra.Command {
	most := 20
	cmd := &cobra.Command{
		Use:   "log <stage>",
		Short: "Show who linked what, when, and how it ended",
		Long: `Log reads the stage's journal on every host and shows the newest runs, newest first, with the hosts where each ended in the same way.
It changes nothing. With -v it shows all that is known of each: key, address, digest, skew. It exits with 5 when a host cannot be asked.`,
		GroupID:           "look",
		Args:              arguments("the stage"),
		ValidArgsFunction: a.completeStage,
		RunE:              func(cmd *cobra.Command, args []string) error { return a.log(cmd.Context(), args, most) },
	}
	cmd.Flags().IntVarP(&most, "number", "n", most, "show so many runs")
	return cmd
}

// logged is one run as the journals tell it.
type logged struct {
	Run     string              `json:"run"`
	At      time.Time           `json:"at"`
	Op      string              `json:"op"`
	From    string              `json:"from,omitempty"`
	To      string              `json:"to"`
	By      string              `json:"by"`
	Address string              `json:"address,omitempty"` // where the connection came from
	Key     string              `json:"key,omitempty"`     // fingerprint of the key that logged in
	Git     string              `json:"git,omitempty"`
	Content string              `json:"content,omitempty"` // digest of what was to be linked
	Scope   string              `json:"scope"`
	Hosts   []string            `json:"hosts,omitempty"` // that the run was about
	Notes   map[string][]string `json:"notes,omitempty"` // what hosts wrote down beside it → hosts
	Skew    float64             `json:"skew,omitempty"`
	Result  map[string][]string `json:"result"` // how it ended → hosts

	mixed bool // hosts had different packages before
}

func (a *app) log(ctx context.Context, args []string, most int) error {
	stages, looks, err := a.look(ctx, args)
	if err != nil {
		return err
	}
	hosts := hostNames(stages)
	for name, l := range looks {
		if unread := l.Unread(stages[0].name); unread != nil {
			l.Failure = unread // without its journal there is nothing to tell of this host
			looks[name] = l
		}
	}
	runs := a.runs(stages[0].name, hosts, looks)
	if len(runs) > most {
		runs = runs[:most]
	}
	if a.output == outputJSON {
		for _, r := range runs {
			a.Out.json(map[string]any{"type": "run", "schema": event.Schema, "run": r})
		}
	} else {
		a.printRuns(runs, hosts, looks)
	}
	return a.unreached(hosts, looks)
}

// runs gathers the journals' lines by run, newest run first.
func (a *app) runs(stage string, hosts []string, looks map[string]survey.Repository) []*logged {
	found := map[string]*logged{}
	for _, h := range hosts {
		last := map[string]string{}
		var order []string
		for _, e := range entries(stage, looks[h]) {
			r := found[e.Run]
			if r == nil {
				r = &logged{Run: e.Run, At: e.Time(), Op: e.Op, From: e.From, To: e.To, By: e.By, Address: e.Address, Key: e.Key, Git: e.Git, Scope: e.Scope, Content: e.Content, Hosts: e.Hosts, Result: map[string][]string{}, Notes: map[string][]string{}}
				found[e.Run] = r
			}
			r.add(h, e)
			if last[e.Run] == "" {
				order = append(order, e.Run)
			}
			last[e.Run] = e.Event
		}
		for _, run := range order {
			result := found[run].Result
			result[last[run]] = append(result[last[run]], h)
		}
	}
	var all []*logged
	for _, run := range slices.Backward(survey.Runs(stage, looks)) {
		if r := found[run]; r != nil {
			all = append(all, r)
		}
	}
	return all
}

// from is what was linked before, where all hosts agree on it.
func (r *logged) from() string {
	if r.mixed {
		return "various"
	}
	return orNone(r.From)
}

// add is what a later line of a host says beyond the first.
func (r *logged) add(host string, e remote.Entry) {
	r.Skew = max(r.Skew, e.Skew)
	if !e.Told.IsZero() {
		r.At = e.Told
	}
	if r.Content == "" {
		r.Content = e.Content
	}
	before := ""
	if e.From != r.From {
		r.mixed = true
		before = "was linked to " + orNone(e.From)
	}
	for _, note := range []string{before, e.Note, e.Reason} {
		if note != "" && !slices.Contains(r.Notes[note], host) {
			r.Notes[note] = append(r.Notes[note], host)
		}
	}
}

func entries(stage string, look survey.Repository) []remote.Entry {
	for _, s := range look.State.Stages {
		if s.Stage == stage {
			j := remote.ParseJournal(s.Lines)
			for _, e := range j.Ended {
				note(j.Entries, e.Run, fmt.Sprintf("ended by %s with kis unlock --force", e.By))
			}
			return j.Entries
		}
	}
	return nil
}

// note adds a remark to the last line of a run.
func note(lines []remote.Entry, run, text string) {
	for i := range slices.Backward(lines) {
		if lines[i].Run == run {
			lines[i].Note = strings.TrimPrefix(lines[i].Note+"; "+text, "; ")
			return
		}
	}
}

func (a *app) printRuns(runs []*logged, hosts []string, looks map[string]survey.Repository) {
	if len(runs) == 0 {
		a.none("nothing was ever linked", hosts, looks)
		return
	}
	if a.verbose {
		for _, r := range runs {
			a.printRunDetails(r, len(hosts))
		}
		return
	}
	var rows [][]string
	for _, r := range runs {
		rows = append(rows, []string{r.At.Local().Format(timeFormat), r.Op, r.from() + " → " + orNone(r.To), r.By, resultText(r, len(hosts))})
	}
	a.Out.lines(aligned(rows)...)
}

// printRunDetails is a run with everything the journals say of it.
func (a *app) printRunDetails(r *logged, hosts int) {
	a.Out.printf("%s  %s  %s → %s  %s\n", r.At.Local().Format(timeFormat), r.Op, r.from(), orNone(r.To), resultText(r, hosts))
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
			a.Out.printf("    %-8s %s\n", line[0], line[1])
		}
	}
	for _, note := range slices.Sorted(maps.Keys(r.Notes)) {
		a.Out.printf("    %-8s %s: %s\n", "note", list(r.Notes[note], 4), note)
	}
	if r.Skew > 0 {
		a.Out.printf("    %-8s %.1f ms\n", "skew", r.Skew*1000)
	}
}

func resultText(r *logged, hosts int) string {
	var parts []string
	for _, event := range []string{"confirmed", "linked", "unconfirmed", "reverted", "aborted", "armed"} {
		if on := r.Result[event]; len(on) == hosts {
			parts = append(parts, event)
		} else if len(on) > 0 {
			parts = append(parts, event+" on "+list(on, 4))
		}
	}
	if r.Git != "" {
		parts = append(parts, "git "+r.Git)
	}
	return strings.Join(parts, "; ")
}
