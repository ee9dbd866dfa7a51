package fleet_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/fleet"
)

func TestPushLinksEveryHost(t *testing.T) {
	t.Parallel()
	w := newWorld(t, embedded, 3)
	report := w.run(t.Context(), t, push(t, "1.0"), nil)
	require.Empty(t, report.Failures)
	require.Equal(t, fleet.Succeeded, report.Outcome)
	require.False(t, report.Already)
	require.NotNil(t, report.Skew)
	for _, h := range report.Hosts {
		require.Equal(t, "hello-1.0", h.Linked)
	}

	again := w.run(t.Context(), t, push(t, "1.0"), func(e fleet.Event) {
		require.NotContains(t, []fleet.Step{fleet.StepUpload, fleet.StepUnpack, fleet.StepEnvironment, fleet.StepSeal, fleet.StepLink}, e.Step, "nothing is left to do")
	})
	require.True(t, again.Already)

	require.Equal(t, fleet.Succeeded, w.run(t.Context(), t, push(t, "1.1"), nil).Outcome)
	back := w.run(t.Context(), t, fleet.Plan{Op: fleet.Rollback}, nil)
	require.Empty(t, back.Failures)
	require.Equal(t, "hello-1.0", back.Package)
	nowhere := w.run(t.Context(), t, fleet.Plan{Op: fleet.Rollback}, nil)
	require.Equal(t, fleet.Aborted, nowhere.Outcome)
	require.Equal(t, "no-target", nowhere.Failures[0].Code)
}

func TestStageWithConfirmAsksBeforeItIsLinked(t *testing.T) {
	t.Parallel()
	w := newWorld(t, embedded, 1)
	plan := push(t, "1.0")
	plan.Stage.Confirm = true
	var asked []string
	answer := false
	w.ask = func(_ context.Context, question string) bool {
		asked = append(asked, question)
		return answer
	}
	require.Equal(t, fleet.Aborted, w.run(t.Context(), t, plan, nil).Outcome)
	answer = true
	require.Equal(t, fleet.Succeeded, w.run(t.Context(), t, plan, nil).Outcome)
	require.Equal(t, []string{"link staging to hello-1.0 on web1?", "link staging to hello-1.0 on web1?"}, asked)
}
