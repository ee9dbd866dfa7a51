package recovery

import (
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/keep-it-simple/kis/internal/testenv"
	"github.com/keep-it-simple/kis/internal/testenv/hosttest"
	"github.com/keep-it-simple/kis/internal/testenv/oracle"
)

func TestLockWaitContinues_L9(t *testing.T) {
	t.Parallel()
	w := testenv.New(t, 2, hosttest.Options{})
	archive := w.Hold()
	other := w.PushHeld(archive)
	p := w.Start("push", "staging", "--sdist", archive, "--lock-wait", "5m")
	p.Says("waiting up to 5 min 00 s for the lock: ", time.Minute)
	w.Release()
	assert.Equal(t, 0, other.End(2*time.Minute).Exit)
	r := p.End(2 * time.Minute)
	assert.Equal(t, 0, r.Exit)
	assert.Contains(t, r.Out, "nothing to do", "the other run has linked what this one wanted to")
	p.Watch.Check(oracle.Expect{Exit: 0, To: "hello-0.4"})
}

// Two stages on the same hosts want the same package: one run builds it, the other waits and finds it there.
func TestLockWaitForBuildOfOtherStage_U12(t *testing.T) {
	t.Parallel()
	w := testenv.New(t, 2, hosttest.Options{})
	w.Inventory(testenv.InventoryText(w.Hosts, "") + "  production: {hosts: [web1, web2]}\n")
	archive := w.Hold()
	other := w.PushHeld(archive)
	assert.Equal(t, 6, w.Kis("push", "production", "--sdist", archive).Exit)
	p := w.Start("push", "production", "--sdist", archive, "--lock-wait", "5m")
	p.Says("waiting up to 5 min 00 s for the build of hello-0.4: ", time.Minute)
	w.Release()
	assert.Equal(t, 0, other.End(2*time.Minute).Exit)
	assert.Equal(t, 0, p.End(2*time.Minute).Exit)
}

func TestLockWaitEnds_L9(t *testing.T) {
	t.Parallel()
	w := testenv.New(t, 2, hosttest.Options{})
	archive := w.Hold()
	other := w.PushHeld(archive)
	r := w.Kis("push", "staging", "--sdist", archive, "--lock-wait", "1s")
	assert.Equal(t, 6, r.Exit)
	assert.Contains(t, r.Err, "locked by another run: no stage link was changed")
	p := w.Start("push", "staging", "--sdist", archive, "--lock-wait", "5m")
	p.Says("waiting up to 5 min 00 s", time.Minute)
	p.Signal(syscall.SIGINT)
	assert.Equal(t, 130, p.End(time.Minute).Exit)
	w.Release()
	assert.Equal(t, 0, other.End(2*time.Minute).Exit)
}

// A narrowed run and a whole one want some of the same hosts: one of them has them, the other has none.
func TestOverlappingRuns_L7(t *testing.T) {
	t.Parallel()
	w := testenv.New(t, 3, hosttest.Options{})
	w.Earlier("0.3")
	w.Version("0.4")
	archive := w.Archive()
	first := w.Start("push", "staging", "--sdist", archive, "--lock-wait", "5m", "--hosts", "web1,web2")
	second := w.Start("push", "staging", "--sdist", archive, "--lock-wait", "5m", "--hosts", "web2,web3")
	third := w.Start("push", "staging", "--sdist", archive, "--lock-wait", "5m")
	for _, p := range []*testenv.Started{first, second, third} {
		assert.Equal(t, 0, p.End(5*time.Minute).Exit)
	}
	assert.Equal(t, w.All("hello-0.4"), w.Links())
}

func TestUnlockForced_L6(t *testing.T) {
	t.Parallel()
	w := testenv.New(t, 2, hosttest.Options{})
	archive := w.Hold()
	assert.Contains(t, w.Run(0, "", "unlock", "staging").Out, "web1  staging is not locked")
	p := w.PushHeld(archive)
	r := w.Kis("unlock", "staging")
	assert.Equal(t, 6, r.Exit)
	assert.Regexp(t, `web1  staging is locked: \S+@\S+, push staging hello-0.4, since `, r.Out)
	assert.Contains(t, r.Err, "hint: wait for it, or end it: kis unlock staging --force")
	r = w.Kis("unlock", "staging", "--force", "--yes")
	assert.Equal(t, 0, r.Exit)
	assert.Regexp(t, `web2  ended: \S+@\S+, push staging hello-0.4`, r.Out)
	end := p.End(time.Minute)
	assert.Equal(t, 3, end.Exit, "nothing was linked yet")
	p.Watch.Check(oracle.Expect{Exit: 3, To: "hello-0.4"})
	w.Release()
	w.Quiet(10 * time.Second)
	w.Run(0, "hello-0.4", "push", "staging", "--sdist", archive)
}
