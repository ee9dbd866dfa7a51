//go:build recovery

package deploy_test

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/deploy"
	"github.com/keep-it-simple/kis/internal/event"
	"github.com/keep-it-simple/kis/internal/fleet"
	"github.com/keep-it-simple/kis/internal/sshtest"
	"github.com/keep-it-simple/kis/internal/testenv/proxytest"
	"github.com/keep-it-simple/kis/inventory"
	"github.com/keep-it-simple/kis/remote"
	"github.com/keep-it-simple/kis/sshx"
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

// TestAHostThatLosesTwoAnswersInARowIsAskedAThirdTime: the connection is cut as the word to link
// goes out, and the one over which kis asks for the outcome is cut, too, somewhere between its
// first byte and its answer.
func TestAHostThatLosesTwoAnswersInARowIsAskedAThirdTime(t *testing.T) {
	t.Parallel()
	w := newWorld(t, embedded, 2)
	w.link(t, "1.0", "1.1")
	proxy := w.proxy["web2"]
	targets := []string{"hello-1.0", "hello-1.1"}
	for n, next := int64(2000), 0; n < 2470; n += 150 {
		report := w.run(t.Context(), t, deploy.Plan{Op: event.Relink, Target: pkg(t, targets[next])}, func(e event.Event) {
			switch {
			case e.Host != "web2" || e.State != event.Started:
			case e.Step == event.StepLink:
				proxy.Cut()
			case e.Step == event.StepResolve:
				proxy.CutAfter(n, proxytest.ToClient)
			}
		})
		require.Contains(t, []event.Outcome{event.Succeeded, event.RolledBack}, report.Outcome, "cut after %d bytes: %v", n, report.Failures)
		if report.Outcome == event.Succeeded {
			next = 1 - next
		}
	}
}

// TestCutWhilePromoting: either side is lost while archive and wheels are on their way. Nothing is linked, and the same
// command succeeds.
func TestCutWhilePromoting(t *testing.T) {
	t.Parallel()
	w := newWorld(t, embedded, 2)
	staging, production := w.on(0, 1), w.on(1, 2)
	require.Empty(t, staging.run(t.Context(), t, push(t, "1.0"), nil).Failures)
	for _, step := range []event.Step{event.StepLock, event.StepUpload, event.StepWheels, event.StepEnvironment, event.StepSeal} {
		for _, lost := range []string{"web1", "web2"} {
			if lost == "web1" && (step == event.StepEnvironment || step == event.StepSeal) {
				continue // nothing more is read from there
			}
			report := production.run(t.Context(), t, staging.promotion(t), func(e event.Event) {
				if e.Host == "web2" && e.Step == step && e.State == event.Started {
					w.proxy[lost].Cut()
				}
			})
			require.Equal(t, event.Aborted, report.Outcome, "%s at %s", lost, step)
			require.NoDirExists(t, filepath.Join(w.hosts[1].Root, "production"))
		}
	}
	report := production.run(t.Context(), t, staging.promotion(t), nil)
	require.Equal(t, event.Succeeded, report.Outcome, "%v", report.Failures)
	assert.Equal(t, w.record(t, 0, "hello-1.0"), w.record(t, 1, "hello-1.0"))
}

// TestAHostThatRebootsWithoutItsVolumeIsUnknown: its connection is lost during after_link, and what
// lies at its root then is an empty directory, as after a boot that did not mount the volume.
// Nothing is concluded from it. The oracle is not used, because it would find that directory.
func TestAHostThatRebootsWithoutItsVolumeIsUnknown(t *testing.T) {
	t.Parallel()
	w := newWorld(t, embedded, 2)
	w.install(t, "1.0")
	ready := push(t, "1.0")
	ready.NoLink = true // so that the first link of the stage is the one that is lost, and no link is the state before
	require.Empty(t, w.run(t.Context(), t, ready, nil).Failures)
	root := w.roots[1].Root
	move := func(from, to string) {
		entries, err := os.ReadDir(from)
		assert.NoError(t, err) //nolint:testifylint // not in the goroutine of the test
		for _, e := range entries {
			assert.NoError(t, os.Rename(filepath.Join(from, e.Name()), filepath.Join(to, e.Name())))
		}
	}
	volume := t.TempDir()
	dialer := &sshx.Dialer{}
	f := w.deployer(dialer, func(e event.Event) {
		if e.Type == event.TypeStep && e.Host == "web2" && e.Step == event.StepAfterLink && e.State == event.Started {
			w.proxy["web2"].Cut()
			assert.Eventually(t, func() bool {
				left, err := os.ReadDir(filepath.Join(root, ".kis", "run"))
				return err == nil && len(left) == 0
			}, 10*time.Second, time.Millisecond, "the agent has ended")
			move(root, volume)
		}
	})
	plan := deploy.Plan{Op: event.Relink, Hosts: w.hosts, Target: pkg(t, "hello-1.0"), Stage: inventory.Stage{Name: stageNamed(t, "staging"), AfterLink: []inventory.Command{{Run: "true"}}}}
	r := f.Run(t.Context(), plan)
	require.NoError(t, dialer.Close())
	move(volume, root)
	assert.Equal(t, event.Split, r.Outcome)
	assert.True(t, r.Hosts[0].LinkKnown)
	assert.False(t, r.Hosts[1].LinkKnown)
	require.NotEmpty(t, r.Failures)
	last := r.Failures[len(r.Failures)-1]
	assert.Equal(t, "web2", last.Host)
	assert.Equal(t, event.Unknown, last.State)
	assert.Regexp(t, `^the package repository is not the same as before \(host-id [0-9a-f]{32}, now none\): is its volume mounted\?$`, last.Message)
	assert.Equal(t, "findmnt -T "+root+"; when it is mounted: kis status staging", last.Hint)
	require.Empty(t, w.run(t.Context(), t, plan, nil).Failures, "the volume is mounted, and the same command again puts it right")
}

// TestAPanicOfWhoGetsTheEvents is about the user's view, and changes nothing that is done on the
// hosts; before the commit, nothing is.
func TestAPanicOfWhoGetsTheEvents(t *testing.T) {
	t.Parallel()
	w := newWorld(t, embedded, 2)
	w.link(t, "1.0", "1.1")
	for _, test := range []struct {
		name    string
		at      func(event.Event) bool
		outcome event.Outcome
	}{
		{"at the beginning", func(e event.Event) bool { return e.Type == event.TypeStart }, event.Aborted},
		{"of a check", func(e event.Event) bool {
			return e.Step == event.StepCheck && e.State == event.Done && e.Host == "web2"
		}, event.Aborted},
		{"at the barrier", func(e event.Event) bool { return e.Type == event.TypeBarrier }, event.Aborted},
		{"of an arm", func(e event.Event) bool { return e.Step == event.StepArm && e.State == event.Done && e.Host == "web2" }, event.Aborted},
		{"every time", func(event.Event) bool { return true }, event.Aborted},
		{"of a link", func(e event.Event) bool {
			return e.Step == event.StepLink && e.State == event.Started && e.Host == "web2"
		}, event.Succeeded},
		{"of what is confirmed", func(e event.Event) bool { return e.Step == event.StepConfirm && e.State == event.Done }, event.Succeeded},
		{"of the report", func(e event.Event) bool { return e.Type == event.TypeReport }, event.Succeeded},
	} {
		plan := deploy.Plan{Op: event.Relink, Target: pkg(t, "hello-1.0")}
		report, _ := bug{t: t, w: w, emit: func(e event.Event) {
			if test.at(e) {
				panic("no view")
			}
		}}.run(t.Context(), plan)
		assert.Equal(t, test.outcome, report.Outcome, test.name)
		assert.Empty(t, report.Failures, "%s: no host's failure", test.name)
		assert.Equal(t, "panic: no view", report.Bugs[0].Message)
		assert.Empty(t, report.Bugs[0].Host)
		require.Empty(t, w.run(t.Context(), t, deploy.Plan{Op: event.Relink, Target: pkg(t, "hello-1.1")}, nil).Failures, test.name)
	}
}

// TestAPanicAfterTheCommitEndsInARecoveryAndATrueReport: a panic is a lost answer. The hosts are
// reached again, and read.
func TestAPanicAfterTheCommitEndsInARecoveryAndATrueReport(t *testing.T) {
	t.Parallel()
	w := newWorld(t, embedded, 2)
	w.link(t, "1.0", "1.1")
	afterLink := inventory.Stage{AfterLink: []inventory.Command{{Run: "true"}}}
	first := func() func() { // panics once
		var once sync.Once
		return func() { once.Do(func() { panic("a bug") }) }
	}
	cutAt := func(s event.Step) func(event.Event) {
		var once sync.Once
		return func(e event.Event) {
			if e.Step == s && e.Host == "web2" && e.State == event.Started {
				once.Do(w.proxy["web2"].Cut)
			}
		}
	}
	reading := func(text string, at func()) func(fleet.Connection, *remote.Streams) {
		return func(_ fleet.Connection, s *remote.Streams) { s.Out = onReading{s.Out, text, at} }
	}
	writing := func(text string, at func()) func(fleet.Connection, *remote.Streams) {
		return func(_ fleet.Connection, s *remote.Streams) { s.In = onWriting{s.In, text, at} }
	}
	for _, test := range []struct {
		name    string
		stage   inventory.Stage
		bug     bug
		outcome event.Outcome
		unknown string // host whose link is unknown, "" for none
		host    string // that the bug is about
	}{
		{"the coordinator, after the switch", afterLink, bug{interrupts: first()}, event.RolledBack, "", ""},
		{"the coordinator, always", afterLink, bug{interrupts: func() { panic("a bug") }}, event.RolledBack, "", ""},
		{"who reads the answer to a commit", inventory.Stage{}, bug{streams: reading(`"durable"`, first())}, event.Succeeded, "", "web2"},
		{"who writes the commit", inventory.Stage{}, bug{streams: writing(`"op":"commit"`, first())}, event.RolledBack, "", "web2"},
		{"who writes what confirms", inventory.Stage{}, bug{streams: writing(`"op":"confirm"`, first())}, event.Succeeded, "", "web2"},
		{"who reaches a lost host again", inventory.Stage{}, bug{at: cutAt(event.StepConfirm), dial: first()}, event.Split, "", "web2"},
		{"who reaches a lost host again, always", inventory.Stage{}, bug{at: cutAt(event.StepConfirm), dial: func() { panic("a bug") }}, event.Split, "web2", "web2"},
		{"who reaches a host whose commit was lost", inventory.Stage{}, bug{at: cutAt(event.StepLink), dial: first()}, event.RolledBack, "", "web2"},
		{"after_link", afterLink, bug{streams: writing(`"op":"command"`, first())}, event.RolledBack, "", "web2"},
	} {
		test.stage.Name = stageNamed(t, "staging")
		test.bug.t, test.bug.w = t, w
		report, _ := test.bug.run(t.Context(), deploy.Plan{Op: event.Relink, Target: pkg(t, "hello-1.0"), Stage: test.stage})
		assert.Equal(t, test.outcome, report.Outcome, "%s: %v", test.name, report.Failures)
		assert.Equal(t, "panic: a bug", report.Bugs[0].Message, test.name)
		assert.Equal(t, test.host, report.Bugs[0].Host, test.name)
		for _, h := range report.Hosts {
			assert.Equal(t, h.Host != test.unknown, h.LinkKnown, "%s: %s", test.name, h.Host)
			assert.False(t, h.Degraded, "%s: %s: where nothing was begun, nothing is to be restored", test.name, h.Host)
		}
		for _, f := range report.Failures {
			assert.NotContains(t, strings.ToLower(f.Message), "runtime error", test.name)
		}
		require.Empty(t, w.run(t.Context(), t, deploy.Plan{Op: event.Relink, Target: pkg(t, "hello-1.1")}, nil).Failures, test.name)
	}
}

// TestASwitchThatDidNotHappenEverywhereEndsAsTheInventoryWants: the connection to one of three
// hosts is lost as the word to link goes out.
func TestASwitchThatDidNotHappenEverywhereEndsAsTheInventoryWants(t *testing.T) {
	t.Parallel()
	w := newWorld(t, embedded, 3)
	w.link(t, "1.0", "1.1")
	back := deploy.Plan{Op: event.Relink, Target: pkg(t, "hello-1.1")}
	for _, test := range []struct {
		partial inventory.OnPartial
		down    bool
		outcome event.Outcome
		links   []string
	}{
		{inventory.PartialBack, false, event.RolledBack, []string{"hello-1.1", "hello-1.1", "hello-1.1"}},
		{inventory.PartialForward, false, event.Succeeded, []string{"hello-1.0", "hello-1.0", "hello-1.0"}},
		{inventory.PartialStop, false, event.Split, []string{"hello-1.0", "hello-1.1", "hello-1.0"}},
		{inventory.PartialForward, true, event.Split, []string{"hello-1.0", "", "hello-1.0"}},
	} {
		plan := deploy.Plan{Op: event.Relink, Target: pkg(t, "hello-1.0"), Stage: inventory.Stage{AfterLink: []inventory.Command{{Run: "true"}}, OnPartial: test.partial}}
		c := cut{step: event.StepLink, down: test.down}
		r := w.run(t.Context(), t, plan, once(c, w))
		require.Equal(t, test.outcome, r.Outcome, "%s: %v", test.partial, r.Failures)
		for i, h := range r.Hosts {
			assert.Equal(t, test.links[i] != "", h.LinkKnown, "%s: %s", test.partial, h.Host)
			if h.LinkKnown {
				assert.Equal(t, test.links[i], h.Linked, "%s: %s", test.partial, h.Host)
			}
		}
		assert.Equal(t, test.partial, r.OnPartial)
		assert.Equal(t, test.outcome == event.Succeeded, len(r.Failures) == 0, "what was put right is no failure: %v", r.Failures)
		require.Emptyf(t, w.run(t.Context(), t, back, nil).Failures, "uniform again after %s", test.partial)
	}
}
