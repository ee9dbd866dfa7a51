// Package commit switches the link of one stage on several hosts at the same time: a two-phase
// commit with presumed abort.
//
// In the first phase every host prepares the next link and promises to be able to rename it (arm).
// The second phase is one rename on each host (commit). A host that receives nothing removes its
// prepared link by itself. When the answer to a commit is lost, the coordinator fences the host: it
// removes the prepared link over a new session, after which the outcome cannot change, and reads
// the link. If a host has not switched, those that have are rolled back, unless the inventory says
// otherwise (on_partial). docs/transaction.md explains it.
package commit

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/keep-it-simple/kis/internal/event"
	"github.com/keep-it-simple/kis/internal/name"
	"github.com/keep-it-simple/kis/internal/safetext"
	"github.com/keep-it-simple/kis/internal/timeouts"
	"github.com/keep-it-simple/kis/inventory"
	"github.com/keep-it-simple/kis/remote"
)

// Coordinator switches one stage on all participants, or on none, or reports which. It holds the
// stage's lock on every host.
type Coordinator struct {
	Stage        name.Stage
	Run          name.Run
	Op           event.Op
	To           name.Package
	Note         remote.Note // what else the journals record about the run
	OnPartial    inventory.OnPartial
	Timeouts     timeouts.Timeouts
	Batch        int // how many hosts are brought into service at a time; 0: all
	Participants []*Participant
	// UpToDate are hosts that were linked and confirmed before. They take no part in the switch,
	// but the outcome of a switch includes them: their links are read again at its end.
	UpToDate []*Participant
	Stream   *event.Stream
	// Interrupts returns a channel that is closed at the user's next interrupt; nil: there are
	// none.
	Interrupts func() <-chan struct{}

	armedAt    time.Time
	committing bool // a commit may have been sent
	confirming bool // a host may have been sent a confirm
	skew       *event.Skew
	phases     []event.Phase
}

// Switch executes the whole switch. Until the first commit is sent, the end of ctx aborts it; from
// then on it completes or rolls back, because hosts must not be left half switched.
func (c *Coordinator) Switch(ctx context.Context) event.Outcome {
	c.armedAt = time.Now()
	for _, p := range c.Participants {
		p.read(p.Before)
		if p.AlreadyLinked {
			p.read(c.To.String())
		}
	}
	outcome := c.decideGuarded(ctx)
	outcome = c.guarded(func() event.Outcome { return c.checkUpToDate(ctx, outcome) }, func() event.Outcome { return event.Split })
	c.readAgain(ctx, outcome)
	return outcome
}

func (c *Coordinator) decide(ctx context.Context) event.Outcome {
	if !c.prepare(ctx) {
		c.abort(ctx)
		if ctx.Err() != nil {
			return event.Interrupted
		}
		return event.Aborted
	}
	ctx = context.WithoutCancel(ctx)
	c.committing = true
	c.all(ctx, event.StepLink, "link", c.Timeouts.Link, c.commit)
	c.measure()
	c.resolve(ctx)
	switch c.OnPartial {
	case inventory.PartialForward:
		return c.completeForward(ctx)
	case inventory.PartialStop:
		return c.completeOrStop(ctx)
	}
	if !c.everywhere() || !c.activateAll(ctx) {
		return c.rollBack(ctx)
	}
	return c.confirmOrSplit(ctx)
}

// prepare is the first phase, and the roll call after it.
func (c *Coordinator) prepare(ctx context.Context) bool {
	return c.all(ctx, event.StepArm, "arm", c.Timeouts.Arm, c.arm) &&
		c.all(ctx, event.StepRollCall, "roll call", c.Timeouts.RollCall, c.rollCall) &&
		c.inTime(time.Now()) && ctx.Err() == nil && len(c.Stream.Bugs()) == 0
}

// completeForward is on_partial: forward. It completes the switch where it can, and rolls back
// nothing.
func (c *Coordinator) completeForward(ctx context.Context) event.Outcome {
	c.linkRest(ctx)
	everywhere := c.everywhere()
	c.readOld(ctx)
	if c.activateAll(ctx) && c.confirm(ctx) && everywhere {
		return event.Succeeded
	}
	return event.Split
}

// completeOrStop is on_partial: stop. It changes nothing more when the switch is not complete.
func (c *Coordinator) completeOrStop(ctx context.Context) event.Outcome {
	everywhere := c.everywhere()
	c.readOld(ctx)
	if !everywhere || !c.activateAll(ctx) {
		return event.Split
	}
	return c.confirmOrSplit(ctx)
}

func (c *Coordinator) confirmOrSplit(ctx context.Context) event.Outcome {
	if c.confirm(ctx) {
		return event.Succeeded
	}
	return event.Split
}

// all does one step for every participant concurrently and waits for all. It reports whether each
// did it. The stream gets the step before any host does: output that blocks must not delay one host
// and not another.
func (c *Coordinator) all(ctx context.Context, s event.Step, phase string, timeout time.Duration, work func(context.Context, *Participant) error) bool {
	begin := time.Now()
	ends := map[*Participant]func(error) error{}
	for _, p := range c.Participants {
		ends[p] = p.Log.Begin(s)
	}
	errs := c.each(c.Participants, func(p *Participant) error {
		bounded, cancel := within(ctx, timeout)
		defer cancel()
		return ends[p](work(bounded, p))
	})
	c.timed(phase, begin)
	return errors.Join(errs...) == nil
}

func (c *Coordinator) timed(phase string, begin time.Time) {
	c.phases = append(c.phases, event.Phase{Name: phase, Seconds: time.Since(begin).Seconds()})
}

// within bounds the wait for an answer.
func within(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, d, fmt.Errorf("no answer within %s", safetext.Duration(d)))
}

// linkOf is the request to link one host, for its agent.
func (c *Coordinator) linkOf(p *Participant) remote.Link {
	note := c.Note
	note.Key, note.Before = p.Key, p.Past
	return remote.Link{Stage: c.Stage, Run: c.Run, Op: string(c.Op), From: p.Before, To: c.To, Dangling: p.Dangling, Note: note}
}

func (c *Coordinator) arm(ctx context.Context, p *Participant) error {
	p.link.state = stateOld
	if p.AlreadyLinked {
		p.link.state = stateNew
		return p.resume(ctx, c)
	}
	return p.Session.Arm(ctx, c.linkOf(p), c.Timeouts.Armed)
}

// rollCall checks that every host answers immediately before the first commit is sent. It also
// compares the clocks, as far as time allows: over a long distance one answer has to suffice.
func (c *Coordinator) rollCall(ctx context.Context, p *Participant) error {
	until, _ := ctx.Deadline()
	for i := range pings {
		clock, err := p.Session.Ping(ctx)
		if err != nil {
			return err
		}
		if i == 0 || clock.Error < p.clock.Error {
			p.clock = clock
		}
		if trip := 2 * clock.Error; time.Until(until) < 2*trip {
			return nil
		}
	}
	return nil
}

// inTime refuses to commit when so much time has passed that a host may have removed its prepared
// link: this machine was suspended, or hosts were slow. It also compares the wall clock, because
// the monotonic clock stops while a laptop sleeps.
func (c *Coordinator) inTime(now time.Time) bool {
	limit := c.Timeouts.Armed - 5*time.Second
	if now.Sub(c.armedAt) < limit && now.Round(0).Sub(c.armedAt.Round(0)).Abs() < limit {
		return true
	}
	c.Stream.Notice("", "too much time has passed since the links were prepared (was this machine suspended?)")
	return false
}

// abort removes the prepared links. A host that does not receive this removes its own: at the end
// of the connection, or at its deadline.
func (c *Coordinator) abort(ctx context.Context) {
	ctx = context.WithoutCancel(ctx)
	c.each(c.Participants, func(p *Participant) error {
		bounded, cancel := within(ctx, c.Timeouts.Link)
		defer cancel()
		return p.Session.Abort(bounded)
	})
}

// commit is the second phase: one rename on the host.
func (c *Coordinator) commit(ctx context.Context, p *Participant) error {
	if p.AlreadyLinked {
		return nil
	}
	switched, err := p.Session.Commit(ctx, c.Run)
	switch {
	case err == nil:
		p.link.state, p.switched = stateNew, switched
		p.read(c.To.String())
		p.durable(switched.Durable)
	case isRefused(err):
		p.link.state, p.link.current = stateOld, false // what it is linked to is not known: it may have been changed outside kis
	default:
		p.lost()
	}
	return err
}

func (c *Coordinator) everywhere() bool {
	for _, p := range c.Participants {
		if p.link.state != stateNew {
			return false
		}
	}
	return true
}

// confirm asks every host that has switched to compare its link again and to record in its journal
// that the run is complete. A journal that cannot be written is reported, and does not change the
// links.
func (c *Coordinator) confirm(ctx context.Context) bool {
	c.confirming = true
	var note remote.Note
	if c.skew != nil {
		note.Skew = c.skew.Seconds
	}
	return c.all(ctx, event.StepConfirm, "confirm", c.Timeouts.Reconnect, func(ctx context.Context, p *Participant) error {
		if p.link.state != stateNew {
			return nil
		}
		err := c.insist(ctx, p, func(ctx context.Context) error { return p.Session.Confirm(ctx, c.Run, note) })
		if refused, ok := errors.AsType[*remote.Refused](err); ok && refused.Code == remote.CodeNotRecorded {
			// The host has compared its link, which is what success promises. Status and later
			// rollbacks need the line.
			p.Log.Notice(fmt.Sprintf("confirm: the journal could not be written: %s; kis status reports this run as unconfirmed until the same command is repeated", refused.Message))
			err = nil
		}
		if err != nil {
			_ = c.unchanged(ctx, p) // for the report
			return err
		}
		p.read(c.To.String())
		p.Log.Forgive(event.StepLink, event.StepResolve) // an answer was lost; the switch was not
		return nil
	})
}

// measure computes the skew of the switch from the hosts' clocks, corrected by the roll call's
// comparison.
func (c *Coordinator) measure() {
	var first, last time.Time
	var wrong time.Duration
	n := 0
	for _, p := range c.Participants {
		if p.switched.At.IsZero() {
			continue
		}
		at := p.switched.At.Add(-p.clock.Offset)
		if n == 0 || at.Before(first) {
			first = at
		}
		if n == 0 || at.After(last) {
			last = at
		}
		wrong = max(wrong, p.clock.Error)
		n++
	}
	if n > 1 {
		c.skew = &event.Skew{Seconds: last.Sub(first).Seconds(), Error: 2 * wrong.Seconds()}
	}
}

// AddTo adds the result of the switch to a report whose Hosts name all participants.
func (c *Coordinator) AddTo(r *event.Report) {
	r.Skew, r.OnPartial = c.skew, c.OnPartial
	r.Phases = append(r.Phases, c.phases...)
	rows := map[string]*event.HostReport{}
	for i := range r.Hosts {
		rows[r.Hosts[i].Host] = &r.Hosts[i]
	}
	for _, list := range [][]*Participant{c.Participants, c.UpToDate} {
		for _, p := range list {
			row := rows[p.Log.Name]
			row.RollbackTo, row.Linked, row.LinkKnown, row.Degraded = p.Before, p.link.target, p.link.current, p.activation.failed
			row.Restarted = p.activation.restarted
		}
	}
}
