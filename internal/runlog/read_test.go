package runlog_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/event"
	"github.com/keep-it-simple/kis/internal/runlog"
)

func TestLogsAreFoundAndRead(t *testing.T) {
	t.Parallel()
	dir := runlog.Dir(filepath.Join(t.TempDir(), "[no] pattern*"))
	for i, run := range []string{"older", "newer"} {
		log, err := dir.Open(runlog.Header{Time: time.Unix(int64(i+1)*1000, 0), Op: event.Push, Stage: "live"})
		require.NoError(t, err)
		log.Event(event.Event{Type: event.TypeStart, Run: run})
		require.NoError(t, log.Close())
	}
	for wanted, run := range map[string]string{"live": "newer", "older": "older"} {
		path, err := dir.Find(wanted)
		require.NoError(t, err)
		r, err := runlog.Read(path)
		require.NoError(t, err)
		assert.Equal(t, run, r.Events[0].Run)
		again, err := dir.Find(path)
		require.NoError(t, err)
		assert.Equal(t, path, again)
	}
	_, err := dir.Find("other")
	require.ErrorIs(t, err, runlog.ErrNoRun)

	path := filepath.Join(t.TempDir(), "x.jsonl")
	for text, says := range map[string]string{
		"":                                  "is not a log of kis",
		"{}\n":                              "is not a log of kis",
		`{"type":"log","schema":1}`:         "of another version of kis (schema 1)",
		`{"type":"step","schema":2}` + "\n": "is not a log of kis",
	} {
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		_, err := runlog.Read(path)
		require.ErrorContains(t, err, says, text)
	}
	require.NoError(t, os.WriteFile(path, []byte(`{"type":"log","schema":2}`+"\n"+`{"type":"start"}`+"\n"+`{"type":"st`), 0o600))
	r, err := runlog.Read(path)
	require.NoError(t, err)
	assert.Len(t, r.Events, 1, "kis was killed while it wrote a line")
}
