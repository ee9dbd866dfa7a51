// Package runlog keeps the logs of runs on this machine: every event of a run, one JSON object per
// line, readable by its owner only.
package runlog

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/keep-it-simple/kis/internal/event"
	"github.com/keep-it-simple/kis/internal/name"
	"github.com/keep-it-simple/kis/internal/safetext"
)

// maxLogs is how many logs are kept.
const maxLogs = 200

// Dir is the state directory of kis, with the logs in it; "" for the user's.
type Dir string

// runs returns the directory of the logs.
func (d Dir) runs() (string, error) { return d.Below("runs") }

// Below returns a directory in the state directory: that of $XDG_STATE_HOME/kis, or of its default.
func (d Dir) Below(name string) (string, error) {
	if d != "" {
		return filepath.Join(string(d), name), nil
	}
	if state := os.Getenv("XDG_STATE_HOME"); filepath.IsAbs(state) {
		return filepath.Join(state, "kis", name), nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", err
	}
	return filepath.Join(home, ".local", "state", "kis", name), nil
}

// Header is the first line of a log.
type Header struct {
	Type    string    `json:"type"`
	Schema  int       `json:"schema"`
	Version string    `json:"kis"`
	Time    time.Time `json:"time"`
	By      string    `json:"by"`
	Op      event.Op  `json:"op"`
	Stage   string    `json:"stage"`
	Hosts   []string  `json:"hosts"`
}

// Log is the log of one run.
type Log struct {
	Path string

	mu     sync.Mutex
	file   *os.File
	failed error // the first line that could not be written
}

// Open starts a log and writes its header to the disk: a run without a record could not be
// explained later, and some file systems report only at fsync that there is no free space.
func (d Dir) Open(h Header) (*Log, error) {
	dir, err := d.runs()
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	removeOldest(dir)
	path := filepath.Join(dir, fmt.Sprintf("%s-%s-%s-%d.jsonl", h.Time.UTC().Format("20060102T150405Z"), h.Op, h.Stage, os.Getpid()))
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	l := &Log{Path: path, file: file}
	h.Type, h.Schema, h.Time = "log", event.Schema, h.Time.UTC()
	l.write(h)
	if err := l.Sync(); err != nil {
		_, _ = l.Close(), os.Remove(path)
		return nil, err
	}
	return l, nil
}

// removeOldest removes the oldest logs.
func removeOldest(dir string) {
	paths, err := logs(dir, "*.jsonl")
	if err != nil {
		return
	}
	for len(paths) >= maxLogs {
		_ = os.Remove(paths[0])
		paths = paths[1:]
	}
}

// logs returns the paths of the logs whose names match a pattern, oldest first: the names begin with the time. The
// directory may have any name.
func logs(dir, pattern string) ([]string, error) {
	names, err := fs.Glob(os.DirFS(dir), pattern)
	for i, name := range names {
		names[i] = filepath.Join(dir, name)
	}
	return names, err
}

// Event writes an event. It reports no error: a disk that fills up while links are being switched
// must not change the course of the run. Sync does.
func (l *Log) Event(e event.Event) { l.write(e) }

func (l *Log) write(value any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	line, err := json.Marshal(value)
	if err == nil {
		_, err = l.file.Write(append(safetext.JSON(line), '\n'))
	}
	if err != nil && l.failed == nil {
		l.failed = err
	}
}

// Sync returns an error unless everything so far is on the disk.
func (l *Log) Sync() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.failed != nil {
		return l.failed
	}
	return l.file.Sync()
}

// Close closes the log.
func (l *Log) Close() error { return l.file.Close() }

// Packages returns the packages that runs of this machine linked to a stage or replaced there, the
// newest first.
func (d Dir) Packages(stage string) []string {
	dir, err := d.runs()
	if err != nil {
		return nil
	}
	paths, err := logs(dir, "*-"+stage+"-*.jsonl")
	if err != nil {
		return nil
	}
	var found []string
	for _, path := range slices.Backward(paths) {
		for _, pkg := range packagesOf(path, stage) {
			if !slices.Contains(found, pkg) {
				found = append(found, pkg)
			}
		}
	}
	return found
}

// packagesOf reads from the report of a run what it was to link, and what was linked before.
func packagesOf(path, stage string) []string {
	file, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer file.Close() //nolint:errcheck // only read
	var report *event.Report
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 4<<20)
	for lines.Scan() {
		if !strings.HasPrefix(lines.Text(), `{"type":"report"`) {
			continue
		}
		var e event.Event
		if json.Unmarshal(lines.Bytes(), &e) == nil {
			report = e.Report
		}
	}
	if report == nil || report.Stage != stage {
		return nil
	}
	names := []string{report.Package}
	for _, h := range report.Hosts {
		names = append(names, h.Was)
	}
	return slices.DeleteFunc(names, func(s string) bool {
		_, err := name.ParsePackage(s) // a host may report any text, and shells paste it
		return err != nil
	})
}
