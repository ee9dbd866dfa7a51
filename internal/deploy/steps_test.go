package deploy_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/event"
	"github.com/keep-it-simple/kis/sshx"
)

// hold takes a lock of a package repository as another run does.
func hold(t *testing.T, root, lock string) (release func()) {
	t.Helper()
	dir := filepath.Join(root, ".kis", "locks")
	require.NoError(t, os.MkdirAll(dir, 0o700))
	require.NoError(t, os.Chmod(filepath.Dir(dir), 0o700))
	file, err := os.OpenFile(filepath.Join(dir, lock), os.O_CREATE|os.O_RDWR, 0o600)
	require.NoError(t, err)
	_, err = fmt.Fprint(file, `{"who":"bob@desk"}`)
	require.NoError(t, err)
	require.NoError(t, syscall.Flock(int(file.Fd()), syscall.LOCK_EX))
	return sync.OnceFunc(func() { assert.NoError(t, file.Close()) })
}

// steps are the events of one step, by host.
func steps(events []event.Event, s event.Step) map[string][]event.Event {
	found := map[string][]event.Event{}
	for _, e := range events {
		if e.Type == event.TypeStep && e.Step == s {
			found[e.Host] = append(found[e.Host], e)
		}
	}
	return found
}

// The step begins when the lock is asked for, and lasts as long as it is waited for: on all hosts,
// because none keeps its lock meanwhile.
func TestTheLockStepLastsAsLongAsTheLockIsWaitedFor(t *testing.T) {
	t.Parallel()
	w := newWorld(t, embedded, 2)
	release := hold(t, w.hosts[1].Root, "staging")
	defer release()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var events []event.Event
	dialer := &sshx.Dialer{}
	d := w.deployer(dialer, func(e event.Event) {
		events = append(events, e)
		switch {
		case e.Type == event.TypeNotice:
			release()
		case e.Step == event.StepLock && e.State == event.Done:
			cancel()
		}
	})
	d.LockWait = time.Minute
	plan := push(t, "1.0")
	plan.Hosts, plan.Stage.Name = w.hosts, stageNamed(t, "staging")
	report := d.Run(ctx, plan)
	require.NoError(t, dialer.Close())
	require.Equal(t, event.Interrupted, report.Outcome, report.Failures)
	seconds := 0.0
	for _, p := range report.Phases {
		if p.Name == "lock" {
			seconds += p.Seconds
		}
	}
	require.Greater(t, seconds, 0.5, "the pause between two attempts, at least")
	asked := 0
	for i, e := range events {
		if e.Type == event.TypeNotice {
			assert.Contains(t, e.Message, "for the lock: bob@desk")
			asked = i
		}
	}
	for host, all := range steps(events, event.StepLock) {
		require.Len(t, all, 2, host)
		assert.Equal(t, event.Started, all[0].State, host)
		assert.Less(t, all[0].Seq, events[asked].Seq, "%s: started before it is waited", host)
		assert.Equal(t, event.Done, all[1].State, host)
		assert.InDelta(t, seconds, all[1].Seconds, 0.3, host)
	}
}

// What a host says of the package's own lock is no check that has failed: the step is reported as
// what it is, when it begins.
func TestThePackageStepIsReportedWhereTheBuildIsLocked(t *testing.T) {
	t.Parallel()
	w := newWorld(t, embedded, 2)
	release := hold(t, w.hosts[1].Root, "build.hello-1.0")
	defer release()
	var events []event.Event
	report := w.run(t.Context(), t, push(t, "1.0"), func(e event.Event) {
		if events = append(events, e); e.Type == event.TypeReport {
			release() // the oracle finds no lock
		}
	})
	assert.Equal(t, event.Locked, report.Outcome)
	require.Len(t, report.Failures, 1)
	assert.Equal(t, event.StepPackage, report.Failures[0].Step)
	assert.Contains(t, report.Failures[0].Message, "bob@desk")
	for host, want := range map[string]event.State{"web1": event.Done, "web2": event.Refused} {
		all := steps(events, event.StepPackage)[host]
		require.Len(t, all, 2, host)
		assert.Equal(t, event.Started, all[0].State)
		assert.Equal(t, want, all[1].State)
		assert.Len(t, steps(events, event.StepCheck)[host], 2, "%s: checked once", host)
	}
}
