package recovery

import (
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/testenv"
	"github.com/keep-it-simple/kis/internal/testenv/hosttest"
	"github.com/keep-it-simple/kis/internal/testenv/oracle"
)

func touch(t *testing.T, h *hosttest.Host, name string) {
	t.Helper()
	require.NoError(t, os.WriteFile(filepath.Join(h.Home, name), nil, 0o600))
}

// withAfterLink is an inventory whose stage runs a command after the switch: it fails where the file ~/broken is, and hangs where ~/hang is.
func withAfterLink(more string) string {
	return "stages:\n  staging:\n    hosts: ['web[1:2]']\n    after_link: ['test ! -e ~/hang || exec sleep 1000; test ! -e ~/broken']\n" + more
}

func TestServiceFailsAfterRollback_V6(t *testing.T) {
	t.Parallel()
	w := testenv.New(t, 2, hosttest.Options{})
	w.Inventory(withAfterLink(""))
	w.Earlier("0.3")
	touch(t, w.Hosts[1], "broken")
	w.Version("0.4")
	archive := w.Archive()
	r := w.Run(4, "hello-0.4", "push", "staging", "--sdist", archive)
	assert.Contains(t, r.Err, "failed and rolled back: staging has its previous link on 2 hosts, but it did not come back into service on web2: check the service there")
	assert.Contains(t, r.Err, "web2  hello-0.3, and it did not come back into service: check it")
	status := w.Run(0, "", "status", "staging")
	assert.Regexp(t, `web2 +hello-0.3 .*not back in service`, status.Out)
	assert.NotRegexp(t, `web1 .*not back in service`, status.Out)

	require.NoError(t, os.Remove(filepath.Join(w.Hosts[1].Home, "broken")))
	w.Run(0, "hello-0.4", "push", "staging", "--sdist", archive)
	assert.NotContains(t, w.Run(0, "", "status", "staging").Out, "back in")
}

func TestCtrlCEndsAfterLinkCommand_K4(t *testing.T) {
	t.Parallel()
	w := testenv.New(t, 2, hosttest.Options{})
	w.Inventory(withAfterLink(""))
	w.Earlier("0.3")
	w.Version("0.4")
	archive := w.Archive()
	touch(t, w.Hosts[1], "hang")
	p := w.Start("push", "staging", "--sdist", archive)
	require.Eventually(t, func() bool { return slices.Contains(w.Hosts[1].Processes(t), "sleep 1000") }, time.Minute, 20*time.Millisecond)
	p.Says("after_link", time.Minute) // web1 is through
	require.NoError(t, os.Remove(filepath.Join(w.Hosts[1].Home, "hang")))
	p.Signal(syscall.SIGINT)
	r := p.End(time.Minute)
	assert.Equal(t, 4, r.Exit)
	p.Watch.Check(oracle.Expect{Exit: 4, To: "hello-0.4"})
	assert.Contains(t, r.Err, "interrupted: ending what follows the switch, which counts as a failure of it")
	assert.Contains(t, r.Err, "web2: after_link: ")
	assert.Equal(t, w.All("hello-0.3"), w.Links())
	w.Quiet(time.Second)
	w.Run(0, "hello-0.4", "push", "staging", "--sdist", archive)
}

func TestOnPartialStopLeavesEverythingAndStatusSaysHowToGoOn(t *testing.T) {
	t.Parallel()
	w := testenv.New(t, 2, hosttest.Options{})
	w.Inventory(withAfterLink("    on_partial: stop\n"))
	w.Earlier("0.3")
	touch(t, w.Hosts[1], "broken")
	w.Version("0.4")
	archive := w.Archive()
	r := w.Run(5, "hello-0.4", "push", "staging", "--sdist", archive)
	assert.Contains(t, r.Err, "staging is linked to hello-0.4 on 2 hosts, but the run did not complete; nothing was rolled back (on_partial: stop):")
	forward, back := "next: kis link staging hello-0.4", "next: kis rollback staging --to hello-0.3"
	assert.Contains(t, r.Err, forward)
	assert.Contains(t, r.Err, back)
	assert.Equal(t, w.All("hello-0.4"), w.Links())
	status := w.Run(0, "", "status", "staging")
	assert.Contains(t, status.Out, "the same on all hosts, but the last run was interrupted")
	assert.Contains(t, status.Out, forward)
	assert.Contains(t, status.Out, back)

	require.NoError(t, os.Remove(filepath.Join(w.Hosts[1].Home, "broken")))
	w.Run(0, "hello-0.4", "link", "staging", "hello-0.4")
	assert.Contains(t, w.Run(0, "", "status", "staging").Out, "staging: the same on all hosts\n")
}
