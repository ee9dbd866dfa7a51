package runpage_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/event"
	"github.com/keep-it-simple/kis/internal/runlog"
	"github.com/keep-it-simple/kis/internal/runpage"
)

// recorded is a run that package ui has recorded, as its log.
func recorded(t *testing.T, name string) runlog.Run {
	t.Helper()
	stream, err := os.ReadFile(filepath.Join("..", "ui", "testdata", name+".jsonl"))
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), name+".jsonl")
	header := fmt.Sprintf(`{"type":"log","schema":%d,"kis":"1.0","time":"2026-11-29T12:00:00Z","by":"jane@laptop","op":%q,"stage":"live"}`, event.Schema, strings.Split(name, "-")[0])
	require.NoError(t, os.WriteFile(path, append([]byte(header+"\n"), stream...), 0o600))
	r, err := runlog.Read(path)
	require.NoError(t, err)
	require.NotEmpty(t, r.Events)
	return r
}

func written(t *testing.T, r runlog.Run) string {
	t.Helper()
	var page bytes.Buffer
	require.NoError(t, runpage.Write(&page, r))
	return page.String()
}

func TestPagesOfRecordedRuns(t *testing.T) {
	t.Parallel()
	for name, says := range map[string][]string{
		"push":        {`class="sentence good"`, "exit status 0", `class="barrier"`, `class="switch done"`},
		"rollback":    {`class="sentence good"`, `class="barrier"`},
		"refused":     {`class="sentence bad"`, "exit status 3", "barrier: not every host is ready", "What failed", " refused\""},
		"unreachable": {`class="sentence bad"`, "connection refused"},
	} {
		r := recorded(t, name)
		page := written(t, r)
		for _, text := range says {
			assert.Contains(t, page, text, name)
		}
		hosts := regexp.MustCompile(`data-host="([^"]+)"`).FindAllStringSubmatch(page, -1)
		require.Len(t, hosts, len(r.Events[0].Hosts), name)
		for i, h := range hosts {
			assert.Equal(t, r.Events[0].Hosts[i], h[1], "in the order of the run")
		}
		assert.NotRegexp(t, `(?:src|href)=|url\(|<script|https?://`, page, "it needs no network")
		ended := 0
		for _, e := range r.Events {
			if e.Type == event.TypeStep && e.State != event.Started {
				ended++
			}
		}
		assert.Equal(t, ended, strings.Count(page, "<rect "), "%s: every step is there", name)
	}
}

// Hosts and programs print any text.
func TestForeignTextIsNoMarkup(t *testing.T) {
	t.Parallel()
	const evil = `</pre><script>alert(1)</script>"'`
	begin := time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)
	page := written(t, runlog.Run{Header: runlog.Header{By: evil, Stage: evil}, Events: []event.Event{
		{Type: event.TypeStart, Time: begin, Package: evil, Hosts: []string{evil}, Run: evil},
		{Type: event.TypeStep, Time: begin, Host: evil, Step: event.StepCheck, State: event.Started},
		{Type: event.TypeOutput, Time: begin, Host: evil, Message: evil},
		{Type: event.TypeNotice, Time: begin, Message: evil},
		{Type: event.TypeReport, Time: begin.Add(time.Second), Report: &event.Report{Outcome: event.Aborted, Exit: 3, Failures: []event.Failure{{Host: evil, Step: event.StepCheck, Message: evil, Hint: evil, Tail: []string{evil}}}}},
	}})
	assert.NotContains(t, page, "<script")
	assert.Equal(t, 1, strings.Count(page, `class="reach unknown"`), "a step that never ended")
}

func TestALogThatBreaksOff(t *testing.T) {
	t.Parallel()
	r := recorded(t, "push")
	r.Events = r.Events[:len(r.Events)/2]
	page := written(t, r)
	assert.Contains(t, page, "the log has no end: kis was killed, or is still running")
	assert.NotContains(t, page, "exit status")
	assert.Contains(t, written(t, runlog.Run{}), "the log has no end", "not even an event")
}

// TestManyHosts: the drawing grows with the hosts.
func TestManyHosts(t *testing.T) {
	t.Parallel()
	begin := time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)
	r := runlog.Run{Events: []event.Event{{Type: event.TypeStart, Time: begin}}}
	for i := range 200 {
		r.Events[0].Hosts = append(r.Events[0].Hosts, fmt.Sprintf("web%d", i))
	}
	assert.Contains(t, written(t, r), `viewBox="0 0 1170 4432"`)
}
