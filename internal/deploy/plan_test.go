package deploy_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/deploy"
	"github.com/keep-it-simple/kis/internal/event"
	"github.com/keep-it-simple/kis/inventory"
)

// dry says what a plan would do on each host.
func (w *world) dry(t *testing.T, p deploy.Plan) []string {
	t.Helper()
	p.DryRun = true
	var plans []string
	r := w.run(t.Context(), t, p, nil)
	require.Equal(t, event.Succeeded, r.Outcome, "%v", r.Failures)
	for _, h := range r.Hosts {
		plans = append(plans, h.Plan)
	}
	return plans
}

// TestADryRunSaysWhatTheRunDoes: the commands of after_link are named, also where they run again
// for what is linked.
func TestADryRunSaysWhatTheRunDoes(t *testing.T) {
	t.Parallel()
	w := newWorld(t, embedded, 2)
	both := func(plan string) []string { return []string{plan, plan} }
	bare, first := push(t, "1.0"), push(t, "1.0")
	first.Stage.AfterLink = []inventory.Command{{Run: "true"}}
	assert.Equal(t, both("upload, build, verify, link"), w.dry(t, bare))
	assert.Equal(t, both("upload, build, verify, link, after_link"), w.dry(t, first))
	first.NoLink = true
	assert.Equal(t, both("upload, build, verify"), w.dry(t, first))
	w.install(t, "1.0", "1.1")
	require.Empty(t, w.run(t.Context(), t, first, nil).Failures)
	first.NoLink = false
	assert.Equal(t, both("verify, link, after_link; the package is already installed"), w.dry(t, first))
	require.Empty(t, w.run(t.Context(), t, first, nil).Failures)
	assert.Equal(t, both("nothing; already linked"), w.dry(t, first))
	require.Empty(t, w.run(t.Context(), t, push(t, "1.1"), nil).Failures)

	failing := inventory.Stage{AfterLink: []inventory.Command{{Run: `test "$KIS_HOST" = web1`}}}
	back := deploy.Plan{Op: event.Rollback, Target: pkg(t, "hello-1.0"), Stage: failing}
	assert.Equal(t, both("verify, link, after_link"), w.dry(t, back))
	require.Equal(t, event.RolledBack, w.run(t.Context(), t, back, nil).Outcome)
	again := deploy.Plan{Op: event.Relink, Target: pkg(t, "hello-1.1"), Stage: inventory.Stage{AfterLink: []inventory.Command{{Run: "true"}}}}
	assert.Equal(t, both("verify, after_link, confirm; already linked, but not confirmed"), w.dry(t, again))
	ran := map[string]bool{}
	r := w.run(t.Context(), t, again, func(e event.Event) {
		if e.Step == event.StepAfterLink && e.State == event.Done {
			ran[e.Host] = true
		}
	})
	require.Equal(t, event.Succeeded, r.Outcome)
	assert.Equal(t, map[string]bool{"web1": true, "web2": true}, ran)
	assert.Equal(t, both("nothing; already linked"), w.dry(t, again))
}
