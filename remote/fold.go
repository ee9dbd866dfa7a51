package remote

import (
	"slices"
	"time"

	"github.com/keep-it-simple/kis/internal/name"
)

// LinkRecord describes the newest link in a journal that was not rolled back.
type LinkRecord struct {
	To        string    `json:"to"` // the link's target, "" for no link
	Since     time.Time `json:"since,omitzero"`
	By        string    `json:"by"` // user@machine
	Op        string    `json:"op"`
	Run       string    `json:"run"`
	Scope     string    `json:"scope"`
	Confirmed bool      `json:"confirmed"`
}

// AfterLink is the result of the after-link commands that run again after a rollback.
type AfterLink string

// The results; "" when they succeeded, or there were none.
const (
	AfterLinkFailed  AfterLink = "failed"
	AfterLinkPending AfterLink = "pending" // they have not completed
)

// Fold is the summary of a journal's lines.
type Fold struct {
	LinkRecord
	Note      string    `json:"note"`       // what the host adds: how a run was found, or what failed
	AfterLink AfterLink `json:"after_link"` // of the newest run that linked, when it was rolled back
	Packages  []string  `json:"packages"`   // confirmed and not rolled back from, oldest first: see Journal.Previous

	before LinkRecord // what a rollback of the newest run restores
}

// Checkpoint is the fold of a stage's journal at the time when a run began. Every line of the run
// repeats it, so that any number of the newest lines shows since when the stage is linked, and what
// was confirmed before, even after many failed runs.
type Checkpoint Fold

// Limits of a checkpoint, which is a part of each line of the journal: a line has less than 4096
// bytes, see scripts/kisagent/journal.py.
const (
	maxCheckpointPackages = 20
	maxCheckpointBytes    = 1024 // of the packages' names
	maxCheckpointText     = 60   // characters, each up to twelve bytes of JSON
)

func (c *Checkpoint) check() error {
	if c == nil {
		return nil
	}
	return checkTime(c.Since)
}

// bounded returns the checkpoint shortened for a line: without the oldest packages and the ends of
// long texts.
func (c Checkpoint) bounded() *Checkpoint {
	for _, text := range []*string{&c.By, &c.Note} {
		letters := []rune(*text)
		*text = string(letters[:min(len(letters), maxCheckpointText)])
	}
	c.Packages = c.Packages[max(0, len(c.Packages)-maxCheckpointPackages):]
	size := 0
	for i, p := range slices.Backward(c.Packages) {
		if size += len(p) + len(`"",`); size > maxCheckpointBytes {
			c.Packages = c.Packages[i+1:]
			break
		}
	}
	return &c
}

// Fold replays the journal, oldest line first. It begins with the oldest checkpoint that the lines
// hold.
func (j Journal) Fold() Fold {
	var f Fold
	entries := j.Entries
	if first := slices.IndexFunc(entries, func(e Entry) bool { return e.Before != nil }); first >= 0 {
		f.begin(*entries[first].Before)
		entries = entries[first:]
	}
	for _, e := range entries {
		f.replay(e)
		f.confirm(e)
	}
	return f
}

func (f *Fold) begin(c Checkpoint) {
	f.LinkRecord, f.before, f.Note, f.AfterLink, f.Packages = c.LinkRecord, c.LinkRecord, c.Note, c.AfterLink, slices.Clone(c.Packages)
}

// replay follows the link.
func (f *Fold) replay(e Entry) {
	switch e.Event {
	case EventLinked, EventConfirmed, EventUnconfirmed:
		if e.Event == EventLinked && e.Run != f.Run {
			f.before = f.LinkRecord
		}
		f.LinkRecord = LinkRecord{To: e.To, Since: e.Time(), By: e.By, Op: e.Op, Run: e.Run, Scope: e.Scope, Confirmed: e.Event == EventConfirmed}
		f.Note, f.AfterLink = "", ""
	case EventReverted:
		if e.Run == f.Run || e.To == f.To { // its own link, or that of the interrupted run that it resumed
			f.LinkRecord = f.before
		}
		f.Note, f.AfterLink = e.Note, afterRollback(e)
	}
}

func afterRollback(e Entry) AfterLink {
	switch {
	case e.From == "" || !e.After: // there are no commands to run
		return ""
	case !e.Restarted:
		return AfterLinkPending
	case e.Note != "":
		return AfterLinkFailed
	}
	return ""
}

// confirm keeps the list of confirmed packages. A rollback removes what it rolled back from.
func (f *Fold) confirm(e Entry) {
	// What was linked before kis, or before the lines that were read, counts; what kis linked
	// and never confirmed does not.
	if e.Event == EventConfirmed && len(f.Packages) == 0 && e.From != "" && e.From != f.before.To {
		f.Packages = append(f.Packages, e.From)
	}
	switch n := len(f.Packages); {
	case e.Event != EventConfirmed:
	case e.Op == "rollback":
		f.Packages = rolledBack(f.Packages, e.To)
	case n == 0 || f.Packages[n-1] != e.To:
		f.Packages = append(f.Packages, e.To)
	}
}

// rolledBack returns the list after a rollback to a package: up to its last occurrence, or with it
// instead of the newest.
func rolledBack(packages []string, to string) []string {
	for i, p := range slices.Backward(packages) {
		if p == to {
			return packages[:i+1]
		}
	}
	if len(packages) > 0 {
		packages = packages[:len(packages)-1]
	}
	return append(packages, to)
}

// Previous returns the package that a rollback links: the one that was linked and confirmed before
// the current one. Packages that were rolled back from, or never confirmed, do not count. The zero
// value means that there is none.
func (j Journal) Previous(current string) name.Package {
	packages := j.Fold().Packages
	for i, p := range slices.Backward(packages) {
		if p == current { // later packages are not "before", whatever linked this one again
			packages = packages[:i]
			break
		}
	}
	for _, text := range slices.Backward(packages) {
		if text == current {
			continue
		}
		if p, err := name.ParsePackage(text); err == nil {
			return p
		}
	}
	return name.Package{}
}

// Checkpoint returns the summary for the lines of the next run. A run that resumes an interrupted
// run's link begins where that one began.
func (j Journal) Checkpoint(resumed bool) *Checkpoint {
	f := j.Fold()
	if resumed {
		f.LinkRecord = f.before
	}
	return Checkpoint(f).bounded()
}
