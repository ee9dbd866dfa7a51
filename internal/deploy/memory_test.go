package deploy_test

import (
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/deploy"
	"github.com/keep-it-simple/kis/internal/event"
	"github.com/keep-it-simple/kis/internal/survey"
	"github.com/keep-it-simple/kis/inventory"
	"github.com/keep-it-simple/kis/remote"
	"github.com/keep-it-simple/kis/sshx"
)

// survey reads the stage of all hosts.
func (w *world) survey(t *testing.T, request remote.StateRequest) (survey.Stage, map[string]survey.Repository) {
	t.Helper()
	dialer := &sshx.Dialer{}
	defer dialer.Close() //nolint:errcheck // every session of it is closed
	found := map[string]survey.Repository{}
	for _, r := range survey.Read(t.Context(), w.deployer(dialer, func(event.Event) {}).Fleet, w.hosts, request) {
		require.Nil(t, r.Failure)
		found[r.Host] = r
	}
	return survey.Judge("staging", w.hosts, found), found
}

// repeatLastRun writes the lines of the journal's newest run n times more, each time as another run.
// They are lines of a real run; so many real runs would only take longer.
func repeatLastRun(t *testing.T, root string, n int) {
	t.Helper()
	path := filepath.Join(root, ".kis/journal/staging")
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	lines := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
	last, some := remote.ParseJournal(append(lines, "")).Last()
	require.True(t, some)
	number := regexp.MustCompile(`"seq":\d+,`)
	var bodies []string // of the run's lines, without their numbers
	for _, line := range lines {
		if strings.Contains(line, last.Run) {
			bodies = append(bodies, number.ReplaceAllString(line[:strings.LastIndex(line, `,"crc":"`)], `"seq":%d,`)+"}")
		}
	}
	var out strings.Builder
	seq := last.Seq
	for i := range n {
		for _, body := range bodies {
			seq++
			line := fmt.Sprintf(strings.Replace(body, last.Run, fmt.Sprintf("%010d", i), 1), seq)
			fmt.Fprintf(&out, "%s,\"crc\":\"%08x\"}\n", line[:len(line)-1], crc32.ChecksumIEEE([]byte(line)))
		}
	}
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	require.NoError(t, err)
	_, err = f.WriteString(out.String())
	require.NoError(t, err)
	require.NoError(t, f.Close())
}

// TestFailedRunsDoNotMakeTheJournalForget: after any number of runs that linked, failed and were
// rolled back, status says since when and by whom the stage is linked, and a rollback goes to the
// package that was confirmed before.
func TestFailedRunsDoNotMakeTheJournalForget(t *testing.T) {
	t.Parallel()
	w := newWorld(t, embedded, 2)
	w.install(t, "1.0", "1.1", "1.2")
	require.Equal(t, event.Succeeded, w.run(t.Context(), t, push(t, "1.0"), nil).Outcome)
	require.Equal(t, event.Succeeded, w.run(t.Context(), t, push(t, "1.1"), nil).Outcome)
	before, _ := w.survey(t, remote.StateRequest{})
	require.Equal(t, survey.Uniform, before.Verdict)
	failing := push(t, "1.2")
	failing.Stage = inventory.Stage{Name: failing.Stage.Name, AfterLink: []inventory.Command{{Run: `[ "$KIS_VERSION" != 1.2 ]`}}}
	require.Equal(t, event.RolledBack, w.run(t.Context(), t, failing, nil).Outcome)

	const failed = 500
	for _, h := range w.hosts {
		repeatLastRun(t, h.Root, failed)
	}
	after, found := w.survey(t, remote.StateRequest{})
	assert.Equal(t, survey.Uniform, after.Verdict)
	for i, h := range after.Hosts {
		was := before.Hosts[i]
		assert.Equal(t, [...]any{was.Linked, was.Since, was.By, was.Op, was.Run, was.Scope, true}, [...]any{h.Linked, h.Since, h.By, h.Op, h.Run, h.Scope, h.Confirmed})
	}
	assert.True(t, found["web1"].Older("staging"), "the window is smaller than the journal")
	_, found = w.survey(t, remote.StateRequest{Stage: failing.Stage.Name, Lines: 6 * failed})
	assert.False(t, found["web1"].Older("staging"))
	runs := survey.History("staging", []string{"web1", "web2"}, found)
	require.Len(t, runs, failed+3)
	assert.Equal(t, "hello-1.0", runs[failed+2].To)
	back := w.run(t.Context(), t, deploy.Plan{Op: event.Rollback}, nil)
	require.Equal(t, event.Succeeded, back.Outcome, "%v", back.Failures)
	require.Equal(t, "hello-1.0", back.Package)
}
