package deploy

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/keep-it-simple/kis/internal/event"
	"github.com/keep-it-simple/kis/internal/fleet"
	"github.com/keep-it-simple/kis/inventory"
	"github.com/keep-it-simple/kis/remote"
)

// host is one host in one run. One goroutine at a time does its steps. Others read its facts, and read files through its
// session, which is safe for that; its other fields only between phases.
type host struct {
	inventory.Host
	run *run
	log *event.Host

	session *fleet.Session
	facts   remote.Facts
	journal remote.Journal // of facts
	clock   remote.Clock
	linked  string // text of the stage's link, as the host reported it last before the switch
	locked  remote.Locked
	receipt *remote.Receipt // of the package, once it is sealed on this host

	// Of the environment that this run builds:
	wheels        []remote.Wheel // all of it
	application   string         // sha256 of the application's among them; "": pip installs it from the package
	additions     string         // sha256 of what pip added where it did that, "" where pip does it here
	built         *Wheel         // of the application, by this machine; nil: not
	resolution    string         // what they were chosen by
	makesComplete bool           // this host verifies for all of its platform that nothing is missing

	steps    string            // before the barrier, as a dry run reports them; "": it was not judged
	remark   string            // to them
	upToDate bool              // linked and confirmed before this run
	noSFTP   bool              // it was tried, and failed
	has      map[string]bool   // files that it stores, by their sha256, as far as it was asked
	parts    map[string]string // in the run's directory, by their sha256, see early
	line     line              // from this machine
	pruned   *event.Cleanup    // after the run; nil: nothing was removed
}

func newHost(r *run, h inventory.Host) *host {
	out := &host{Host: h, run: r, log: r.stream.Host(h.Name), parts: map[string]string{}}
	out.log.Explain = func(err error) error { return out.session.WhyLost(err) }
	return out
}

// namesOf are the names of hosts; which chooses some of them, nil all.
func namesOf(hosts []*host, which func(*host) bool) []string {
	var names []string
	for _, h := range hosts {
		if which == nil || which(h) {
			names = append(names, h.Name)
		}
	}
	return names
}

// connect starts a session, which replaces a lost one.
func (h *host) connect(ctx context.Context) (*fleet.Session, error) {
	session, err := h.run.Fleet.Reconnect(ctx, h.Host)
	if err == nil {
		h.session = session
	}
	return session, err
}

// step does one step on this host. It reports whether the step was done.
func (h *host) step(s event.Step, work func() error) bool { return h.log.Step(s, work) == nil }

// isUpToDate reports whether there is nothing to do on this host: it is linked to the package, and
// the newest line of its journal confirms it. After a rollback or a crash, after_link may have
// failed for the linked package.
func (h *host) isUpToDate() bool {
	stage := h.facts.Stage
	last, some := h.journal.Last()
	return some && last.Event == remote.EventConfirmed && last.To == stage.Linked && stage.Linked == h.run.pkg.String()
}

func (h *host) report() event.HostReport {
	return event.HostReport{
		Host: h.Name, Was: h.facts.Stage.Linked, Linked: h.linked, LinkKnown: h.session != nil && h.facts.Root != "", Ready: h.isReady(), Plan: h.planned(),
		Seconds: h.log.Spent().Seconds(), Pruned: h.pruned,
	}
}

// isReady reports whether the package is complete and verified on this host, for this stage too.
func (h *host) isReady() bool {
	return h.receipt != nil && !slices.ContainsFunc(h.log.Failures(), func(f event.Failure) bool {
		return f.Step == event.StepVerify || f.Step == event.StepVerifyStage
	})
}

// within bounds a step. The host has a deadline of its own, which comes first; this one is for a
// host that does not answer.
func within(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, d, fmt.Errorf("no answer within %v", d))
}
