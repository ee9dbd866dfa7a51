package deploy_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/event"
	"github.com/keep-it-simple/kis/remote"
)

func TestAPythonThatTheApplicationDoesNotWantIsRefusedBeforeTheUpload(t *testing.T) {
	t.Parallel()
	w := newWorld(t, embedded, 1)
	for _, dry := range []bool{true, false} {
		plan := push(t, "1.0")
		plan.DryRun, plan.Archive.RequiresPython = dry, ">=3.99"
		report := w.run(t.Context(), t, plan, func(e event.Event) { assert.NotEqual(t, event.StepLock, e.Step) })
		assert.Equal(t, 3, report.Exit)
		require.Len(t, report.Failures, 1)
		assert.Equal(t, event.StepCheck, report.Failures[0].Step)
		assert.Equal(t, remote.CodeWrongPython, report.Failures[0].Code)
		assert.Regexp(t, `^python is 3\.[0-9.]+ \(/usr/bin/python3.*\), and hello-1\.0 requires >=3\.99$`, report.Failures[0].Message)
		assert.Contains(t, report.Failures[0].Hint, "python: /")
	}
}
