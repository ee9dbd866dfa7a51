package ui

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/event"
)

var update = flag.Bool("update", false, "TestViewsOfRecordedRuns writes the expected output instead of comparing with it") //nolint:gochecknoglobals // flags of a test have no other place

// TestViewsOfRecordedRuns: testdata has the streams of real runs, and how the views show them. The
// JSON view prints a stream as it was recorded.
func TestViewsOfRecordedRuns(t *testing.T) {
	t.Parallel()
	streams, err := filepath.Glob("testdata/*.jsonl")
	require.NoError(t, err)
	require.NotEmpty(t, streams)
	for _, path := range streams {
		recorded, err := os.ReadFile(path)
		require.NoError(t, err)
		assert.Equal(t, string(recorded), shown(t, recorded, &UI{Output: JSON}), path)
		text := shown(t, recorded, &UI{}) + "\n# with --quiet\n" + shown(t, recorded, &UI{Quiet: true})
		golden := strings.TrimSuffix(path, ".jsonl") + ".txt"
		if *update {
			require.NoError(t, os.WriteFile(golden, []byte(text), 0o644))
		}
		want, err := os.ReadFile(golden)
		require.NoError(t, err)
		assert.Equal(t, string(want), text, "go test ./internal/ui -run TestViewsOfRecordedRuns -update")
	}
}

// shown is a recorded stream as a view prints it, without colors.
func shown(t *testing.T, recorded []byte, u *UI) string {
	t.Helper()
	var out, errs bytes.Buffer
	u.Streams = Streams{Out: NewPrinter(&out), Err: NewPrinter(&errs)}
	v := u.View()
	for line := range bytes.Lines(recorded) {
		var e event.Event
		require.NoError(t, json.Unmarshal(line, &e))
		v.Event(e)
		if e.Report != nil {
			v.Report(*e.Report, "~/.local/state/kis/runs/RUN.jsonl")
		}
	}
	if errs.Len() == 0 {
		return out.String()
	}
	return out.String() + "# on standard error\n" + errs.String()
}
