// Package oracle judges what a run of kis did, from outside of kis: it looks at the package repositories as folders, before, during and
// after the run, and knows what each exit status promises about them.
//
// Every test that touches hosts runs it. What it checks, by the names that ARCHITECTURE.md uses:
//
//	I1  a stage is absent, or a relative symbolic link to a sealed package
//	I2  a stage is linked to what it was linked to before, or to what the run was to link
//	I3  somebody who read through the link all the time never saw anything else
//	I4  every package that was sealed before is the same to the byte, or was to be removed
//	I5  the exit status tells the truth about every host
//	I6  no lock, no process, no prepared link and no part of an upload is left of the run
//	I8  the journal replays to the link
//
// That the same command can be run again (I7) and that no output carries control characters or secrets (I9, see Output) needs the test's help.
package oracle

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/remote"
)

// Host is one package repository, as a folder on this machine.
type Host struct {
	Name string
	Root string
}

// Watch is what was seen of a stage on some hosts since Start. It ends with Check, or with the test.
type Watch struct {
	tb     testing.TB
	stage  string
	hosts  []Host
	before []snapshot
	stop   context.CancelFunc
	polls  sync.WaitGroup
	seen   []map[string]bool // per host: every text of the link that was read
	faults [][]string        // per host: every read through the link that failed
}

// snapshot is one host before the run.
type snapshot struct {
	linked   string
	packages map[string]string // sealed package → digest of its tree
}

// Expect is what the test knows of the run.
type Expect struct {
	Exit   int           // exit status of kis
	To     string        // package that the run was to link; "" when it was to link none
	Gone   []string      // packages that the run may have removed; what is left of one is complete
	Within time.Duration // how long leftovers may take to go, for runs that were killed; default 2 s
	Dirty  bool          // an agent was killed, so that only the next run removes what it had prepared
}

// Start takes a snapshot and begins to read through the stage's link on every host.
func Start(tb testing.TB, stage string, hosts ...Host) *Watch {
	tb.Helper()
	ctx, stop := context.WithCancel(tb.Context())
	w := &Watch{tb: tb, stage: stage, hosts: hosts, stop: stop, seen: make([]map[string]bool, len(hosts)), faults: make([][]string, len(hosts))}
	for i, h := range hosts {
		s := snapshot{linked: linked(tb, h, stage), packages: map[string]string{}}
		for _, p := range sealed(tb, h) {
			s.packages[p] = digest(tb, filepath.Join(h.Root, p))
		}
		w.before = append(w.before, s)
		w.seen[i] = map[string]bool{s.linked: true}
	}
	for i := range hosts {
		w.polls.Go(func() { w.poll(ctx, i) })
	}
	tb.Cleanup(w.end)
	return w
}

func (w *Watch) end() {
	w.stop()
	w.polls.Wait()
}

// visitEvery leaves the processor to what is tested; the test that looks for the shortest gap has a visitor of its own, without any pause.
const visitEvery = 20 * time.Millisecond

// poll is a visitor of the stage: it reads a file through the link, again and again.
func (w *Watch) poll(ctx context.Context, i int) {
	link := filepath.Join(w.hosts[i].Root, w.stage)
	ticker := time.NewTicker(visitEvery)
	defer ticker.Stop()
	there := w.before[i].linked != ""
	for {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
		target, err := os.Readlink(link)
		if err != nil {
			if there && !w.mayVanish(i) {
				w.faults[i] = append(w.faults[i], err.Error())
			}
			continue
		}
		there = true
		w.seen[i][target] = true
		if _, err := os.ReadFile(filepath.Join(link, ".kis", "receipt.json")); err != nil && !w.mayVanish(i) {
			w.faults[i] = append(w.faults[i], err.Error())
		}
	}
}

// mayVanish: taking back the first link there ever was leaves no link.
func (w *Watch) mayVanish(i int) bool { return w.before[i].linked == "" }

// Check judges the run, after it has ended.
func (w *Watch) Check(e Expect) {
	w.tb.Helper()
	if e.Within == 0 {
		e.Within = 2 * time.Second
	}
	for _, h := range w.hosts {
		w.checkLeftovers(h, e.Within, e.Dirty)
	}
	w.end()
	// Whoever has a disk looked at may unmount it after this. A child that is started while a file of it is open has that file as well, until
	// it has become its own program, and keeps the disk busy.
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	for i, h := range w.hosts {
		now := linked(w.tb, h, w.stage)
		before := w.before[i]
		if now != "" {
			assert.Containsf(w.tb, sealed(w.tb, h), now, "I1 %s: %s is linked to something that is no sealed package", h.Name, w.stage)
		}
		assert.Containsf(w.tb, []string{before.linked, e.To}, now, "I2 %s: %s", h.Name, w.stage)
		for target := range w.seen[i] {
			assert.Containsf(w.tb, []string{before.linked, e.To}, target, "I3 %s: a visitor saw it", h.Name)
		}
		assert.Emptyf(w.tb, w.faults[i], "I3 %s: a visitor could not read through the link", h.Name)
		for p, tree := range before.packages {
			if _, err := os.Lstat(filepath.Join(h.Root, p)); errors.Is(err, os.ErrNotExist) && slices.Contains(e.Gone, p) {
				continue
			}
			assert.Equalf(w.tb, tree, digest(w.tb, filepath.Join(h.Root, p)), "I4 %s: %s has changed", h.Name, p)
		}
		w.checkExit(e, h, before.linked, now)
		w.checkJournal(h, now)
	}
}

// checkExit is I5: what the exit status promises.
func (w *Watch) checkExit(e Expect, h Host, before, now string) {
	w.tb.Helper()
	switch e.Exit {
	case 0:
		if e.To != "" {
			assert.Equalf(w.tb, e.To, now, "I5 %s: exit status 0 says that it is linked", h.Name)
		}
	case 2, 3, 4, 6, 130:
		assert.Equalf(w.tb, before, now, "I5 %s: exit status %d says that nothing is changed", h.Name, e.Exit)
	case 5, -1: // anything may be; -1 is a run that was killed
	default:
		assert.Failf(w.tb, "I5", "exit status %d promises nothing", e.Exit)
	}
}

// checkJournal is I8. A run that was killed may have ended between the switch and its line.
func (w *Watch) checkJournal(h Host, now string) {
	w.tb.Helper()
	lines := journal(w.tb, h, w.stage)
	if len(lines) == 0 {
		return
	}
	last, some := remote.ParseJournal(lines).Last()
	require.Truef(w.tb, some, "I8 %s: the journal of %s is unreadable", h.Name, w.stage)
	switch last.Event {
	case remote.EventLinked, remote.EventConfirmed, remote.EventUnconfirmed:
		assert.Equalf(w.tb, last.To, now, "I8 %s: journal ends with %s", h.Name, last.Event)
	case remote.EventArmed:
		assert.Containsf(w.tb, []string{last.From, last.To}, now, "I8 %s: journal ends with armed", h.Name)
	default:
		assert.Equalf(w.tb, last.From, now, "I8 %s: journal ends with %s", h.Name, last.Event)
	}
}

// Output is I9: nothing but lines of what a terminal shows, see Shown, and none of the secrets.
func Output(tb testing.TB, text string, secrets ...string) {
	tb.Helper()
	if what := Hidden(text); what != "" {
		assert.Failf(tb, "I9", "output carries %s:\n%q", what, text)
	}
	for _, secret := range secrets {
		assert.NotContains(tb, text, secret, "I9")
	}
}
