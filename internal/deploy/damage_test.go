package deploy_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/deploy"
	"github.com/keep-it-simple/kis/internal/event"
	"github.com/keep-it-simple/kis/internal/survey"
	"github.com/keep-it-simple/kis/remote"
	"github.com/keep-it-simple/kis/sshx"
)

// One unreadable line of a journal must not prevent status, push or rollback.
func TestADamagedJournalLineDoesNotKeepAStageFromAnything(t *testing.T) {
	t.Parallel()
	w := newWorld(t, embedded, 2)
	w.install(t, "1.0", "1.1")
	damage := func(line string) {
		journal, err := os.OpenFile(filepath.Join(w.hosts[0].Root, ".kis/journal/staging"), os.O_APPEND|os.O_WRONLY, 0)
		require.NoError(t, err)
		_, err = journal.WriteString(line + "\n")
		require.NoError(t, err)
		require.NoError(t, journal.Close())
	}
	judge := func() survey.Stage {
		dialer := &sshx.Dialer{}
		defer dialer.Close() //nolint:errcheck // every session of it is closed
		found := map[string]survey.Repository{}
		for _, r := range survey.Read(t.Context(), w.deployer(dialer, func(event.Event) {}).Fleet, w.hosts, remote.StateRequest{}) {
			require.Nil(t, r.Failure)
			found[r.Host] = r
		}
		return survey.Judge("staging", w.hosts, found)
	}
	require.Equal(t, event.Succeeded, w.run(t.Context(), t, push(t, "1.0"), nil).Outcome)
	damage(strings.Repeat("[", 200_000))
	damage(strings.Repeat("\xff", 3<<20))
	damage(`{"v":1,"seq":4,"ev":"linked","crc":"}`)
	seen := judge()
	assert.Equal(t, survey.Uniform, seen.Verdict)
	assert.Equal(t, "3 damaged lines in the journal", seen.Hosts[0].Note)
	assert.Empty(t, seen.Hosts[1].Note)

	require.Equal(t, event.Succeeded, w.run(t.Context(), t, push(t, "1.1"), nil).Outcome)
	damage(`,"crc":"}`)
	back := w.run(t.Context(), t, deploy.Plan{Op: event.Rollback}, nil)
	require.Equal(t, event.Succeeded, back.Outcome, "%v", back.Failures)
	require.Equal(t, "hello-1.0", back.Package)
	seen = judge()
	assert.Equal(t, survey.Uniform, seen.Verdict)
	assert.Equal(t, "4 damaged lines in the journal", seen.Hosts[0].Note)
}

// forgeSeal.py makes a receipt fit the names, sizes and times of the files, as they are where a disk returns other bytes.
const forgeSeal = `
import json, os, sys
sys.path.insert(0, sys.argv[1])
from kisagent import seal
top = sys.argv[2]
path = os.path.join(top, ".kis", "receipt.json")
receipt = json.load(open(path))
receipt["fingerprint"], receipt["changes"] = seal.fingerprint(seal.walk(top)), seal.fingerprint(seal.walk(top), changes=True)
os.chmod(path, 0o600)
json.dump(receipt, open(path, "w"))
`

// TestAPackageThatTheDiskReturnsDifferentlyIsNotLinkedAgain: rollback, link and promote read all files.
func TestAPackageThatTheDiskReturnsDifferentlyIsNotLinkedAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t, embedded, 2)
	w.link(t, "1.0", "1.1")
	top := filepath.Join(w.hosts[1].Root, "hello-1.0")
	path := filepath.Join(top, "hello", "__init__.py")
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	text[0] ^= 1
	require.NoError(t, os.WriteFile(path, text, 0o444))
	scripts, err := filepath.Abs("../../scripts")
	require.NoError(t, err)
	said, err := exec.CommandContext(t.Context(), "python3", "-B", "-c", forgeSeal, scripts, top).CombinedOutput()
	require.NoError(t, err, string(said))
	for _, plan := range []deploy.Plan{{Op: event.Rollback}, {Op: event.Relink}, {Op: event.Rollback, DryRun: true}} {
		plan.Target = pkg(t, "hello-1.0")
		report := w.run(t.Context(), t, plan, nil)
		require.Equal(t, event.Aborted, report.Outcome, plan.Op)
		require.Len(t, report.Failures, 1)
		assert.Equal(t, "web2: verify: hello-1.0 is not as it was sealed: hello/__init__.py", report.Failures[0].Error())
	}
}
