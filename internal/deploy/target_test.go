package deploy_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/deploy"
	"github.com/keep-it-simple/kis/internal/event"
)

// TestAHostThatJoinedLaterDoesNotCloseTheWayBack: it has no previous package, and goes where the other
// hosts go. It gets the package from them.
func TestAHostThatJoinedLaterDoesNotCloseTheWayBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t, embedded, 2)
	first := *w
	first.hosts, first.roots = w.hosts[:1], w.roots[:1]
	require.Empty(t, first.run(t.Context(), t, push(t, "1.0"), nil).Failures)
	w.link(t, "1.1")
	report := w.run(t.Context(), t, deploy.Plan{Op: event.Rollback}, nil)
	require.Equal(t, event.Succeeded, report.Outcome, "%v", report.Failures)
	assert.Equal(t, "hello-1.0", report.Package)
}
