package deploy_test

import (
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/deploy"
	"github.com/keep-it-simple/kis/internal/event"
)

// TestAHostThatJoinedLaterDoesNotCloseTheWayBack: it has no previous package, and goes where the other
// hosts go, once the package is there.
func TestAHostThatJoinedLaterDoesNotCloseTheWayBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t, embedded, 2)
	first := *w
	first.hosts, first.roots = w.hosts[:1], w.roots[:1]
	first.link(t, "1.0")
	w.link(t, "1.1")
	back := deploy.Plan{Op: event.Rollback}
	report := w.run(t.Context(), t, back, nil)
	require.Equal(t, event.Aborted, report.Outcome)
	require.Len(t, report.Failures, 1)
	assert.Equal(t, "web2: hello-1.0 is not installed", report.Failures[0].Host+": "+report.Failures[0].Message)
	assert.Contains(t, report.Failures[0].Hint, "push it to web2 ")

	require.NoError(t, exec.CommandContext(t.Context(), "cp", "-a", filepath.Join(w.roots[0].Root, "hello-1.0"), w.roots[1].Root).Run())
	report = w.run(t.Context(), t, back, nil)
	require.Equal(t, event.Succeeded, report.Outcome, "%v", report.Failures)
	assert.Equal(t, "hello-1.0", report.Package)
}
