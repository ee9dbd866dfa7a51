package deploy

import (
	"context"

	"github.com/keep-it-simple/kis/internal/event"
	"github.com/keep-it-simple/kis/remote"
)

// restart brings what the stage links into service again, in batches, and changes no link. Up to the
// first batch it fails like any run: nothing was done.
func (r *run) restart(ctx context.Context) event.Outcome {
	ready := r.connect(ctx) &&
		r.phase(ctx, "check", r.check) &&
		r.refuseDuplicates() &&
		r.requireLinked() &&
		r.lockAll(ctx) && r.refuseDuplicates() && r.checkAgain(ctx)
	if !ready || !r.recorded() {
		return r.abortedAs(ctx)
	}
	r.commit = r.coordinator()
	return r.commit.Restart(ctx)
}

// requireLinked refuses hosts on which the stage is not linked to a complete package.
func (r *run) requireLinked() bool {
	for _, h := range r.hosts {
		if !h.facts.Stage.Sealed {
			h.log.Fail(event.StepCheck, event.Refuse(remote.CodeNotLinked, r.stage.String()+" is not linked to a complete package", "see: kis status "+r.stage.String()))
		}
	}
	return len(r.failures()) == 0
}
