package deploy_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/event"
	"github.com/keep-it-simple/kis/internal/sshtest"
)

// A login script that reads its input eats the beginning of SFTP; the upload then goes another way.
func TestUploadContinuesWithoutAnAnswerFromSFTP(t *testing.T) {
	t.Parallel()
	w := newWorld(t, embeddedWith(sshtest.Faults{SilentSFTP: true}), 1)
	var notices []string
	report := w.run(t.Context(), t, push(t, "1.0"), func(e event.Event) {
		if e.Type == event.TypeNotice {
			notices = append(notices, e.Message)
		}
	})
	require.Empty(t, report.Failures)
	require.Len(t, notices, 1)
	require.True(t, strings.HasPrefix(notices[0], "SFTP failed, uploading over the agent: "), notices[0])
}
