//go:build recovery

package deploy_test

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/deploy"
	"github.com/keep-it-simple/kis/internal/event"
	"github.com/keep-it-simple/kis/internal/testenv/oracle"
	"github.com/keep-it-simple/kis/inventory"
)

// buildCuts are the points of a push before everything is prepared. Nothing may have changed,
// whether the host is reachable again or not.
func buildCuts() []cut {
	return []cut{
		{step: event.StepConnect, after: true, outcome: event.Aborted},
		{step: event.StepCheck, outcome: event.Aborted},
		{step: event.StepLock, outcome: event.Aborted},
		{step: event.StepUpload, outcome: event.Aborted},
		{step: event.StepUnpack, outcome: event.Aborted},
		{step: event.StepWheels, outcome: event.Aborted},
		{step: event.StepEnvironment, outcome: event.Aborted},
		{step: event.StepVerify, outcome: event.Aborted},
		{step: event.StepSeal, outcome: event.Aborted},
		{step: event.StepSeal, answer: true, outcome: event.Aborted},
	}
}

// linkCuts are the points of the switch.
func linkCuts() []cut {
	return []cut{
		{step: event.StepArm, outcome: event.Aborted},
		{step: event.StepArm, answer: true, outcome: event.Aborted},
		{step: event.StepRollCall, outcome: event.Aborted},
		{step: event.StepLink, outcome: event.RolledBack},
		{step: event.StepLink, answer: true, outcome: event.Succeeded},
		{step: event.StepLink, down: true, outcome: event.Split},
		{step: event.StepLink, answer: true, down: true, outcome: event.Split},
		{step: event.StepAfterLink, outcome: event.RolledBack},
		{step: event.StepAfterLink, down: true, outcome: event.Split},
		{step: event.StepConfirm, outcome: event.Succeeded},
		{step: event.StepConfirm, answer: true, outcome: event.Succeeded},
		{step: event.StepConfirm, down: true, outcome: event.Split},
	}
}

// backends are the hosts that the rows run over.
func backends() []string { return []string{"embedded", "openssh"} }

func startWorld(t *testing.T, name string) *world {
	t.Helper()
	return newWorld(t, map[string]backend{"embedded": embedded, "openssh": openssh}[name], 3)
}

func TestCutWhileBuilding(t *testing.T) {
	t.Parallel()
	for turn, name := range backends() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := startWorld(t, name)
			require.Empty(t, w.run(t.Context(), t, push(t, "1.0"), nil).Failures)
			plan := push(t, "1.1")
			plan.NoLink = true // a package that is linked cannot be removed and built again
			require.Empty(t, w.run(t.Context(), t, plan, nil).Failures)
			for i, c := range buildCuts() {
				if i%2 != turn { // over one of the backends
					continue
				}
				j := i / 2 % len(w.hosts) // one host in turn: a build knows nothing of other hosts
				host := w.hosts[j].Name
				remove(t, w.roots[j], plan.Archive.Package.String()) // this host is to build it again, so that there is something to cut
				report := w.run(t.Context(), t, plan, c.on(w, host))
				require.Equalf(t, c.outcome, report.Outcome, "%v on %s: %v", c, host, report.Failures)
				require.Equalf(t, host, report.Failures[0].Host, "%v", c)
				t.Logf("%-24v %s: %s", c, host, report.Outcome)
				require.Emptyf(t, w.run(t.Context(), t, plan, nil).Failures, "push again after %v", c)
			}
			plan.NoLink = false
			require.Empty(t, w.run(t.Context(), t, plan, nil).Failures)
		})
	}
}

// remove removes a package from a host.
func remove(t *testing.T, h oracle.Host, name string) {
	t.Helper()
	path := filepath.Join(h.Root, name)
	makeRemovable(path)
	require.NoError(t, os.RemoveAll(path))
}

func TestCutWhileLinking(t *testing.T) {
	t.Parallel()
	for _, name := range backends() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := startWorld(t, name)
			w.link(t, "1.0", "1.1")
			linked := "hello-1.1"
			for i, c := range linkCuts() {
				host := w.hosts[i/2%len(w.hosts)].Name // in turn: they do not differ
				next := map[string]string{"hello-1.0": "hello-1.1", "hello-1.1": "hello-1.0"}[linked]
				plan := deploy.Plan{Op: event.Relink, Target: pkg(t, next), Stage: inventory.Stage{AfterLink: []inventory.Command{{Run: "true"}}}}
				report := w.run(t.Context(), t, plan, c.on(w, host))
				require.Equalf(t, c.outcome, report.Outcome, "%v on %s: %v", c, host, report.Failures)
				requireTable(t, c, host, report)
				t.Logf("%-24v %s: %s", c, host, report.Outcome)
				require.Emptyf(t, w.run(t.Context(), t, plan, nil).Failures, "again after %v", c)
				linked = next
			}
		})
	}
}

// requireTable checks that the report claims to know what it knows, and no more.
func requireTable(t *testing.T, c cut, host string, r event.Report) {
	t.Helper()
	unknown := []string{}
	for _, h := range r.Hosts {
		if !h.LinkKnown {
			unknown = append(unknown, h.Host)
		}
	}
	if r.Outcome == event.Split {
		require.Equalf(t, []string{host}, unknown, "%v", c)
		return
	}
	require.Emptyf(t, unknown, "%v", c)
	require.Truef(t, slices.ContainsFunc(r.Hosts, func(h event.HostReport) bool { return h.Host == host }), "%v", c)
}
