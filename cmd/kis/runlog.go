package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/keep-it-simple/kis/internal/fleet"
)

// keepLogs is how many logs of runs are kept.
const keepLogs = 200

// runLog is the full log of one run: every event, one JSON object per line, readable by its owner only.
type runLog struct {
	path string
	file *os.File
}

// state is the folder for what kis remembers on this machine: $XDG_STATE_HOME/kis, or what stands for it.
func (a *app) state() (string, error) {
	if a.stateFolder != "" {
		return a.stateFolder, nil
	}
	if state := os.Getenv("XDG_STATE_HOME"); filepath.IsAbs(state) {
		return filepath.Join(state, "kis"), nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", err
	}
	return filepath.Join(home, ".local", "state", "kis"), nil
}

// openRunLog starts a log. It is opened before any host is contacted, because a run without a record could not be explained later.
func (a *app) openRunLog(now time.Time, name string) (*runLog, error) {
	state, err := a.state()
	if err != nil {
		return nil, err
	}
	folder := filepath.Join(state, "runs")
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, err
	}
	sweepLogs(folder)
	path := filepath.Join(folder, fmt.Sprintf("%s-%s-%d.jsonl", now.UTC().Format("20060102T150405Z"), name, os.Getpid()))
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	return &runLog{path: path, file: file}, nil
}

// sweepLogs removes the oldest logs; their names sort by time.
func sweepLogs(folder string) {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return
	}
	var names []string
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), ".jsonl") {
			names = append(names, e.Name())
		}
	}
	slices.Sort(names)
	for len(names) >= keepLogs {
		_ = os.Remove(filepath.Join(folder, names[0]))
		names = names[1:]
	}
}

// event writes one event. A disk that fills up during a run must not change the course of the run.
func (l *runLog) event(e fleet.Event) { writeJSON(l.file, e) }

// Close closes the log.
func (l *runLog) Close() error { return l.file.Close() }
