package survey

import (
	"time"

	"github.com/keep-it-simple/kis/remote"
)

// Runs are the names of the runs in a stage's journals, oldest first. They go by no host's clock: a run holds the locks of all its hosts, so
// that of two runs with a host in common one is before the other, on each of those hosts, and the journals tell which. Runs without a host in
// common are put in order by the clocks of the machines that ran them, or by the hosts' for lines that do not tell.
func Runs(stage string, looks map[string]Repository) []string {
	o := order{at: map[string]time.Time{}, behind: map[string]int{}, taken: map[string]bool{}}
	told := map[string]bool{}
	for _, look := range looks {
		for _, s := range look.State.Stages {
			if s.Stage == stage {
				o.add(remote.ParseJournal(s.Lines), told)
			}
		}
	}
	var runs []string
	for run, some := o.next(); some; run, some = o.next() {
		runs = append(runs, run)
		o.take(run)
	}
	return runs
}

// order merges journals.
type order struct {
	lists  [][]string // of the runs that are left, in the order of each journal
	at     map[string]time.Time
	behind map[string]int // run → journals in which another run that is left comes before it
	taken  map[string]bool
}

func (o *order) add(j remote.Journal, told map[string]bool) {
	var runs []string
	here := map[string]bool{}
	for _, e := range j.Entries {
		known, some := o.at[e.Run]
		if !some || !e.Told.IsZero() || !told[e.Run] && e.At.Before(known) {
			o.at[e.Run] = e.Time()
		}
		told[e.Run] = told[e.Run] || !e.Told.IsZero()
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

// next is the earliest of the runs that no journal puts behind another; where journals contradict each other, as after somebody has edited
// one, of all that come first in a journal.
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
