package deploy_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/event"
	"github.com/keep-it-simple/kis/sshx"
)

// TestAHostThatHadNothingToDoIsReadOnceMore: web1 is linked already, and something happens to it
// while web2 is switched. The oracle is not asked, because it knows of one run only.
func TestAHostThatHadNothingToDoIsReadOnceMore(t *testing.T) {
	t.Parallel()
	w := newWorld(t, embedded, 2)
	w.install(t, "1.0")
	one := *w
	one.hosts, one.roots = w.hosts[:1], w.roots[:1]
	plan := push(t, "1.0")
	require.Empty(t, one.run(t.Context(), t, plan, nil).Failures)
	stage := filepath.Join(w.roots[0].Root, "staging")
	for _, test := range []struct {
		name    string
		fault   func()
		outcome event.Outcome
		linked  string // on web1, "" when unknown
		state   event.State
	}{
		{"its connection breaks", w.proxy["web1"].Cut, event.Succeeded, "hello-1.0", ""},
		{"it is linked by hand", func() {
			assert.NoError(t, os.Symlink("hello-0.9", stage+".next"))
			assert.NoError(t, os.Rename(stage+".next", stage))
		}, event.Split, "hello-0.9", event.Refused},
		{"it is gone", func() {
			w.proxy["web1"].Down()
			w.proxy["web1"].Cut()
		}, event.Split, "", event.Unknown},
	} {
		dialer := &sshx.Dialer{}
		f := w.deployer(dialer, func(e event.Event) {
			if e.Host == "web2" && e.Step == event.StepLink && e.State == event.Started {
				test.fault()
			}
		})
		plan.Hosts, plan.Stage.Name = w.hosts, stageNamed(t, "staging")
		r := f.Run(t.Context(), plan)
		require.NoError(t, dialer.Close())
		assert.Equal(t, test.outcome, r.Outcome, test.name)
		assert.Equal(t, test.linked != "", r.Hosts[0].LinkKnown, test.name)
		if test.linked != "" {
			assert.Equal(t, test.linked, r.Hosts[0].Linked, test.name)
		}
		assert.Equal(t, "hello-1.0", r.Hosts[1].Linked, test.name)
		if test.state == "" {
			assert.Empty(t, r.Failures, test.name)
		} else if assert.Len(t, r.Failures, 1, test.name) {
			assert.Equal(t, "web1", r.Failures[0].Host)
			assert.Equal(t, test.state, r.Failures[0].State)
		}
		require.NoError(t, os.Remove(filepath.Join(w.roots[1].Root, "staging"))) // web2 is to be linked again
		require.NoError(t, os.Remove(stage))
		require.NoError(t, os.Symlink("hello-1.0", stage))
	}
}
