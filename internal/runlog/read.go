package runlog

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/keep-it-simple/kis/internal/event"
)

// Run is a log that was read.
type Run struct {
	Header Header
	Events []event.Event
}

// maxLine bounds a line of a log.
const maxLine = 16 << 20

// Read reads a log. One that breaks off, because kis was killed, is read as far as it goes.
func Read(path string) (Run, error) {
	file, err := os.Open(path)
	if err != nil {
		return Run{}, err
	}
	defer file.Close() //nolint:errcheck // only read
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, maxLine)
	var r Run
	if !lines.Scan() || json.Unmarshal(lines.Bytes(), &r.Header) != nil || r.Header.Type != "log" {
		return Run{}, fmt.Errorf("%s is not a log of kis", path)
	}
	if r.Header.Schema != event.Schema {
		return Run{}, fmt.Errorf("%s is a log of another version of kis (schema %d)", path, r.Header.Schema)
	}
	for lines.Scan() {
		var e event.Event
		if json.Unmarshal(lines.Bytes(), &e) != nil || e.Type == event.TypeReport && e.Report == nil {
			break
		}
		r.Events = append(r.Events, e)
	}
	return r, lines.Err()
}

// ErrNoRun is that of a stage or a run without a log on this machine.
var ErrNoRun = errors.New("no log on this machine")

// Find returns the path of a log: of the newest run on a stage, of the run of that name, or the path itself.
func (d Dir) Find(wanted string) (string, error) {
	if strings.HasSuffix(wanted, ".jsonl") {
		return wanted, nil
	}
	dir, err := d.runs()
	if err != nil {
		return "", err
	}
	paths, err := logs(dir, "*.jsonl")
	if err != nil {
		return "", err
	}
	for _, path := range slices.Backward(paths) {
		r, err := Read(path)
		if err != nil {
			continue
		}
		if r.Header.Stage == wanted || len(r.Events) > 0 && r.Events[0].Run == wanted {
			return path, nil
		}
	}
	return "", fmt.Errorf("%s: %w", wanted, ErrNoRun)
}
