package remote_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/remote"
)

// history writes a stage's journal as the runs of a fleet do that ends in every way there is.
type history struct {
	random  *rand.Rand
	entries []remote.Entry
	link    string // what the stage is linked to
}

// append writes a line and reads it again, as each host and each kis does.
func (h *history) append(e map[string]any) {
	e["v"], e["seq"], e["at"] = 1, len(h.entries)+1, time.Unix(int64(1e9+len(h.entries)), 0).UTC()
	text, _ := json.Marshal(e)
	read := remote.ParseJournal([]string{line(strings.TrimSuffix(strings.TrimPrefix(string(text), "{"), "}")), ""})
	h.entries = append(h.entries, read.Entries...)
}

func (h *history) journal() remote.Journal { return remote.Journal{Entries: h.entries} }

// run is one run, with one of the ends that a run has.
func (h *history) run(i int) {
	j := h.journal()
	op, to := "push", fmt.Sprintf("a-%d", h.random.IntN(40))
	if previous := j.Previous(h.link); h.random.IntN(4) == 0 && !previous.IsZero() {
		op, to = "rollback", previous.String()
	}
	from, resumed := h.link, false
	if open, some := j.Open(); some && h.random.IntN(2) == 0 && open.To == h.link {
		from, to, op, resumed = open.From, open.To, open.Op, true
	}
	if to == from {
		return
	}
	run := map[string]any{"run": fmt.Sprintf("run%d", i), "op": op, "from": from, "to": to, "by": fmt.Sprintf("user%d", i), "scope": "all", "after": h.random.IntN(2) == 0, "before": j.Checkpoint(resumed)}
	say := func(event string, more map[string]any) {
		e := map[string]any{"ev": event}
		for _, members := range []map[string]any{run, more} {
			maps.Copy(e, members)
		}
		h.append(e)
	}
	if !resumed {
		say("armed", nil)
		if h.random.IntN(5) == 0 {
			say("aborted", nil)
			return
		}
		say("linked", nil)
	}
	h.link = to
	switch h.random.IntN(5) {
	case 0: // the laptop died
		if h.random.IntN(2) == 0 {
			say("unconfirmed", nil)
		}
	case 1, 2:
		say("confirmed", nil)
	default:
		h.link = from
		say("reverted", nil)
		if h.random.IntN(2) == 0 {
			say("reverted", map[string]any{"restarted": true})
		} else if h.random.IntN(2) == 0 {
			say("reverted", map[string]any{"restarted": true, "note": "after_link failed after the rollback"})
		}
	}
}

// TestEveryWindowOfAJournalSaysTheSame: however few of its newest lines are read, they say since
// when and by whom the stage is linked, and what a rollback goes to.
func TestEveryWindowOfAJournalSaysTheSame(t *testing.T) {
	t.Parallel()
	for seed := range uint64(60) {
		h := &history{random: rand.New(rand.NewPCG(seed, 0))}
		for i := range 25 {
			h.run(i)
		}
		whole := h.journal()
		want := whole.Fold()
		for size := 1; size < len(h.entries); size++ {
			part := remote.Journal{Entries: h.entries[len(h.entries)-size:]}
			got := part.Fold()
			require.Equal(t, want.LinkRecord, got.LinkRecord, "seed %d, the last %d of %d: %v", seed, size, len(h.entries), h.entries)
			require.Equal(t, want.Note, got.Note, "seed %d, the last %d", seed, size)
			require.Equal(t, want.AfterLink, got.AfterLink, "seed %d, the last %d", seed, size)
			for _, current := range []string{h.link, "a-1", "b-1", ""} {
				require.Equal(t, whole.Previous(current), part.Previous(current), "seed %d, the last %d, linked to %s", seed, size, current)
			}
		}
	}
}

// TestACheckpointFitsIntoALine whatever the names are, with what else recovery needs.
func TestACheckpointFitsIntoALine(t *testing.T) {
	t.Parallel()
	l := installed(t, "1")
	h := &history{random: rand.New(rand.NewPCG(1, 1))}
	long := strings.Repeat("n", 60)
	for i := range 40 {
		h.append(map[string]any{"run": fmt.Sprint(i), "op": "push", "from": fmt.Sprintf("%s-%d", long, i), "to": fmt.Sprintf("%s-%d", long, i+1), "ev": "confirmed", "by": strings.Repeat("\U0001f600", 500)})
	}
	h.append(map[string]any{"run": "40", "op": "push", "from": long + "-40", "to": "a-1", "ev": "reverted", "note": strings.Repeat("\u2603", 1000)})
	change := l.change(t, "", "app-1")
	change.Note.Before = h.journal().Checkpoint(false)
	change.Note.Hosts = strings.Fields(strings.Repeat("web1.example.org ", 1000))
	require.NoError(t, l.Arm(t.Context(), change, soon))
	facts, err := l.Check(t.Context(), remote.CheckRequest{Stage: l.stage})
	require.NoError(t, err)
	require.Len(t, facts.Stage.Lines, 1)
	assert.Less(t, len(facts.Stage.Lines[0]), 4096)
	assert.Equal(t, long+"-39", remote.ParseJournal(append(facts.Stage.Lines, "")).Previous(long+"-40").String())
}

// TestADeploymentReadsFewLines of a long journal: those after a checkpoint. A journal of the first
// versions has none, and is read as far back as status reads it.
func TestADeploymentReadsFewLines(t *testing.T) {
	t.Parallel()
	l := opened(t, unused(t))
	sh(t, l.root, "mkdir -m 700 .kis .kis/journal")
	for stage, member := range map[string]string{"staging": `,"before":{"to":"app-1"}`, "production": ""} {
		lines := strings.Repeat(line(`"v":1,"seq":1,"run":"1","ev":"confirmed","to":"app-1"`+member)+"\n", 150)
		require.NoError(t, os.WriteFile(filepath.Join(l.root, ".kis/journal", stage), []byte(lines), 0o600))
	}
	read := map[string]int{}
	for _, s := range []string{"staging", "production"} {
		facts, err := l.Check(t.Context(), remote.CheckRequest{Stage: stage(t, s)})
		require.NoError(t, err)
		require.Equal(t, s == "staging", facts.Stage.Older, s)
		read[s] = len(facts.Stage.Lines)
	}
	assert.Equal(t, map[string]int{"staging": 15, "production": 150}, read)
	state, err := l.State(t.Context(), remote.StateRequest{})
	require.NoError(t, err)
	for _, s := range state.Stages {
		assert.Len(t, s.Lines, 150, s.Stage)
		assert.False(t, s.Older, s.Stage)
	}
}

// TestACheckpointThatDoesNotFitIsRefused before anything changes: a line that is too long could be
// torn.
func TestACheckpointThatDoesNotFitIsRefused(t *testing.T) {
	t.Parallel()
	l := installed(t, "1")
	for _, before := range []any{
		map[string]any{"by": strings.Repeat("x", 4000)}, map[string]any{"packages": "a-1"}, map[string]any{"confirmed": 1}, map[string]any{"x": []any{[]any{[]any{}}}}, "a-1", []string{"a-1"},
	} {
		requireRefused(t, l.Send(t.Context(), "arm", map[string]any{
			"stage": l.stage, "run": l.run, "operation": "push", "expected": nil, "to": "app-1", "seconds": 1, "note": map[string]any{"before": before},
		}), "bad-request")
	}
	assert.Empty(t, events(t, l.root))
}
