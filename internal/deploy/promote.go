package deploy

import (
	"context"
	"fmt"
	"slices"

	"github.com/keep-it-simple/kis/internal/event"
	"github.com/keep-it-simple/kis/internal/fleet"
	"github.com/keep-it-simple/kis/internal/name"
	"github.com/keep-it-simple/kis/remote"
)

// addSources adds the hosts of the stage that is promoted. Those that are in both stages are the same.
func (r *run) addSources() {
	for _, from := range r.plan.From.Hosts {
		at := slices.IndexFunc(r.hosts, func(h *host) bool { return h.Name == from.Name })
		if at >= 0 {
			r.sources = append(r.sources, r.hosts[at])
			continue
		}
		donor := newHost(r, from)
		r.sources, r.donors = append(r.sources, donor), append(r.donors, donor)
	}
}

// readSource determines the package of a promotion: what the other stage is linked to, confirmed, the same on all
// of its hosts.
func (r *run) readSource(ctx context.Context) bool {
	if len(r.sources) == 0 {
		return true
	}
	from := r.plan.From.Stage
	if !r.timed(ctx, "check", func() {
		fleet.Each(len(r.sources), r.Fleet.Limit(), func(i int) { r.sources[i].readStage(ctx, from) }, r.caughtSource)
	}) {
		return false
	}
	if err := r.agreeOnSource(from); err != nil {
		for _, h := range r.sources {
			h.log.Fail(event.StepCheck, err)
		}
		return false
	}
	return true
}

// readStage reads the state of the stage that is promoted, and the packages, of one host.
func (h *host) readStage(ctx context.Context, from name.Stage) {
	h.step(event.StepCheck, func() error {
		ctx, cancel := within(ctx, h.run.timeouts().Query)
		defer cancel()
		facts, err := h.session.Check(ctx, remote.CheckRequest{Stage: from, Packages: true})
		if err != nil {
			return err
		}
		if err := event.Problems(facts.Problems); err != nil {
			return err
		}
		h.learn(facts)
		return h.requireConfirmed(from)
	})
}

// requireConfirmed refuses what this host has not confirmed to be linked, or what has changed since.
func (h *host) requireConfirmed(from name.Stage) error {
	stage := h.facts.Stage
	last, some := h.journal.Last()
	hint := "see: kis status " + from.String()
	switch {
	case stage.Linked == "":
		return event.Refuse(event.CodeNoTarget, fmt.Sprintf("%s is linked to nothing", from), "push something to it first: kis push "+from.String())
	case !some || last.Event != remote.EventConfirmed || last.To != stage.Linked:
		return event.Refuse(event.CodeNoTarget, fmt.Sprintf("%s is linked to %s, and that is not confirmed", from, stage.Linked), hint)
	case stage.Changed != nil:
		return event.Refuse(stage.Changed.Code, stage.Changed.Message, stage.Changed.Hint)
	}
	return nil
}

// agreeOnSource finds the one package that the stage is linked to.
func (r *run) agreeOnSource(from name.Stage) error {
	linked := map[string][]string{}
	for _, h := range r.sources {
		linked[h.facts.Stage.Linked] = append(linked[h.facts.Stage.Linked], h.Name)
	}
	p, err := onlyLinked(linked, from)
	if err != nil {
		return err
	}
	first := r.sources[0]
	for _, h := range r.sources[1:] {
		this, other := h.sealed(p), first.sealed(p)
		if this == nil || other == nil {
			return event.Refuse(remote.CodeNoPackage, fmt.Sprintf("%s is no complete package on %s", p, h.Name), "see: kis status "+from.String())
		}
		if what := otherThan(this, other); what != "" && (this.Platform == other.Platform || what == "content") {
			return event.Refuse(event.CodeDiffers, fmt.Sprintf("%s has another %s on %s than on %s", p, what, h.Name, first.Name), "push a new version to "+from.String())
		}
	}
	r.pkg = p
	return nil
}

// onlyLinked is the package that all hosts are linked to.
func onlyLinked(linked map[string][]string, stage name.Stage) (name.Package, error) {
	if len(linked) > 1 {
		return name.Package{}, event.Refuse(event.CodeNoTarget,
			fmt.Sprintf("%s is not linked to the same package everywhere: %s", stage, onWhich(linked)),
			fmt.Sprintf("link one everywhere first: kis link %s PACKAGE", stage))
	}
	for to := range linked {
		return name.ParsePackage(to)
	}
	return name.Package{}, event.Refuse(event.CodeNoTarget, fmt.Sprintf("%s is linked to nothing on any host", stage), "push something to it: kis push "+stage.String())
}

// agreeOnLinked is the target of a synchronization: what the hosts of the stage that have a link are linked to,
// confirmed.
func (r *run) agreeOnLinked() error {
	linked := map[string][]string{}
	for _, h := range r.hosts {
		if h.facts.Stage.Linked == "" {
			continue
		}
		if err := h.requireConfirmed(r.stage); err != nil {
			return err
		}
		linked[h.facts.Stage.Linked] = append(linked[h.facts.Stage.Linked], h.Name)
	}
	p, err := onlyLinked(linked, r.stage)
	r.pkg = p
	return err
}
