package deploy_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/event"
	"github.com/keep-it-simple/kis/internal/sshtest"
)

// TestAHostThatKeepsUsOutIsNamedAsSuch: OpenSSH punishes addresses from which logins fail, since
// 9.8.
func TestAHostThatKeepsUsOutIsNamedAsSuch(t *testing.T) {
	t.Parallel()
	w := newWorld(t, embeddedWith(sshtest.Faults{Greeting: "Not allowed at this time\r\n"}), 1)
	report := w.run(t.Context(), t, push(t, "1.0"), func(event.Event) {})
	require.Len(t, report.Failures, 1)
	assert.Contains(t, report.Failures[0].Hint, "wait a minute, or see PerSourcePenalties")
	assert.Equal(t, 3, report.Exit)
}
