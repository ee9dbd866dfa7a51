package survey

import (
	"time"

	"github.com/keep-it-simple/kis/remote"
)

// Runs are the names of the runs in a stage's journals, oldest first: a topological order. It does
// not depend on the hosts' clocks. A run holds the locks of all its hosts, so that of two runs with
// a common host one precedes the other in the journals of all common hosts. Runs without a common
// host are ordered by the clocks of the machines that requested them, or, for lines that do not
// have that time, by the hosts' clocks.
func Runs(stage string, found map[string]Repository) []string {
	o := order{at: map[string]time.Time{}, behind: map[string]int{}, taken: map[string]bool{}}
	requested := map[string]bool{}
	for _, r := range found {
		there, _ := r.stage(stage)
		o.add(remote.ParseJournal(there.Lines), requested)
	}
	var runs []string
	for run, some := o.next(); some; run, some = o.next() {
		runs = append(runs, run)
		o.take(run)
	}
	return runs
}

// order merges journals: Kahn's algorithm over lists.
type order struct {
	lists  [][]string // the remaining runs, in the order of each journal
	at     map[string]time.Time
	behind map[string]int // run → journals in which another remaining run precedes it
	taken  map[string]bool
}

func (o *order) add(j remote.Journal, requested map[string]bool) {
	var runs []string
	here := map[string]bool{}
	for _, e := range j.Entries {
		at, some := o.at[e.Run]
		if !some || !e.Requested.IsZero() || !requested[e.Run] && e.At.Before(at) {
			o.at[e.Run] = e.Time()
		}
		requested[e.Run] = requested[e.Run] || !e.Requested.IsZero()
		if here[e.Run] {
			continue
		}
		here[e.Run] = true
		if len(runs) > 0 {
			o.behind[e.Run]++
		}
		runs = append(runs, e.Run)
	}
	if len(runs) > 0 {
		o.lists = append(o.lists, runs)
	}
}

// next is the earliest of the runs that no journal puts after another. Where journals contradict
// each other, because one was edited, it is the earliest of all that are first in a journal.
func (o *order) next() (best string, some bool) {
	for _, runs := range o.lists {
		if len(runs) == 0 {
			continue
		}
		run := runs[0]
		switch free, bestFree := o.behind[run] == 0, o.behind[best] == 0; {
		case !some, free && !bestFree:
			best = run
		case free == bestFree && (o.at[run].Before(o.at[best]) || o.at[run].Equal(o.at[best]) && run < best):
			best = run
		}
		some = true
	}
	return best, some
}

// take removes a run.
func (o *order) take(run string) {
	o.taken[run] = true
	for i, runs := range o.lists {
		first := ""
		if len(runs) > 0 {
			first = runs[0]
		}
		for len(runs) > 0 && o.taken[runs[0]] {
			runs = runs[1:]
		}
		if o.lists[i] = runs; len(runs) > 0 && runs[0] != first {
			o.behind[runs[0]]--
		}
	}
}
