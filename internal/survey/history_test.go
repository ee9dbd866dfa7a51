package survey_test

import (
	"encoding/json"
	"fmt"
	"hash/crc32"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/survey"
	"github.com/keep-it-simple/kis/remote"
)

// TestTheLogIsInOrderWhateverTheHostsClocksSay: web2's is ten years ahead. A time is that of the
// machine that kis ran on, where the line says it.
func TestTheLogIsInOrderWhateverTheHostsClocksSay(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	line := func(run string, at, requested time.Time) string {
		record := map[string]any{"at": at, "run": run, "ev": "confirmed", "op": "push", "from": "app-1", "to": "app-2", "by": "ann@laptop", "scope": "all"}
		if !requested.IsZero() {
			record["requested"] = requested
		}
		text, err := json.Marshal(record)
		require.NoError(t, err)
		return fmt.Sprintf(`%s,"crc":"%08x"}`, text[:len(text)-1], crc32.ChecksumIEEE(text))
	}
	repository := func(lines ...string) survey.Repository {
		return survey.Repository{State: remote.RepositoryState{Stages: []remote.StageState{{Stage: "live", Lines: lines}}}}
	}
	ahead := now.AddDate(10, 0, 0)
	found := map[string]survey.Repository{
		"web1": repository(line("first", now, time.Time{}), line("third", now.Add(2*time.Minute), now.Add(2*time.Minute))),
		"web2": repository(line("first", ahead, time.Time{}), line("second", ahead.Add(time.Minute), now.Add(time.Minute)), line("third", ahead.Add(2*time.Minute), now.Add(2*time.Minute))),
	}
	for _, hosts := range [][]string{{"web1", "web2"}, {"web2", "web1"}} {
		runs := survey.History("live", hosts, found)
		require.Len(t, runs, 3)
		assert.Equal(t, []string{"third", "second", "first"}, []string{runs[0].Run, runs[1].Run, runs[2].Run})
		assert.Equal(t, now.Add(2*time.Minute), runs[0].At)
		assert.Equal(t, now.Add(time.Minute), runs[1].At)
		assert.ElementsMatch(t, hosts, runs[0].Result["confirmed"])
	}
}

// That somebody has ended a run on purpose is no line about the link, and is requested beside it.
func TestTheLogNamesTheUserWhoEndedARun(t *testing.T) {
	t.Parallel()
	line := func(record map[string]any) string {
		text, err := json.Marshal(record)
		require.NoError(t, err)
		return fmt.Sprintf(`%s,"crc":"%08x"}`, text[:len(text)-1], crc32.ChecksumIEEE(text))
	}
	lines := []string{
		line(map[string]any{"run": "first", "ev": "linked", "op": "push", "to": "app-1", "by": "ann@laptop"}),
		line(map[string]any{"run": "first", "ev": "unconfirmed", "op": "push", "to": "app-1", "by": "ann@laptop"}),
		line(map[string]any{"run": "first", "ev": "ended", "by": "bob@desk"}),
		line(map[string]any{"run": "second", "ev": "confirmed", "op": "push", "to": "app-1", "by": "bob@desk"}),
	}
	found := map[string]survey.Repository{"web1": {State: remote.RepositoryState{Stages: []remote.StageState{{Stage: "live", Lines: lines}}}}}
	runs := survey.History("live", []string{"web1"}, found)
	require.Len(t, runs, 2)
	assert.Equal(t, map[remote.EventKind][]string{"unconfirmed": {"web1"}}, runs[1].Result)
	assert.Equal(t, map[string][]string{"ended by bob@desk with kis unlock --force": {"web1"}}, runs[1].Notes)
}
