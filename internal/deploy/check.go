package deploy

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/keep-it-simple/kis/internal/event"
	"github.com/keep-it-simple/kis/remote"
)

// What a package needs beyond its files: the environment, bytecode, and the archive itself.
// Measured on ordinary web applications; a host that is too small nevertheless fails while it
// builds, which changes nothing.
const (
	spareBytes  = 64 << 20
	spareInodes = 3000
)

// check inspects one host, and changes nothing.
func (r *run) check(ctx context.Context, h *host) bool {
	return h.step(event.StepCheck, func() error {
		if err := h.checkHost(ctx); err != nil {
			return err
		}
		return h.checkPip(ctx)
	})
}

func (h *host) checkHost(ctx context.Context) error {
	r := h.run
	ctx, cancel := within(ctx, r.timeouts().Query)
	defer cancel()
	if err := h.inspect(ctx); err != nil {
		return err
	}
	if err := event.Problems(append(h.facts.Problems, h.unfitServices()...)); err != nil {
		return err
	}
	if err := h.checkHealth(); err != nil {
		return err
	}
	if changed := h.facts.Stage.Changed; changed != nil {
		h.log.Notice(fmt.Sprintf("%s; %s is linked to it", changed.Message, r.stage))
	}
	return h.judge(ctx)
}

// checkInstaller asks the hosts that lack the package whether they have uv. The first check could not ask: a rollback or a
// sync did not know the package yet, and a host that has it needs none.
func (r *run) checkInstaller(ctx context.Context) bool {
	named := r.builds() || r.plan.Op == event.Promote || !r.plan.Target.IsZero()
	if named || r.plan.Recipe.Installer != remote.UV || len(r.lacking(r.pkg)) == 0 {
		return true
	}
	return r.phase(ctx, "check", func(ctx context.Context, h *host) bool {
		return h.sealed(r.pkg) != nil || r.check(ctx, h)
	})
}

// inspect asks the host for its facts.
func (h *host) inspect(ctx context.Context) error {
	request := h.run.checkRequest()
	var err error
	if h.clock, err = h.session.Ping(ctx); err != nil {
		return err
	}
	if !h.run.waited {
		h.reportClock(h.clock)
	}
	facts, err := h.session.Check(ctx, request)
	h.learn(facts)
	h.linked = h.facts.Stage.Linked
	return err
}

// learn takes over what the host has said.
func (h *host) learn(facts remote.Facts) {
	h.facts, h.journal = facts, remote.ParseJournal(facts.Stage.Lines)
}

// checkRequest is what the host is to inspect.
func (r *run) checkRequest() remote.CheckRequest {
	request := remote.CheckRequest{
		Stage: r.stage, Package: r.pkg, Packages: true, Shared: r.shared(), Services: r.services(), SpareBytes: spareBytes, SpareInodes: spareInodes, Keep: r.plan.Keep,
	}
	if a := r.plan.Archive; a != nil {
		request.Build, request.RequiresPython = true, bothPythons(a.RequiresPython, r.plan.Recipe.RequiresPython)
		request.Environments = r.plan.Recipe.Environments
		request.Installer = r.plan.Recipe.Installer
		request.Index = r.plan.Recipe.asksIndex()
		request.NeedBytes, request.NeedInodes = 4*a.Size+2*a.Unpacked+r.plan.Recipe.bytes(), 2*int64(a.Files)
	}
	if r.plan.Op == event.Promote || !r.pkg.IsZero() {
		request.Installer = r.plan.Recipe.Installer // for hosts that lack the package
	}
	request.Build = request.Build || r.plan.Op == event.Promote
	return request
}

// bothPythons is the Requires-Python of the application and that of its lock file.
func bothPythons(application, lock string) string {
	return strings.Join(slices.DeleteFunc([]string{application, lock}, func(s string) bool { return s == "" }), ",")
}

// reportClock warns of a clock that is wrong. kis does not depend on it, but users and certificates
// do.
func (h *host) reportClock(c remote.Clock) {
	if c.Offset.Abs() <= time.Minute+c.Error {
		return
	}
	side := "ahead of"
	if c.Offset < 0 {
		side = "behind"
	}
	h.log.Notice(fmt.Sprintf("host clock is %s %s this machine's: log times and TLS checks will be wrong", roughly(c.Offset.Abs()), side))
}

// roughly is a duration in its largest unit.
func roughly(d time.Duration) string {
	const day = 24 * time.Hour
	for _, unit := range []struct {
		name string
		size time.Duration
	}{{"years", 365 * day}, {"days", day}, {"hours", time.Hour}} {
		if d >= 2*unit.size {
			return fmt.Sprintf("%d %s", d.Round(unit.size)/unit.size, unit.name)
		}
	}
	return fmt.Sprintf("%d minutes", (d+time.Minute-1)/time.Minute)
}

func (r Recipe) bytes() int64 {
	total := int64(0)
	for _, f := range r.files {
		total += 4 * f.size // as wheels and unpacked
	}
	return total
}

// planned is what a dry run reports about this host, once all hosts are inspected: the steps before the barrier, and those
// after it.
func (h *host) planned() string {
	linked := h.facts.Stage.Linked == h.run.pkg.String()
	steps, remark := h.steps, h.remark
	switch {
	case steps == "":
		return ""
	case h.isUpToDate():
		return "nothing; already linked"
	case linked:
		remark = "; already linked, but not confirmed"
	}
	if h.run.plan.NoLink {
		return steps + remark
	}
	if h.runsBeforeLink() {
		steps += ", before_link"
	}
	if !linked {
		steps += ", link"
	}
	for _, part := range []struct {
		some bool
		name string
	}{
		{len(h.run.plan.Stage.Services) > 0, "services"}, {len(h.run.plan.Stage.AfterLink) > 0, "after_link"}, {h.run.plan.Stage.Health.URL != "", "health"},
	} {
		if part.some {
			steps += ", " + part.name
		}
	}
	if linked {
		steps += ", confirm"
	}
	return steps + remark
}

// judge compares what is on the host with the plan.
func (h *host) judge(ctx context.Context) error {
	there := h.facts.Package
	if holder := h.facts.Stage.Holder; holder != nil && h.run.plan.DryRun && h.run.plan.Op != event.Check {
		return event.Refuse(remote.CodeLocked, h.run.stage.String()+" is locked by another run"+event.LockedBy(holder), "")
	}
	if h.run.plan.Op == event.Check {
		if holder := h.facts.Stage.Holder; holder != nil {
			h.log.Notice(fmt.Sprintf("%s is locked by another run%s", h.run.stage, event.LockedBy(holder)))
		}
	}
	if !h.run.releases() {
		return nil
	}
	if err := h.sameProject(); err != nil || !h.run.builds() {
		return err
	}
	h.steps = "upload, build, verify"
	if there.State != remote.Sealed {
		return nil
	}
	h.steps, h.remark = "verify", "; the package is already installed"
	return h.sameSource(ctx, there.Receipt)
}
