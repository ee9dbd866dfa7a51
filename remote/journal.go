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

// Time is when it happened, by the controller's clock where the line says so: hosts' clocks may differ, and be years off.
func (e Entry) Time() time.Time {
	if e.Requested.IsZero() {
		return e.At
	}
	return e.Requested
}

// Journal is what could be read of a stage's journal.
type Journal struct {
	Entries []Entry
	Ended   []Entry // remarks: Run was ended by force, By whom. They say nothing of the link
	Damaged int     // lines in the middle that could not be read. A torn last line is not counted: a power cut leaves one
	Later   int     // lines of a format that is newer than this program, which are left out
}

// format is that of the lines this program understands. Lines that say nothing of theirs are of the first.
const format = 1

// Bounds of what is read of a journal. The agent sends fewer lines than that, and members of a line are texts, numbers or lists of texts.
const (
	maxLines      = 10_000
	maxLineValues = 1 << 16
	maxLineDepth  = 3
)

// ParseJournal reads lines as the agent sent them, oldest first. A damaged line is left out, never guessed. scripts/kisagent/journal.py takes the
// same lines for damaged; a test compares both.
func ParseJournal(lines []string) Journal {
	var j Journal
	lines = lines[max(0, len(lines)-maxLines):]
	for i, line := range lines {
		e, err := parseEntry(line)
		switch {
		case err == nil && e.Format > format:
			j.Later++
		case err == nil && e.Event == EventEnded:
			j.Ended = append(j.Ended, e)
		case err == nil:
			j.Entries = append(j.Entries, e)
		case i < len(lines)-1 || strings.HasSuffix(line, lineEnd): // a line that was torn off lacks its end
			j.Damaged++
		}
	}
	return j
}

// A line ends with its checksum, which is that of everything before it.
const (
	lineMark = `,"crc":"`
	lineEnd  = `"}`
)

// parseEntry reads one line.
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

// parseBody reads what the checksum is of. Of a line of a later format only the format is looked at.
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

// checkNumbers refuses numbers that the agent does not read either, in members that nobody here knows.
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

// Open is the newest run when it has linked and did not come to its end: neither confirmed nor taken back. False when there is none. A line that
// only says armed counts: it is for who sees that the link has been made.
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
