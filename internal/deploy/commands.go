package deploy

import (
	"context"
	"slices"
	"strings"

	"github.com/keep-it-simple/kis/internal/event"
	"github.com/keep-it-simple/kis/internal/fleet"
	"github.com/keep-it-simple/kis/internal/guard"
	"github.com/keep-it-simple/kis/internal/name"
	"github.com/keep-it-simple/kis/inventory"
	"github.com/keep-it-simple/kis/remote"
)

// packageVariables are the environment variables of commands that work on a package, whatever stages
// will be linked to it. The prefix separates the vars of the inventory from those of kis.
func (h *host) packageVariables(p name.Package) map[string]string {
	all := hostVariables(h.Host, p)
	all["KIS_RUN"] = h.run.id.String()
	return all
}

// hostVariables are those of all commands on a host.
func hostVariables(h inventory.Host, p name.Package) map[string]string {
	all := map[string]string{"KIS_PACKAGE": p.String(), "KIS_VERSION": p.ProjectVersion(), "KIS_HOST": h.Name}
	for key, value := range h.Vars {
		all["KIS_VAR_"+strings.ToUpper(key)] = value
	}
	return all
}

// stageVariables are those of commands that work on a stage.
func (h *host) stageVariables(p name.Package) map[string]string {
	all := h.packageVariables(p)
	previous := h.facts.Stage.Linked
	if previous == p.String() { // a rollback: the previous package is this run's
		previous = h.run.pkg.String()
	}
	all["KIS_STAGE"], all["KIS_PREVIOUS"] = h.run.stage.String(), previous
	return all
}

// request is one command for the host.
func (h *host) request(p name.Package, c inventory.Command, env map[string]string) remote.Commands {
	timeout := h.run.timeout()
	if c.Timeout > 0 {
		timeout = c.Timeout
	}
	return remote.Commands{Package: p, Commands: []string{c.Run}, Env: env, Within: timeout}
}

// runInPackage runs commands one by one in the package that is being built or verified.
func (h *host) runInPackage(ctx context.Context, s event.Step, list []inventory.Command, env map[string]string) error {
	for _, c := range list {
		h.log.Command(s, event.Started, c.Run)
		if err := h.session.Run(ctx, h.request(h.run.pkg, c, env), h.log.Output(s)); err != nil {
			return err
		}
	}
	return nil
}

// runsBeforeLink reports whether a push runs commands of before_link on this host.
func (h *host) runsBeforeLink() bool {
	return slices.ContainsFunc(h.run.plan.Stage.BeforeLink, func(c inventory.Command) bool { return slices.Contains(h.run.beforeLinkOn(c), h) })
}

// beforeLinkOn are the hosts on which a push runs a command of before_link: those that are still to be linked, or the first
// of them. A host that is linked and confirmed is left alone, as no after_link command follows there.
func (r *run) beforeLinkOn(c inventory.Command) []*host {
	if !r.releases() {
		return nil
	}
	hosts := slices.DeleteFunc(slices.Clone(r.hosts), (*host).isUpToDate)
	if c.Once && len(hosts) > 1 {
		return hosts[:1]
	}
	return hosts
}

// beforeLink runs the before_link commands of a push: one after another, each on its hosts at the
// same time. Nothing is armed yet, so that a failure changes no link.
func (r *run) beforeLink(ctx context.Context) bool {
	if !slices.ContainsFunc(r.hosts, (*host).runsBeforeLink) {
		return true
	}
	return r.timed(ctx, "before_link", func() {
		for _, c := range r.plan.Stage.BeforeLink {
			hosts := r.beforeLinkOn(c)
			fleet.Each(len(hosts), r.Fleet.Limit(), func(i int) { hosts[i].runBeforeLink(ctx, c) }, r.caught)
			if len(r.failures()) > 0 || ctx.Err() != nil {
				return
			}
		}
	})
}

func (h *host) runBeforeLink(ctx context.Context, c inventory.Command) {
	r := h.run
	h.step(event.StepBeforeLink, func() error {
		h.log.Command(event.StepBeforeLink, event.Started, c.Run)
		request := h.request(r.pkg, c, h.stageVariables(r.pkg))
		bounded, cancel := within(ctx, request.Within+r.timeouts().Query)
		defer cancel()
		stop := context.AfterFunc(ctx, guard.Func(func() { _ = h.session.Cancel(context.WithoutCancel(ctx)) }, func(bug *guard.Panic) { h.log.Bug(bug) }))
		defer stop()
		return h.session.Command(bounded, r.stage, r.id, request, h.log.Output(event.StepBeforeLink))
	})
}
