package deploy_test

import (
	"bytes"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
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

// repeatLastRun writes the lines of the journal's newest run n times more, each time as another
// run. The lines are those of a real run; to wait for so many would only take longer.
func repeatLastRun(t *testing.T, root string, n int) {
	t.Helper()
	path := filepath.Join(root, ".kis/journal/staging")
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	lines := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
	last, some := remote.ParseJournal(append(lines, "")).Last()
	require.True(t, some)
	var out bytes.Buffer
	seq := last.Seq
	for i := range n {
		for _, line := range lines {
			if !strings.Contains(line, last.Run) {
				continue
			}
			one := remote.ParseJournal([]string{line, ""}).Entries[0]
			seq++
			body := line[:strings.LastIndex(line, `,"crc":"`)] + "}"
			body = strings.Replace(body, last.Run, fmt.Sprintf("%010d", i), 1)
			body = strings.Replace(body, fmt.Sprintf(`"seq":%d,`, one.Seq), fmt.Sprintf(`"seq":%d,`, seq), 1)
			fmt.Fprintf(&out, "%s,\"crc\":\"%08x\"}\n", body[:len(body)-1], crc32.ChecksumIEEE([]byte(body)))
		}
	}
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	require.NoError(t, err)
	_, err = f.Write(out.Bytes())
	require.NoError(t, err)
	require.NoError(t, f.Close())
}

// TestFailedRunsDoNotMakeTheJournalForget: after any number of runs that linked, failed and were
// rolled back, status says since when and by whom the stage is linked, and a rollback goes to the
// package that was confirmed before.
func TestFailedRunsDoNotMakeTheJournalForget(t *testing.T) {
	t.Parallel()
	w := newWorld(t, embedded, 2)
	require.Equal(t, event.Succeeded, w.run(t.Context(), t, push(t, "1.0"), nil).Outcome)
	require.Equal(t, event.Succeeded, w.run(t.Context(), t, push(t, "1.1"), nil).Outcome)
	before, _ := w.survey(t, remote.StateRequest{})
	require.Equal(t, survey.Uniform, before.Verdict)
	failing := push(t, "1.2")
	failing.Stage = inventory.Stage{Name: failing.Stage.Name, AfterLink: []inventory.Command{{Run: `[ "$KIS_VERSION" != 1.2 ]`}}}
	require.Equal(t, event.RolledBack, w.run(t.Context(), t, failing, nil).Outcome)

	for _, failed := range []int{500, 5000} {
		for _, h := range w.hosts {
			repeatLastRun(t, h.Root, failed)
		}
		after, found := w.survey(t, remote.StateRequest{})
		assert.Equal(t, survey.Uniform, after.Verdict)
		for i, h := range after.Hosts {
			was := before.Hosts[i]
			was.Scope = h.Scope // which is of the link, too, and compared below
			assert.Equal(t, before.Hosts[i].Scope, h.Scope)
			assert.Equal(t, [...]any{was.Linked, was.Since, was.By, was.Op, was.Run, true}, [...]any{h.Linked, h.Since, h.By, h.Op, h.Run, h.Confirmed})
		}
		assert.True(t, found["web1"].Older("staging"), "the window is smaller than the journal")
		_, found = w.survey(t, remote.StateRequest{Stage: failing.Stage.Name, Lines: 6 * failed})
		runs := survey.History("staging", []string{"web1", "web2"}, found)
		assert.Equal(t, failed == 5000, found["web1"].Older("staging"), "%d runs", len(runs))
		if failed == 500 {
			require.Len(t, runs, failed+3)
			assert.Equal(t, "hello-1.0", runs[failed+2].To)
		}
	}
	back := w.run(t.Context(), t, deploy.Plan{Op: event.Rollback}, nil)
	require.Equal(t, event.Succeeded, back.Outcome, "%v", back.Failures)
	require.Equal(t, "hello-1.0", back.Package)
}
