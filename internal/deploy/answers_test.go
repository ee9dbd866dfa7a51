package deploy_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/deploy"
	"github.com/keep-it-simple/kis/internal/event"
	"github.com/keep-it-simple/kis/internal/sshtest"
)

// TestAHostThatLosesTwoAnswersInARowIsAskedAThirdTime: the connection is cut as the word to link
// goes out, and the one over which kis asks for the outcome is cut, too, somewhere between its
// first byte and its answer.
func TestAHostThatLosesTwoAnswersInARowIsAskedAThirdTime(t *testing.T) {
	t.Parallel()
	w := newWorld(t, embedded, 2)
	w.link(t, "1.0", "1.1")
	proxy := w.proxy["web2"]
	targets := []string{"hello-1.0", "hello-1.1"}
	for n, next := int64(2000), 0; n < 2470; n += 150 {
		report := w.run(t.Context(), t, deploy.Plan{Op: event.Relink, Target: pkg(t, targets[next])}, func(e event.Event) {
			switch {
			case e.Host != "web2" || e.State != event.Started:
			case e.Step == event.StepLink:
				proxy.Cut()
			case e.Step == event.StepResolve:
				proxy.CutAfter(n, sshtest.ToClient)
			}
		})
		require.Contains(t, []event.Outcome{event.Succeeded, event.RolledBack}, report.Outcome, "cut after %d bytes: %v", n, report.Failures)
		if report.Outcome == event.Succeeded {
			next = 1 - next
		}
	}
}
