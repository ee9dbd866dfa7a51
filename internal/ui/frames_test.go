package ui

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/event"
	"github.com/keep-it-simple/kis/internal/safetext"
)

// recordedRun reads a recorded stream.
func recordedRun(t *testing.T, path string) []event.Event {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	var all []event.Event
	for line := range strings.Lines(string(text)) {
		var e event.Event
		require.NoError(t, json.Unmarshal([]byte(line), &e))
		all = append(all, e)
	}
	return all
}

// onHosts makes the run on three hosts one on so many: each host does what one of the three did, and
// each three a little later. They wait for each other at the barrier.
func onHosts(run []event.Event, n int) []event.Event {
	const later = 40 * time.Millisecond
	last := time.Duration(max(n-1, 0)/3) * later
	var all []event.Event
	var names []string
	for i := range n {
		names = append(names, fmt.Sprintf("web%d", i+1))
	}
	passed := false
	for _, e := range run {
		passed = passed || e.Type == event.TypeBarrier
		switch {
		case e.Type == event.TypeStart:
			e.Hosts = names
			all = append(all, e)
		case e.Host == "":
			e.Time = e.Time.Add(last)
			all = append(all, e)
		default:
			of := slices.Index([]string{"web1", "web2", "web3"}, e.Host)
			for i := of; i < n; i += 3 {
				one := e
				one.Host, one.Time = names[i], e.Time.Add(time.Duration(i/3)*later)
				if passed {
					one.Time = e.Time.Add(last)
				}
				all = append(all, one)
			}
		}
	}
	slices.SortStableFunc(all, func(a, b event.Event) int { return a.Time.Compare(b.Time) })
	return all
}

// TestRowsOfRecordedRuns: the rows of a run at some moments, on screens of several widths. At no
// moment are they too wide, too many, or none.
func TestRowsOfRecordedRuns(t *testing.T) {
	t.Parallel()
	run := recordedRun(t, "testdata/wheels.jsonl")
	for _, hosts := range []int{1, 3, 40, 200} {
		var text strings.Builder
		for _, columns := range []int{60, 80, 140, 200} {
			fmt.Fprintf(&text, "# %d columns\n", columns)
			text.WriteString(frames(t, onHosts(run, hosts), columns))
		}
		golden := fmt.Sprintf("testdata/rows-%d.txt", hosts)
		if *update {
			require.NoError(t, os.WriteFile(golden, []byte(text.String()), 0o644))
		}
		want, err := os.ReadFile(golden)
		require.NoError(t, err)
		assert.Equal(t, string(want), text.String(), "go test ./internal/ui -run TestRowsOfRecordedRuns -update")
	}
}

// frames are the rows at eight moments of a run.
func frames(t *testing.T, run []event.Event, columns int) string {
	t.Helper()
	var p progress
	var text strings.Builder
	begin, end := run[0].Time, run[len(run)-1].Time
	shown := end.Sub(begin) / 9
	changes, steps := 0, map[int]bool{}
	var before []row
	for now := begin; now.Before(end); now = now.Add(redrawInterval) {
		for len(run) > 0 && !run[0].Time.After(now) {
			p.follow(run[0])
			run = run[1:]
		}
		rows := p.rows(now, columns-1, maxRows)
		since := now.Sub(begin)
		assert.Equal(t, since >= minShown, len(rows) > 0, "%s after the beginning", since)
		assert.LessOrEqual(t, len(rows), maxRows)
		for _, r := range rows {
			assert.LessOrEqual(t, cellsOf(r.text), columns-1)
			steps[columnOf(r.text)] = true
		}
		if !slices.Equal(rows, before) {
			before = rows
			changes++
		}
		if since >= shown {
			shown += end.Sub(begin) / 9
			fmt.Fprintf(&text, "%s\n", safetext.Duration(since))
			for _, r := range rows {
				fmt.Fprintf(&text, "  %s\n", r.text)
			}
		}
	}
	assert.Len(t, steps, 1, "the column of the steps does not move")
	assert.Less(t, float64(changes)/end.Sub(begin).Seconds(), 8.0, "changes in a second")
	return text.String()
}

// columnOf is where the step of a row begins.
func columnOf(text string) int {
	first, _, _ := strings.Cut(text, "  ")
	rest := strings.TrimLeft(text[len(first):], " ")
	return utf8.RuneCountInString(text) - utf8.RuneCountInString(rest)
}
