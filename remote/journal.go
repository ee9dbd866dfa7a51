package remote

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"strings"
	"time"
)

// Entry is one line of a stage's journal.
type Entry struct {
	Format    int       `json:"v"`
	Seq       int       `json:"seq"`
	Boot      string    `json:"boot"`
	At        time.Time `json:"at"`        // by the host's clock
	Requested time.Time `json:"requested"` // when kis requested the switch, by its clock; zero in lines of the first versions
	Run       string    `json:"run"`
	Event     EventKind `json:"ev"`
	Op        string    `json:"op"` // push, rollback, link, …
	From      string    `json:"from"`
	To        string    `json:"to"`
	Content   string    `json:"content"`
	By        string    `json:"by"`      // user@machine
	Address   string    `json:"address"` // where the connection came from, as the host saw it; "" where become hides it
	Key       string    `json:"key"`     // fingerprint of the key that logged in
	Git       string    `json:"git"`     // revision, where there was one
	Scope     string    `json:"scope"`   // all, or subset for a run narrowed by --hosts
	Hosts     []string  `json:"hosts"`   // the run's hosts
	Reason    string    `json:"reason"`
	Note      string    `json:"note"`
	After     bool      `json:"after"` // the stage has after-link commands
	// Restarted: those have completed since the rollback. In a line that says reverted.
	Restarted bool    `json:"restarted"`
	Skew      float64 `json:"skew"` // seconds between the first and the last host's switch
	// Before is what the journal said when the run began; nil in lines of the first versions.
	Before *Checkpoint `json:"before"`
}

// Time is the time of the event, by the controller's clock where known: clocks of hosts may be
// years off.
func (e Entry) Time() time.Time {
	if e.Requested.IsZero() {
		return e.At
	}
	return e.Requested
}

// Journal is a parsed journal.
type Journal struct {
	Entries []Entry
	Ended   []Entry // remarks: Run was ended by force, By a user. They do not concern the link
	Damaged int     // unreadable lines, without a torn last line, which a power loss leaves
	Later   int     // skipped lines of a newer format
}

// format is the format of lines that this program understands. Lines without one are of the first.
const format = 1

// MaxLines is how many lines of a journal can be read.
const MaxLines = 10_000

// Limits for reading a line of a journal, whose members are flat.
const (
	maxLineValues = 1 << 16
	maxLineDepth  = 3
)

// ParseJournal parses lines as the agent sent them, oldest first. Damaged lines are skipped.
// scripts/kisagent/journal.py skips the same lines, which a test compares.
func ParseJournal(lines []string) Journal {
	var j Journal
	lines = lines[max(0, len(lines)-MaxLines):]
	for i, line := range lines {
		e, err := parseEntry(line)
		switch {
		case err == nil && e.Format > format:
			j.Later++
		case err == nil && e.Event == EventEnded:
			j.Ended = append(j.Ended, e)
		case err == nil:
			j.Entries = append(j.Entries, e)
		case i < len(lines)-1 || strings.HasSuffix(line, lineEnd): // a torn line lacks its end
			j.Damaged++
		}
	}
	return j
}

// A line ends with the checksum of everything before it.
const (
	lineMark = `,"crc":"`
	lineEnd  = `"}`
)

// parseEntry parses one line.
func parseEntry(line string) (Entry, error) {
	stamped, whole := strings.CutSuffix(line, lineEnd)
	at := strings.LastIndex(stamped, lineMark)
	if !whole || at < 0 {
		return Entry{}, errors.New("journal: no checksum")
	}
	body := stamped[:at] + "}"
	if fmt.Sprintf("%08x", crc32.ChecksumIEEE([]byte(body))) != stamped[at+len(lineMark):] {
		return Entry{}, errors.New("journal: wrong checksum")
	}
	return parseBody([]byte(body))
}

// parseBody parses the part under the checksum. Of a line in a newer format only the format is
// read.
func parseBody(body []byte) (Entry, error) {
	if !fits(body, maxLineValues, maxDepth) {
		return Entry{}, errors.New("journal: too many members")
	}
	var e struct {
		Format int `json:"v"`
	}
	if err := errors.Join(json.Unmarshal(body, &e), checkNumbers(body)); err != nil {
		return Entry{}, fmt.Errorf("journal: %w", err)
	}
	if e.Format > format {
		return Entry{Format: e.Format}, nil
	}
	var all Entry
	if err := json.Unmarshal(body, &all); err != nil {
		return Entry{}, fmt.Errorf("journal: %w", err)
	}
	if err := errors.Join(checkTime(all.At), checkTime(all.Requested), all.Before.check()); err != nil {
		return Entry{}, fmt.Errorf("journal: %w", err)
	}
	if !fits(body, maxLineValues, maxLineDepth) {
		return Entry{}, errors.New("journal: nested too deeply")
	}
	if !all.Event.known() {
		return Entry{}, errors.New("journal: no event of this format")
	}
	return all, nil
}

// checkNumbers refuses numbers that the agent refuses too, in members that are unknown here.
func checkNumbers(body []byte) error {
	tokens := json.NewDecoder(bytes.NewReader(body))
	tokens.UseNumber()
	for {
		token, err := tokens.Token()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		number, some := token.(json.Number)
		if !some {
			continue
		}
		if strings.ContainsAny(number.String(), ".eE") {
			_, err = number.Float64()
		} else {
			_, err = number.Int64()
		}
		if err != nil {
			return err
		}
	}
}

// Open returns the newest run if it is incomplete: neither confirmed nor rolled back. A run that is
// only armed counts, because it may have made the link that the caller sees.
func (j Journal) Open() (Entry, bool) {
	last, some := j.Last()
	return last, some && last.Event.Incomplete()
}

// Last returns the newest entry, false when there is none.
func (j Journal) Last() (Entry, bool) {
	if len(j.Entries) == 0 {
		return Entry{}, false
	}
	return j.Entries[len(j.Entries)-1], true
}

// Seq is the highest number of a line; 0 when there is none.
func (j Journal) Seq() int {
	seq := 0
	for _, entries := range [][]Entry{j.Entries, j.Ended} {
		for _, e := range entries {
			seq = max(seq, e.Seq)
		}
	}
	return seq
}
