package fleet

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/keep-it-simple/kis/internal/name"
)

// run is one plan being carried out.
type run struct {
	fleet   *Fleet
	plan    Plan
	stage   name.Stage
	pkg     name.Package // what is to be linked
	name    name.Run     // of the run, on every host
	members []*member
	begun   time.Time
	phases  []Phase
	tx      *transaction // nil before the barrier
	settled []*party     // hosts that were linked and confirmed before, and take no part in the switch
	waited  bool         // for another run's lock

	tellWait sync.Once // of the wait for another run's build

	mu  sync.Mutex // orders events
	seq int
}

func newRun(f *Fleet, p Plan) *run {
	r := &run{fleet: f, plan: p, begun: f.now(), name: name.NewRun(), stage: p.Stage.Name, pkg: p.Target}
	if p.Archive != nil {
		r.pkg = p.Archive.Package
	}
	for _, h := range p.Hosts {
		r.members = append(r.members, &member{run: r, host: h})
	}
	return r
}

// emit sends one event. Events are serial and numbered without a gap, whichever host they are about.
func (r *run) emit(e Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.seq++
	e.Seq, e.Time, e.Run = r.seq, r.fleet.now(), r.name.String()
	if r.fleet.Emit != nil {
		r.fleet.Emit(e)
	}
}

func (r *run) notice(host, message string) {
	r.emit(Event{Type: TypeNotice, Host: host, Message: message})
}

func (r *run) emitStart() {
	r.emit(Event{Type: TypeStart, Op: r.plan.Op, Stage: r.stage.String(), Package: r.pkg.String(), Hosts: r.names()})
}

// names are the run's hosts.
func (r *run) names() []string {
	names := make([]string, len(r.members))
	for i, m := range r.members {
		names[i] = m.host.Name
	}
	return names
}

// phase does one thing on all hosts and waits for all. It reports whether every host did it.
func (r *run) phase(ctx context.Context, name string, work func(ctx context.Context, m *member) bool) bool {
	return r.timed(ctx, name, func() {
		each(len(r.members), r.fleet.forks(), func(i int) {
			if ctx.Err() == nil {
				work(ctx, r.members[i])
			}
		})
	})
}

// timed notes how long a phase took, and reports whether nothing has failed so far.
func (r *run) timed(ctx context.Context, name string, work func()) bool {
	begin := r.fleet.now()
	work()
	r.phases = append(r.phases, Phase{Name: name, Seconds: r.fleet.now().Sub(begin).Seconds()})
	return ctx.Err() == nil && len(r.failures()) == 0
}

func (r *run) failures() []Failure {
	var all []Failure
	for _, m := range r.members {
		all = append(all, m.failures...)
	}
	return all
}

// carryOut is the life of a run: every line up to the barrier can fail without anything having changed.
func (r *run) carryOut(ctx context.Context) Report {
	ready := r.connect(ctx) &&
		r.phase(ctx, "check", r.check) &&
		r.apart() &&
		r.chooseTarget() &&
		(r.plan.DryRun || r.lockAll(ctx) && r.apart() && r.lookAgain(ctx) && r.phase(ctx, "install", r.install)) &&
		r.alike()
	// The barrier. Above it nothing that a visitor could see has changed on any host.
	r.emitBarrier(ready)
	switch {
	case !ready:
		return r.report(r.abortedAs(ctx))
	case r.plan.DryRun || r.plan.NoLink:
		return r.report(Succeeded)
	case !r.recorded() || !r.agreed(ctx):
		return r.report(r.abortedAs(ctx))
	}
	r.tx = newTransaction(r)
	return r.report(r.readSettled(ctx, r.tx.carryOut(ctx)))
}

// agreed asks the person at the terminal, where the stage wants it. Everything is ready, and the locks are held meanwhile.
func (r *run) agreed(ctx context.Context) bool {
	if !r.plan.Stage.Confirm || r.fleet.Ask == nil {
		return true
	}
	if r.fleet.Ask(ctx, fmt.Sprintf("link %s to %s on %s?", r.stage, r.pkg, strings.Join(r.names(), ", "))) {
		return ctx.Err() == nil
	}
	if ctx.Err() == nil {
		r.notice("", "not linked: the answer was no")
	}
	return false
}

func (r *run) emitBarrier(ready bool) {
	if r.plan.DryRun {
		return
	}
	if !ready {
		r.emit(Event{Type: TypeBarrier, State: Refused})
		return
	}
	passed := Event{Type: TypeBarrier, State: Done}
	for _, m := range r.members {
		passed.Links = append(passed.Links, Change{Host: m.host.Name, From: m.facts.Stage.Linked, To: r.pkg.String()})
	}
	r.emit(passed)
}

// recorded reports whether the record of this run says, for good, what is about to be linked where. Without it nobody could tell, should this
// machine die now, what the hosts were linked to before.
func (r *run) recorded() bool {
	if r.fleet.Recorded == nil {
		return true
	}
	err := r.fleet.Recorded()
	if err != nil {
		r.notice("", fmt.Sprintf("not linked: the log of this run cannot be written: %v", err))
	}
	return err == nil
}

// abortedAs tells the kinds of abort apart. All of them promise that no link has changed.
func (r *run) abortedAs(ctx context.Context) Outcome {
	if errors.Is(context.Cause(ctx), context.Canceled) || errors.Is(context.Cause(ctx), errInterrupted) {
		return Interrupted
	}
	failures := r.failures()
	for _, f := range failures {
		if f.Code != "locked" {
			return Aborted
		}
	}
	if len(failures) == 0 {
		return Aborted
	}
	return Locked
}

// close ends all conversations at once and waits, so that no lock of this run is left when it returns.
func (r *run) close() {
	each(len(r.members), 0, func(i int) { r.members[i].conn.close() })
}

func (r *run) report(o Outcome) Report {
	report := Report{
		Outcome: o, Exit: o.Exit(), Op: r.plan.Op, Stage: r.stage.String(), Package: r.pkg.String(), Run: r.name.String(), Subset: r.plan.Subset, NoLink: r.plan.NoLink, DryRun: r.plan.DryRun,
		Failures: r.failures(), Seconds: r.fleet.now().Sub(r.begun).Seconds(), Phases: r.phases,
	}
	report.Already = o == Succeeded && !r.plan.DryRun
	for _, m := range r.members {
		report.Already = report.Already && m.already
		h := HostReport{
			Host: m.host.Name, Was: m.facts.Stage.Linked, Linked: m.facts.Stage.Linked, Known: m.conn != nil && m.facts.Root != "", Ready: m.receipt != nil,
			Plan: m.plan, Seconds: m.spent.Seconds(),
		}
		report.Hosts = append(report.Hosts, h)
	}
	if r.tx != nil {
		r.tx.addTo(&report)
	}
	return report
}

// fail remembers a failure that is found by looking at several hosts.
func (m *member) fail(s Step, err error) {
	f := failure(m.host.Name, s, err)
	m.failures = append(m.failures, *f)
	m.run.emit(Event{Type: TypeStep, Host: m.host.Name, Step: s, State: f.State, Failure: f, Message: f.Message})
}
