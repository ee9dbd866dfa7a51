package deploy

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/keep-it-simple/kis/internal/commit"
	"github.com/keep-it-simple/kis/internal/event"
	"github.com/keep-it-simple/kis/internal/fleet"
	"github.com/keep-it-simple/kis/internal/guard"
	"github.com/keep-it-simple/kis/internal/name"
	"github.com/keep-it-simple/kis/remote"
	"github.com/keep-it-simple/kis/scripts"
)

// run is the execution of one plan.
type run struct {
	*Deployer
	plan   Plan
	stage  name.Stage
	pkg    name.Package // the target
	id     name.Run     // on every host
	hosts  []*host
	stream *event.Stream
	begun  time.Time
	phases []event.Phase
	commit *commit.Coordinator // nil before the barrier
	first  *host               // that switches: it runs the commands that run once
	waited bool                // for another run's lock

	origin       *origin              // of the package, where a host lacks it; from the installation on
	sources      []*host              // of a promotion: those of the other stage
	donors       []*host              // those of them that the run only reads from
	platforms    map[string]*platform // of the hosts that may build, by its name; from the installation on
	exchange     *exchange            // files on their way from host to host
	line         sharedLine           // from this machine to all hosts
	modified     time.Time            // of all files of the package
	installer    scripts.File         // the library that hosts unpack wheels with
	wheelNotice  sync.Once            // that hosts build the application
	importNotice sync.Once            // nothing was imported

	buildWait sync.Once // the notice of waiting for another run's build
}

func newRun(d *Deployer, p Plan) *run {
	r := &run{Deployer: d, plan: p, stage: p.Stage.Name, pkg: p.Target, begun: time.Now(), id: name.NewRun()}
	r.stream = event.NewStream(r.id.String(), d.Emit)
	if p.Archive != nil && p.Target.IsZero() {
		r.pkg = p.Archive.Package
	}
	for _, h := range p.Hosts {
		r.hosts = append(r.hosts, newHost(r, h))
	}
	r.addSources()
	return r
}

// builds reports whether the run installs a package that was built here, or checks whether it could.
func (r *run) builds() bool { return r.plan.Op == event.Push || r.plan.Op == event.Check }

// releases reports whether the run brings another release to the stage, rather than one that it had.
func (r *run) releases() bool { return r.builds() || r.plan.Op == event.Promote }

func (r *run) emitStart() {
	r.stream.Emit(event.Event{Type: event.TypeStart, Op: r.plan.Op, Stage: r.stage.String(), Package: r.pkg.String(), Hosts: r.names()})
}

// names are the names of the run's hosts.
func (r *run) names() []string { return namesOf(r.hosts, nil) }

// phase does the same on all hosts and waits for all. It reports whether every host did it.
func (r *run) phase(ctx context.Context, name string, work func(ctx context.Context, h *host) bool) bool {
	return r.timed(ctx, name, func() {
		fleet.Each(len(r.hosts), r.Fleet.Limit(), func(i int) {
			if ctx.Err() == nil {
				work(ctx, r.hosts[i])
			}
		}, r.caught)
	})
}

// caught reports a panic of code that handled one host.
func (r *run) caught(i int, p *guard.Panic) { _ = r.hosts[i].log.Caught(p) }

// caughtSource is caught for a host of the stage that is promoted.
func (r *run) caughtSource(i int, p *guard.Panic) { _ = r.sources[i].log.Caught(p) }

// timed records how long a phase took, and reports whether nothing has failed so far. A bug
// anywhere is a failure: a program that has panicked must not switch links.
func (r *run) timed(ctx context.Context, name string, work func()) bool {
	begin := time.Now()
	work()
	r.phases = append(r.phases, event.Phase{Name: name, Seconds: time.Since(begin).Seconds()})
	return ctx.Err() == nil && len(r.failures()) == 0 && len(r.stream.Bugs()) == 0
}

func (r *run) failures() []event.Failure {
	var all []event.Failure
	for _, h := range r.everyHost() {
		all = append(all, h.log.Failures()...)
	}
	return all
}

// outcome executes the plan, whatever panics. The switch handles panics itself, so a panic that
// arrives here from before the switch has changed nothing on any host.
func (r *run) outcome(ctx context.Context) event.Outcome {
	outcome := event.Aborted
	err := guard.Run(func() error { outcome = r.carryOut(ctx); return nil })
	if bug, ok := errors.AsType[*guard.Panic](err); ok {
		r.stream.Bug(bug)
		if r.commit != nil {
			return event.Split
		}
	}
	return outcome
}

// carryOut is the life of a run. Every line up to the barrier can fail without a visible change.
func (r *run) carryOut(ctx context.Context) event.Outcome {
	if r.plan.Op == event.Restart {
		return r.restart(ctx)
	}
	defer r.buildWheel(ctx)()
	ready := r.connect(ctx) &&
		r.readSource(ctx) &&
		r.phase(ctx, "check", r.check) &&
		r.refuseDuplicates() &&
		r.requireSharedFiles() &&
		r.chooseTarget() && r.checkInstaller(ctx) &&
		r.preparePackages(ctx) &&
		r.samePackages()
	// The barrier. Before it no link has changed on any host.
	r.emitBarrier(ready)
	switch {
	case !ready:
		return r.abortedAs(ctx)
	case r.plan.DryRun || r.plan.NoLink:
		return event.Succeeded
	case !r.recorded() || !r.confirmedByUser(ctx) || !r.beforeLink(ctx):
		return r.abortedAs(ctx)
	}
	r.commit = r.coordinator()
	outcome := r.commit.Switch(ctx)
	if outcome == event.Succeeded && (r.plan.Op == event.Push || r.plan.Op == event.Promote) && r.plan.Keep > 0 {
		r.phase(ctx, "prune", r.prune)
	}
	return outcome
}

// preparePackages installs the package on all hosts, under the lock; a dry run reads what they have.
func (r *run) preparePackages(ctx context.Context) bool {
	if r.plan.DryRun {
		return r.phase(ctx, "verify", r.readPackage)
	}
	return r.lockAll(ctx) && r.refuseDuplicates() && r.checkAgain(ctx) && r.installAll(ctx)
}

// confirmedByUser asks the user, if the stage has confirm:. Everything is ready, and the locks are
// held meanwhile.
func (r *run) confirmedByUser(ctx context.Context) bool {
	if !r.plan.Stage.Confirm || r.Ask == nil {
		return true
	}
	question := fmt.Sprintf("link %s to %s on %s (now %s)?", r.stage, r.pkg, strings.Join(r.names(), ", "), r.linkedNow())
	if r.Ask(ctx, question) {
		return ctx.Err() == nil
	}
	if ctx.Err() == nil {
		r.stream.Notice("", "not linked: the answer was no")
	}
	return false
}

// linkedNow names the current link, if it is the same on all hosts.
func (r *run) linkedNow() string {
	linked := r.hosts[0].facts.Stage.Linked
	if slices.ContainsFunc(r.hosts, func(h *host) bool { return h.facts.Stage.Linked != linked }) {
		return "various packages"
	}
	return event.LinkText(linked)
}

func (r *run) emitBarrier(ready bool) {
	if r.plan.DryRun {
		return
	}
	if !ready {
		r.stream.Emit(event.Event{Type: event.TypeBarrier, State: event.Refused})
		return
	}
	passed := event.Event{Type: event.TypeBarrier, State: event.Done}
	for _, h := range r.hosts {
		passed.Links = append(passed.Links, event.Change{Host: h.Name, From: h.facts.Stage.Linked, To: r.pkg.String()})
	}
	r.stream.Emit(passed)
}

// recorded reports whether the log of this run, with the links that are about to change, is on
// stable storage. Without it the previous links could not be found out after a crash of this
// machine.
func (r *run) recorded() bool {
	if r.Recorded == nil {
		return true
	}
	err := r.Recorded()
	if err != nil {
		r.stream.Notice("", fmt.Sprintf("not linked: the log of this run cannot be written: %v", err))
	}
	return err == nil
}

// abortedAs distinguishes the kinds of abort. All of them promise that no link has changed.
func (r *run) abortedAs(ctx context.Context) event.Outcome {
	if errors.Is(context.Cause(ctx), context.Canceled) {
		return event.Interrupted
	}
	failures := r.failures()
	for _, f := range failures {
		if f.Code != remote.CodeLocked {
			return event.Aborted
		}
	}
	if len(failures) == 0 {
		return event.Aborted
	}
	return event.Locked
}

// close ends all sessions and waits, so that no lock of this run is left when it returns.
func (r *run) close() {
	all := r.everyHost()
	fleet.Each(len(all), 0, func(i int) { all[i].session.Close() }, func(i int, p *guard.Panic) { all[i].log.Bug(p) })
}

func (r *run) report(o event.Outcome) event.Report {
	report := event.Report{
		Outcome: o, Op: r.plan.Op, Stage: r.stage.String(), Package: r.pkg.String(), Run: r.id.String(), Subset: r.plan.Subset, NoLink: r.plan.NoLink, DryRun: r.plan.DryRun, BeforeLink: len(r.plan.Stage.BeforeLink) > 0,
		From:     r.plan.Stage.From.String(),
		Failures: r.failures(), Seconds: time.Since(r.begun).Seconds(), Phases: r.phases,
	}
	report.UpToDate = o == event.Succeeded && !r.plan.DryRun
	for _, h := range r.hosts {
		report.UpToDate = report.UpToDate && h.upToDate
		report.Hosts = append(report.Hosts, h.report())
	}
	if r.commit != nil {
		r.commit.AddTo(&report)
	}
	return report
}
