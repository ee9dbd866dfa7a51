package deploy_test

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/deploy"
	"github.com/keep-it-simple/kis/internal/event"
	"github.com/keep-it-simple/kis/internal/testenv/oracle"
	"github.com/keep-it-simple/kis/inventory"
)

func TestPushLinksEveryHost(t *testing.T) {
	t.Parallel()
	w := newWorld(t, embedded, 2)
	report := w.run(t.Context(), t, push(t, "1.0"), nil)
	require.Empty(t, report.Failures)
	require.Equal(t, event.Succeeded, report.Outcome)
	require.False(t, report.UpToDate)
	require.NotNil(t, report.Skew)
	for _, h := range report.Hosts {
		require.Equal(t, "hello-1.0", h.Linked)
	}

	again := w.run(t.Context(), t, push(t, "1.0"), func(e event.Event) {
		require.NotContains(t, []event.Step{event.StepUpload, event.StepUnpack, event.StepEnvironment, event.StepSeal, event.StepLink}, e.Step, "nothing is left to do")
	})
	require.True(t, again.UpToDate)
	first := w.run(t.Context(), t, deploy.Plan{Op: event.Rollback}, nil)
	require.Equal(t, event.Aborted, first.Outcome)
	require.Equal(t, "nothing to roll back to: the journal of staging names no other package", first.Failures[0].Message)

	require.Equal(t, event.Succeeded, w.run(t.Context(), t, push(t, "1.1"), untouched(t, w)).Outcome)
	back := w.run(t.Context(), t, deploy.Plan{Op: event.Rollback}, nil)
	require.Empty(t, back.Failures)
	require.Equal(t, "hello-1.0", back.Package)
	nowhere := w.run(t.Context(), t, deploy.Plan{Op: event.Rollback}, nil)
	require.Equal(t, event.Aborted, nowhere.Outcome)
	require.Equal(t, event.CodeNoTarget, nowhere.Failures[0].Code)
	require.Equal(t, "nothing to roll back to: every earlier package of staging was rolled back, or was never confirmed", nowhere.Failures[0].Message)
	require.Equal(t, "list the packages: kis list staging\nthen name one: kis rollback staging --to PACKAGE", nowhere.Failures[0].Hint)
}

// untouched requires that no host has switched while the event of the last step before it is not
// received.
func untouched(t *testing.T, w *world) func(event.Event) {
	t.Helper()
	started := 0
	return func(e event.Event) {
		if e.Step != event.StepLink || e.State != event.Started {
			return
		}
		if started++; started < len(w.hosts) {
			return
		}
		assert.Never(t, func() bool {
			return slices.ContainsFunc(w.roots, func(h oracle.Host) bool {
				target, err := os.Readlink(filepath.Join(h.Root, "staging"))
				return err != nil || target != "hello-1.0"
			})
		}, time.Second/2, 10*time.Millisecond, "a host got the commit before the stream its event")
	}
}

// TestTheWheelIsBuiltWhileConnecting: the build begins before any host is connected, and a run that does not need it ends it.
func TestTheWheelIsBuiltWhileConnecting(t *testing.T) {
	t.Parallel()
	w := newWorld(t, embedded, 1)
	w.install(t, "1.0")
	begun, connecting, ended := make(chan struct{}), make(chan struct{}), false
	p := push(t, "1.0")
	p.BuildWheel = func(ctx context.Context, say func(string)) {
		<-connecting
		close(begun)
		say("building")
		<-ctx.Done()
		ended = true
	}
	var notices []string
	report := w.run(t.Context(), t, p, func(e event.Event) {
		if e.Step == event.StepConnect && e.State == event.Started {
			close(connecting)
		}
		if e.Type == event.TypeStep && e.Step == event.StepCheck && e.State == event.Started {
			<-begun
		}
		if e.Type == event.TypeNotice {
			notices = append(notices, e.Message)
		}
	})
	assert.Equal(t, event.Succeeded, report.Outcome)
	assert.Contains(t, notices, "building")
	assert.True(t, ended, "the run has waited for the end")
}

func TestStageWithConfirmAsksBeforeItIsLinked(t *testing.T) {
	t.Parallel()
	w := newWorld(t, embedded, 1)
	w.install(t, "1.0")
	plan := push(t, "1.0")
	plan.Stage.Confirm = true
	var asked []string
	answer := false
	w.ask = func(_ context.Context, question string) bool {
		asked = append(asked, question)
		return answer
	}
	require.Equal(t, event.Aborted, w.run(t.Context(), t, plan, nil).Outcome)
	answer = true
	require.Equal(t, event.Succeeded, w.run(t.Context(), t, plan, nil).Outcome)
	require.Equal(t, []string{"link staging to hello-1.0 on web1 (now nothing)?", "link staging to hello-1.0 on web1 (now nothing)?"}, asked)
}

func TestStageVerifiesWhatNoPushBeforeHas(t *testing.T) {
	t.Parallel()
	w := newWorld(t, embedded, 1)
	ran := func(events []event.Event) int {
		n := 0
		for _, e := range events {
			if e.Type == event.TypeOutput && e.Message == "verified" {
				n++
			}
		}
		return n
	}
	push := push(t, "1.0")
	deploy := func(stage string, verify ...string) (event.Report, int) {
		var events []event.Event
		push.Stage, push.Verify = inventory.Stage{Name: stageNamed(t, stage)}, nil
		for _, c := range verify {
			push.Verify = append(push.Verify, inventory.Command{Run: c})
		}
		report := w.run(t.Context(), t, push, func(e event.Event) { events = append(events, e) })
		return report, ran(events)
	}
	report, n := deploy("staging", "echo verified")
	require.Equal(t, event.Succeeded, report.Outcome)
	require.Equal(t, 1, n)
	report, n = deploy("production", "echo verified")
	require.Equal(t, event.Succeeded, report.Outcome)
	require.Equal(t, 0, n, "a verification is final")
	report, n = deploy("special", "echo verified", "exit 1")
	require.Equal(t, event.Aborted, report.Outcome, "the command of this stage runs")
	require.Equal(t, 0, n)
}

func TestAfterLinkFailureRollsEveryHostBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t, embedded, 2)
	w.install(t, "1.0", "1.1")
	require.Empty(t, w.run(t.Context(), t, push(t, "1.0"), nil).Failures)
	plan := push(t, "1.1")
	plan.Stage.AfterLink = []inventory.Command{{Run: `echo "$KIS_PACKAGE after $KIS_PREVIOUS"; test "$KIS_HOST.$KIS_PACKAGE" != web2.hello-1.1`}}
	var said, notices []string
	report := w.run(t.Context(), t, plan, func(e event.Event) {
		switch e.Type {
		case event.TypeOutput:
			if e.Step == event.StepAfterLink {
				said = append(said, e.Host+": "+e.Message)
			}
		case event.TypeNotice:
			notices = append(notices, e.Message)
		}
	})
	require.Equal(t, event.RolledBack, report.Outcome)
	require.ElementsMatch(t, []string{
		"web1: hello-1.1 after hello-1.0", "web2: hello-1.1 after hello-1.0", "web1: hello-1.0 after hello-1.1", "web2: hello-1.0 after hello-1.1",
	}, said)
	require.Empty(t, notices, "the command was content with the package that is back")
}
