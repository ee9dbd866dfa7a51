package deploy_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/event"
	"github.com/keep-it-simple/kis/inventory"
	"github.com/keep-it-simple/kis/remote"
)

// TestACheckNamesWhatAReleaseNeeds and is not there, with a command that works as it is printed.
func TestACheckNamesWhatAReleaseNeeds(t *testing.T) {
	t.Parallel()
	w := newWorld(t, embedded, 1)
	plan := push(t, "1.0")
	plan.Op, plan.DryRun = event.Check, true
	plan.Recipe.Shared = inventory.Shared{Files: []string{"config/.env"}}
	report := w.run(t.Context(), t, plan, nil)
	require.Equal(t, event.Aborted, report.Outcome)
	require.Len(t, report.Failures, 1)
	f := report.Failures[0]
	place := filepath.Join(w.hosts[0].Root, "shared/config/.env")
	assert.Equal(t, remote.CodeNoSharedFile, f.Code)
	assert.Equal(t, place+" is missing", f.Message)
	command, found := strings.CutPrefix(f.Hint, "put it there: ssh web1 '")
	require.True(t, found, f.Hint)
	command, input, found := strings.Cut(command, "' < ")
	require.True(t, found, f.Hint)
	assert.Equal(t, "config/.env", input)
	there := exec.CommandContext(t.Context(), "sh", "-c", command)
	there.Stdin = strings.NewReader("KEY=1\n")
	require.NoError(t, there.Run())
	text, err := os.ReadFile(place)
	require.NoError(t, err)
	assert.Equal(t, "KEY=1\n", string(text))

	plan.Stage.Health = inventory.Health{URL: "http://127.0.0.1:$KIS_VAR_PORT/"}
	report = w.run(t.Context(), t, plan, nil)
	require.Len(t, report.Failures, 1)
	assert.Equal(t, "health: the host has no variable KIS_VAR_PORT", report.Failures[0].Message)
	w.hosts[0].Vars = map[string]string{"port": "8000"}
	assert.Equal(t, event.Succeeded, w.run(t.Context(), t, plan, nil).Outcome)
}
