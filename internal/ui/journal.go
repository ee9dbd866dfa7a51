package ui

import (
	"regexp"
	"slices"
	"sync"
	"time"

	"github.com/keep-it-simple/kis/internal/event"
	"github.com/keep-it-simple/kis/internal/safetext"
)

// Journal shows lines that journalctl(1) prints on several hosts, in the format short-iso-precise. Its
// methods are safe for concurrent use.
type Journal struct {
	ui     *UI
	follow bool
	width  int    // of the longest host's name
	begun  func() // before the first line is printed

	mu    sync.Mutex
	lines []journalLine
	last  map[string]time.Time // of each host's newest line
}

type journalLine struct {
	host string
	time time.Time
	text string
}

// Journal returns the view of journals. With follow, lines are printed as they arrive; otherwise at the end, in
// the order of their times.
func (u *UI) Journal(hosts []string, follow bool) *Journal {
	return &Journal{
		ui: u, follow: follow, width: hostColumn(hosts), last: map[string]time.Time{},
		begun: u.Waiting("reading the journals"),
	}
}

// Line takes one line.
func (j *Journal) Line(host, text string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	l := parseJournal(host, text)
	if l.time.IsZero() { // of a message with several lines, or a word of journalctl about itself
		l.time = j.last[host]
	}
	j.last[host] = l.time
	if j.follow {
		j.begun()
		j.print(l)
	} else {
		j.lines = append(j.lines, l)
	}
}

// End prints what was held back, and what went wrong.
func (j *Journal) End(all []event.Ran) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.begun()
	slices.SortStableFunc(j.lines, func(a, b journalLine) int { return a.time.Compare(b.time) })
	for _, l := range j.lines {
		j.print(l)
	}
	for _, r := range all {
		if r.Failure == nil && !r.OK() && !j.ui.WantsJSON() {
			j.ui.Err.Printf("%s: journalctl: %s\n", r.Host, r.Ended)
		}
	}
	if j.ui.WantsJSON() {
		for _, r := range all {
			j.ui.record("exec", r)
		}
		return
	}
	j.ui.printFailures(event.RanFailures(all))
}

func (j *Journal) print(l journalLine) {
	if j.ui.WantsJSON() {
		j.ui.Out.json(map[string]any{"type": event.TypeOutput, "host": l.host, "time": l.time, "message": l.text})
		return
	}
	at := ""
	if !l.time.IsZero() {
		at = l.time.Local().Format("2006-01-02 15:04:05.000")
	}
	j.ui.Out.Printf("%-*s  %s  %s\n", j.width, l.host, at, safetext.Output(l.text))
}

// journalPattern is a line with its time and the name of the host, which kis knows better.
var journalPattern = regexp.MustCompile(`^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}[+-]\d\d:?\d\d) \S+ (.*)$`)

func parseJournal(host, text string) journalLine {
	parts := journalPattern.FindStringSubmatch(text)
	if parts == nil {
		return journalLine{host: host, text: text}
	}
	for _, layout := range []string{"2006-01-02T15:04:05.000000-0700", "2006-01-02T15:04:05.000000-07:00"} {
		if at, err := time.Parse(layout, parts[1]); err == nil {
			return journalLine{host, at, parts[2]}
		}
	}
	return journalLine{host: host, text: text}
}
