package recovery

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/event"
	"github.com/keep-it-simple/kis/internal/testenv"
	"github.com/keep-it-simple/kis/internal/testenv/hosttest"
)

// TestRunLogWrittenBeforeCommit_K6, so that it can be put right by hand should this machine die then.
func TestRunLogWrittenBeforeCommit_K6(t *testing.T) {
	t.Parallel()
	w := testenv.New(t, 1, hosttest.Options{})
	w.Run(0, "hello-0.3", "push", "staging", "--sdist", w.Archive())
	logs, err := filepath.Glob(filepath.Join(w.Home, "state", "kis", "runs", "*.jsonl"))
	require.NoError(t, err)
	require.Len(t, logs, 1)
	text, err := os.ReadFile(logs[0])
	require.NoError(t, err)
	var types []event.Type
	for line := range strings.Lines(string(text)) {
		var e event.Event
		require.NoError(t, json.Unmarshal([]byte(line), &e))
		types = append(types, e.Type)
		switch {
		case e.Type == event.TypeBarrier:
			assert.NotEmpty(t, e.Run)
			assert.Equal(t, []event.Change{{Host: "web1", To: "hello-0.3"}}, e.Links)
		case e.Step == event.StepArm || e.Step == event.StepLink:
			assert.Contains(t, types, event.TypeBarrier)
		}
	}
	assert.Equal(t, []event.Type{"log", event.TypeStart}, types[:2])
}
