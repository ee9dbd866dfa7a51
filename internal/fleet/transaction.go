package fleet

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/keep-it-simple/kis/internal/name"
	"github.com/keep-it-simple/kis/inventory"
	"github.com/keep-it-simple/kis/remote"
)

// patience is how long the parts of the switch are waited for. The host's deadline is longer than everything that lies between arming and
// commit here, so that a commit can only come too late when something was suspended.
type patience struct {
	armed time.Duration // on the host, by its own clock
	arm   time.Duration
	call  time.Duration // the roll call
	link  time.Duration
	find  time.Duration // to reach a host again whose answer was lost
	pause time.Duration // between two attempts to finish the switch on a host
}

func ordinaryPatience() patience {
	return patience{armed: 30 * time.Second, arm: 15 * time.Second, call: 2 * time.Second, link: 10 * time.Second, find: 30 * time.Second, pause: retryEvery}
}

// callsPer is the number of pings per host: the shortest tells the clocks' difference best.
const callsPer = 3

// linker is a host's agent as far as the switch needs it.
type linker interface {
	Arm(ctx context.Context, l remote.Link, within time.Duration) error
	Abort(ctx context.Context) error
	Ping(ctx context.Context) (remote.Clock, error)
	Commit(ctx context.Context, run name.Run) (remote.Switched, error)
	Revert(ctx context.Context, run name.Run) (remote.Switched, error)
	Resume(ctx context.Context, l remote.Link) (durable bool, err error)
	Confirm(ctx context.Context, run name.Run, note map[string]any) error
	Fence(ctx context.Context, s name.Stage, run name.Run) (remote.Fenced, error)
	Command(ctx context.Context, c remote.Commands, output func(string)) error
	Cancel(ctx context.Context) error
	Restarted(ctx context.Context, s name.Stage, run name.Run, well bool) error
}

var _ linker = (*remote.Agent)(nil)

// position is what is known of one host's link during the switch.
type position string

const (
	isOld     position = "old"     // as it was before this run, by the host's word or because no commit was sent
	isNew     position = "new"     // switched, by the host's word
	isUnknown position = "unknown" // a commit was sent and not answered
	isTaken   position = "taken"   // somebody else has linked something else meanwhile: it is theirs
)

// party is one host in the switch.
type party struct {
	name   string
	from   string // text of the link to go back to, "" for none: the one before this run, or before a run that did not come to its end
	key    string // fingerprint of the key that logged in, for the journal
	agent  linker
	reach  func(ctx context.Context) (linker, error) // starts another conversation after the first was lost
	again  func(ctx context.Context) error           // takes the stage's lock again in the new conversation
	after  func(p name.Package) remote.Commands      // the after-link commands
	begin  func(s Step) (end func(error) error)      // tells the stream, and remembers the failure that end is told of
	output func(line string)                         // gets the output of the after-link commands

	here     bool // linked to the target before this run, and only to be confirmed
	dangling bool // from leads to no sealed package
	at       position
	linked   string // text of the link as last read
	known    bool
	unlocked bool // the conversation is a new one, and does not hold the stage's lock yet
	idle     bool // it holds the lock, and has not taken the switch up yet
	told     bool // an older conversation was told to go back, and has not answered: it may do so until this run has the lock again
	owed     bool // the host has switched, and the after-link commands have not run for what it goes back to
	unwell   bool // after the way back the after-link commands failed
	doubted  bool // the disk has not confirmed what is linked, and that was told
	switched remote.Switched
	clock    remote.Clock
}

// transaction switches one stage on all parties, or on none, or says which.
type transaction struct {
	stage    name.Stage
	run      name.Run
	op       string
	to       name.Package
	note     map[string]any
	parties  []*party
	now      func() time.Time
	notice   func(host, message string)
	phase    func(name string, took time.Duration)
	patience patience
	partial  inventory.OnPartial
	// interrupts returns a channel that is closed when a person interrupts the next time; nil: nobody can.
	interrupts func() <-chan struct{}

	armedAt time.Time
	skew    *Skew
}

// carryOut is the whole switch. Until the commit the end of ctx aborts it; from there on it finishes, one way or the other.
func (t *transaction) carryOut(ctx context.Context) Outcome {
	if !t.all(ctx, StepArm, "arm", t.patience.arm, t.arm) || !t.all(ctx, StepRollCall, "roll call", t.patience.call, t.call) || !t.inTime() || ctx.Err() != nil {
		t.abort(ctx)
		if ctx.Err() != nil {
			return Interrupted
		}
		return Aborted
	}
	hold := context.WithoutCancel(ctx) // from here on nobody can interrupt: a fleet must not be left split
	t.all(hold, StepLink, "link", t.patience.link, t.commit)
	t.measure()
	t.resolve(hold)
	if t.partial == inventory.PartialForward {
		t.forward(hold)
	}
	everywhere := t.count(isNew) == len(t.parties)
	if t.partial != inventory.PartialBack {
		t.readOld(hold)
	}
	switch {
	case t.partial == inventory.PartialStop && !everywhere:
		return Split // as it is at this moment, after-link commands included: that is what was asked for
	case t.partial == inventory.PartialForward:
		if t.after(hold) && t.confirm(hold) && everywhere {
			return Succeeded
		}
		return Split
	case everywhere && t.after(hold):
		if t.confirm(hold) {
			return Succeeded
		}
		return Split
	case t.partial == inventory.PartialStop:
		return Split
	}
	return t.back(hold)
}

// all does one thing for every party at once and waits for all. It reports whether each did it. The stream is told before any host is: who does
// not take what kis prints must not stand between two hosts.
func (t *transaction) all(ctx context.Context, s Step, name string, within time.Duration, work func(ctx context.Context, p *party) error) bool {
	begin := t.now()
	errs, ends := make([]error, len(t.parties)), make([]func(error) error, len(t.parties))
	for i, p := range t.parties {
		ends[i] = p.begin(s)
	}
	each(len(t.parties), 0, func(i int) {
		bounded, cancel := context.WithTimeoutCause(ctx, within, fmt.Errorf("no answer within %v", within))
		defer cancel()
		errs[i] = ends[i](work(bounded, t.parties[i]))
	})
	t.phase(name, t.now().Sub(begin))
	return errors.Join(errs...) == nil
}

// step does something else for one party than all does.
func (p *party) step(s Step, work func() error) error { return p.begin(s)(work()) }

func (t *transaction) link(p *party) remote.Link {
	note := maps.Clone(t.note)
	if p.key != "" {
		note["key"] = p.key
	}
	return remote.Link{Stage: t.stage, Run: t.run, Op: t.op, From: p.from, To: t.to, Dangling: p.dangling, Note: note}
}

func (t *transaction) arm(ctx context.Context, p *party) error {
	p.at = isOld
	if p.here {
		p.at = isNew
		return t.resume(ctx, p)
	}
	return p.agent.Arm(ctx, t.link(p), t.patience.armed)
}

// call is the roll call: every host is alive a moment before the first commit is sent. It also compares the clocks, as far as there is time for
// it: over a long way one answer has to do.
func (t *transaction) call(ctx context.Context, p *party) error {
	until, _ := ctx.Deadline()
	for i := range callsPer {
		clock, err := p.agent.Ping(ctx)
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

// inTime refuses to commit when so much time has passed that a host may have given up: this machine was suspended, or hosts were slow. The
// wall clock is asked too, because the monotonic one stands still while a laptop sleeps.
func (t *transaction) inTime() bool {
	limit := t.patience.armed - 5*time.Second
	now := t.now()
	if now.Sub(t.armedAt) < limit && now.Round(0).Sub(t.armedAt.Round(0)).Abs() < limit {
		return true
	}
	t.notice("", "too much time has passed since the links were armed (was this machine asleep?)")
	return false
}

func (t *transaction) abort(ctx context.Context) {
	ctx = context.WithoutCancel(ctx)
	each(len(t.parties), 0, func(i int) {
		bounded, cancel := context.WithTimeout(ctx, t.patience.link)
		defer cancel()
		// A host that does not hear this gives up by itself: it sees the end of the connection, or its deadline.
		_ = t.parties[i].agent.Abort(bounded)
	})
}

func (t *transaction) commit(ctx context.Context, p *party) error {
	if p.here {
		return nil
	}
	switched, err := p.agent.Commit(ctx, t.run)
	var refused *remote.Refused
	switch {
	case err == nil:
		p.at, p.switched, p.linked, p.known = isNew, switched, t.to.String(), true
		t.durable(p, switched.Durable)
	case errors.As(err, &refused):
		p.at, p.known = isOld, false // perhaps because something else is linked
	default:
		p.at, p.known = isUnknown, false
	}
	return err
}

// resume takes up what is linked on a host already.
func (t *transaction) resume(ctx context.Context, p *party) error {
	durable, err := p.agent.Resume(ctx, t.link(p))
	if err == nil {
		t.durable(p, durable)
	}
	return err
}

// durable tells, once for a host, that its disk has not confirmed what is linked there.
func (t *transaction) durable(p *party, durable bool) {
	if !durable && !p.doubted {
		p.doubted = true
		t.notice(p.name, "linked, but the disk did not confirm it: a power cut now may undo it")
	}
}

func (t *transaction) count(at position) int {
	n := 0
	for _, p := range t.parties {
		if p.at == at {
			n++
		}
	}
	return n
}

// confirm has every host that has switched compare its link once more and write down that the run is complete. A journal that cannot be
// written is told, and does not make the links other than they are.
func (t *transaction) confirm(ctx context.Context) bool {
	note := map[string]any{}
	if t.skew != nil {
		note["skew"] = t.skew.Seconds
	}
	return t.all(ctx, StepConfirm, "confirm", t.patience.find, func(bounded context.Context, p *party) error {
		if p.at != isNew {
			return nil
		}
		err := t.insist(bounded, p, func(ctx context.Context) error { return p.agent.Confirm(ctx, t.run, note) })
		var refused *remote.Refused
		if errors.As(err, &refused) && refused.Code == "unwritten" {
			// The host has just compared its link, which is what success promises; the line is for status and roll-backs to come.
			t.notice(p.name, fmt.Sprintf("confirm: the journal could not be written: %s; kis status will call this run unconfirmed until the same command has run again", refused.Message))
			err = nil
		}
		if err == nil {
			p.linked, p.known = t.to.String(), true
			return nil
		}
		_ = t.asBefore(ctx, p) // whatever keeps it from being confirmed, the table says what is linked
		return err
	})
}

// measure computes the skew of the switch on the hosts' clocks, corrected by what the roll call told of them.
func (t *transaction) measure() {
	var first, last time.Time
	var wrong time.Duration
	n := 0
	for _, p := range t.parties {
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
		t.skew = &Skew{Seconds: last.Sub(first).Seconds(), Error: 2 * wrong.Seconds()}
	}
}

func (t *transaction) addTo(r *Report) {
	r.Skew, r.OnPartial = t.skew, t.partial
	for _, p := range t.parties {
		for j := range r.Hosts {
			if r.Hosts[j].Host == p.name {
				r.Hosts[j].Back, r.Hosts[j].Linked, r.Hosts[j].Known, r.Hosts[j].Unwell = p.from, p.linked, p.known, p.unwell
			}
		}
	}
}
