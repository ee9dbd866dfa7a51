package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/keep-it-simple/kis/internal/deploy"
	"github.com/keep-it-simple/kis/internal/event"
)

// keepLogs is how many logs of runs are kept.
const keepLogs = 200

// runLog is the full log of one run: every event, one JSON object per line, readable by its owner only.
type runLog struct {
	path string
	file *os.File

	mu   sync.Mutex
	torn error // the first line that could not be written; what comes after it can be read only in part
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

// openRunLog starts a log with a line about the plan. It is written before any host is contacted, because a run without a record could not be
// explained later, and flushed, because some file systems tell only then that there is no room.
func (a *app) openRunLog(now time.Time, plan deploy.Plan) (*runLog, error) {
	state, err := a.state()
	if err != nil {
		return nil, err
	}
	folder := filepath.Join(state, "runs")
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, err
	}
	sweepLogs(folder)
	path := filepath.Join(folder, fmt.Sprintf("%s-%s-%d.jsonl", now.UTC().Format("20060102T150405Z"), string(plan.Op)+"-"+plan.Stage.Name.String(), os.Getpid()))
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	l := &runLog{path: path, file: file}
	hosts := make([]string, len(plan.Hosts))
	for i, h := range plan.Hosts {
		hosts[i] = h.Name
	}
	l.write(map[string]any{"type": "log", "schema": event.Schema, "kis": version(), "time": now.UTC(), "by": who(), "op": plan.Op, "stage": plan.Stage.Name, "hosts": hosts})
	if err := l.recorded(); err != nil {
		_, _ = l.Close(), os.Remove(path)
		return nil, err
	}
	return l, nil
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

// event writes one event. A disk that fills up once links are being switched must not change the course of the run.
func (l *runLog) event(e event.Event) { l.write(e) }

func (l *runLog) write(value any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	line, err := jsonLine(value)
	if err == nil {
		_, err = l.file.Write(line) //nolint:forbidigo // JSON that is safe
	}
	if err != nil && l.torn == nil {
		l.torn = err
	}
}

// recorded reports whether everything so far is on the disk.
func (l *runLog) recorded() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.torn != nil {
		return l.torn
	}
	return l.file.Sync()
}

// Close closes the log.
func (l *runLog) Close() error { return l.file.Close() }
