package fleet

import (
	"context"
	"errors"
	"fmt"
)

// readSettled reads the links of the hosts that had nothing to do. They were last read when the locks were taken, minutes ago, and the exit
// status is about them too.
func (r *run) readSettled(ctx context.Context, o Outcome) Outcome {
	r.tx.parties = append(r.tx.parties, r.settled...) // the switch is over, the report is about all
	if o == Aborted || o == Interrupted {
		return o // the run has changed nothing, whatever is linked there now
	}
	ctx = context.WithoutCancel(ctx)
	same := make([]bool, len(r.settled))
	each(len(r.settled), 0, func(i int) {
		p := r.settled[i]
		same[i] = nil == p.step(StepConfirm, func() error {
			switch {
			case r.tx.asBefore(ctx, p):
				return nil
			case !p.known:
				return errors.New("the connection was lost, and the link could not be read once more")
			}
			return refuse("changed-meanwhile", fmt.Sprintf("%s is linked to %s, not to %s as when this run began", r.stage, orNone(p.linked), p.from), "")
		})
	})
	for _, ok := range same {
		if !ok {
			return Split
		}
	}
	return o
}
