package survey

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/keep-it-simple/kis/internal/event"
	"github.com/keep-it-simple/kis/remote"
)

// Run is one run as the journals of its hosts record it.
type Run struct {
	Run     string                        `json:"run"`
	At      time.Time                     `json:"at"`
	Op      string                        `json:"op"`
	From    string                        `json:"from,omitempty"`
	To      string                        `json:"to"`
	By      string                        `json:"by"`
	Address string                        `json:"address,omitempty"` // where the connection came from
	Key     string                        `json:"key,omitempty"`     // fingerprint of the key that logged in
	Git     string                        `json:"git,omitempty"`
	Content string                        `json:"content,omitempty"` // content digest of the target
	Scope   string                        `json:"scope"`
	Hosts   []string                      `json:"hosts,omitempty"` // of the run
	Notes   map[string][]string           `json:"notes,omitempty"` // note → hosts that recorded it
	Skew    float64                       `json:"skew,omitempty"`
	Result  map[remote.EventKind][]string `json:"result"` // last event → hosts

	Mixed bool `json:"-"` // hosts had different packages before
}

// History groups the lines of the journals by run, newest run first.
func History(stage string, hosts []string, repositories map[string]Repository) []*Run {
	found := map[string]*Run{}
	for _, h := range hosts {
		last := map[string]remote.EventKind{}
		var order []string
		for _, e := range entries(stage, repositories[h]) {
			r := found[e.Run]
			if r == nil {
				r = &Run{Run: e.Run, At: e.Time(), Op: e.Op, From: e.From, To: e.To, By: e.By, Address: e.Address, Key: e.Key, Git: e.Git, Scope: e.Scope, Content: e.Content, Hosts: e.Hosts, Result: map[remote.EventKind][]string{}, Notes: map[string][]string{}}
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
	var all []*Run
	for _, run := range slices.Backward(Runs(stage, repositories)) {
		if r := found[run]; r != nil {
			all = append(all, r)
		}
	}
	return all
}

// Ending is how a run ended on some hosts.
type Ending struct {
	Event string // the last one in their journals
	Hosts []string
}

// Endings are how the run ended on its hosts, from complete to not begun.
func (r *Run) Endings() []Ending {
	var all []Ending
	for _, kind := range []remote.EventKind{
		remote.EventConfirmed, remote.EventLinked, remote.EventUnconfirmed, remote.EventReverted, remote.EventAborted, remote.EventArmed,
	} {
		if hosts := r.Result[kind]; len(hosts) > 0 {
			all = append(all, Ending{string(kind), hosts})
		}
	}
	return all
}

// add merges a line of a host into the run.
func (r *Run) add(host string, e remote.Entry) {
	r.Skew = max(r.Skew, e.Skew)
	if !e.Requested.IsZero() {
		r.At = e.Requested
	}
	if r.Content == "" {
		r.Content = e.Content
	}
	before := ""
	if e.From != r.From {
		r.Mixed = true
		before = "was linked to " + event.LinkText(e.From)
	}
	for _, note := range []string{before, e.Note, e.Reason} {
		if note != "" && !slices.Contains(r.Notes[note], host) {
			r.Notes[note] = append(r.Notes[note], host)
		}
	}
}

func entries(stage string, r Repository) []remote.Entry {
	there, _ := r.stage(stage)
	j := remote.ParseJournal(there.Lines)
	for _, e := range j.Ended {
		note(j.Entries, e.Run, fmt.Sprintf("ended by %s with kis unlock --force", e.By))
	}
	return j.Entries
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
