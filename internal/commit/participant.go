package commit

import (
	"context"
	"errors"
	"fmt"

	"github.com/keep-it-simple/kis/internal/event"
	"github.com/keep-it-simple/kis/internal/fleet"
	"github.com/keep-it-simple/kis/internal/name"
	"github.com/keep-it-simple/kis/internal/safetext"
	"github.com/keep-it-simple/kis/remote"
)

// Participant is one host in the switch.
type Participant struct {
	Log     *event.Host
	Session *fleet.Session
	Connect func(context.Context) (*fleet.Session, error) // starts another session, after the first was lost
	Root    string                                        // of the package repository, for hints
	Owner   remote.Holder                                 // what the lock records about this run
	Locked  remote.Locked                                 // as it was acquired last
	Key     string                                        // fingerprint of the key that logged in, for the journal

	// Before is the text of the link that a rollback restores, "" for none: the link before this
	// run, or before an interrupted run that this one completes.
	Before string
	// Past is the journal's checkpoint before this run; every line of the run repeats it.
	Past *remote.Checkpoint
	// Dangling: Before leads to no sealed package.
	Dangling bool
	// AlreadyLinked: the stage links the target already, and is only to be confirmed.
	AlreadyLinked bool
	// Activation is what brings a package into service once it is linked.
	Activation func(name.Package) Activation

	link       link
	session    session
	activation activation
	redial     redial
	clock      remote.Clock
	switched   remote.Switched
	panicked   bool // and was not resolved since
}

// linkState is what this run knows about one host's link.
type linkState string

const (
	stateOld     linkState = "old"     // not switched by this run: the host reported it, or no commit was sent
	stateNew     linkState = "new"     // switched: the host reported it
	stateUnknown linkState = "unknown" // in doubt: a command was sent and not answered
	stateTaken   linkState = "taken"   // another run acted on the stage since: the link is that run's, whatever its target
)

// link is one host's link as this run knows it.
type link struct {
	state   linkState
	target  string // text of the link as it was read last
	current bool   // target was read after everything that may have changed it
	warned  bool   // that fsync failed
}

// session is what this run has to do in a session before it may change the link.
type session struct {
	lockLost   bool // the session is a new one and does not hold the stage's lock
	notResumed bool // it holds the lock and has not resumed the switch
	// revertSent: an older session was sent a revert and has not answered. Its agent may execute it
	// until this run has reacquired the lock, which ends that agent.
	revertSent bool
}

// activation is what this run owes to the services of a host.
type activation struct {
	begun     bool // the new package was being brought into service
	pending   bool // the link was rolled back, and the previous package is not back in service
	restarted bool // without a switch
	failed    bool // to bring the previous package back into service failed
}

// replaced records that the session is a new one.
func (p *Participant) replaced(s *fleet.Session) {
	p.Session, p.session.lockLost, p.session.notResumed = s, true, true
}

// lost records that the link is unknown.
func (p *Participant) lost() { p.link.state, p.link.current = stateUnknown, false }

// read records the link that a host reported.
func (p *Participant) read(target string) { p.link.target, p.link.current = target, true }

// lock acquires the stage's lock in a new session. That ends the agent of an older session, which
// might still execute what it was sent. Where another run acted on the stage, the link is that
// run's, even if its target is this run's.
func (p *Participant) lock(ctx context.Context, c *Coordinator) error {
	err := p.lockAgain(ctx, c)
	p.session.lockLost = err != nil
	switch {
	case refusedAs(err, remote.CodeTaken):
		p.link.state, p.session.revertSent = stateTaken, false
	case err == nil:
		p.session.revertSent = false
	}
	return err
}

func (p *Participant) lockAgain(ctx context.Context, c *Coordinator) error {
	for {
		err := p.tryLock(ctx, c)
		if !refusedAs(err, remote.CodeLocked) {
			return err
		}
		if err := p.evict(ctx, c); err != nil {
			return err
		}
		if fleet.Wait(ctx, c.Timeouts.Pause) != nil {
			return err
		}
	}
}

// tryLock, evict and resume leave time to reconnect when their answer is lost.
func (p *Participant) tryLock(ctx context.Context, c *Coordinator) error {
	bounded, cancel := within(ctx, c.Timeouts.Link)
	defer cancel()
	locked, err := p.Session.LockAgain(bounded, c.Stage, c.Run, p.Owner, p.Locked)
	if err == nil {
		p.Locked = locked
		p.read(locked.Linked) // somebody may have changed it since it was read
	}
	return err
}

// evict ends the agent that holds the lock for this run, which may take its time to end.
func (p *Participant) evict(ctx context.Context, c *Coordinator) error {
	bounded, cancel := within(ctx, c.Timeouts.Link+c.Timeouts.TermGrace)
	defer cancel()
	return p.Session.Evict(bounded, c.Stage, c.Run)
}

// own ensures that this run holds the lock and has resumed its switch, before it acts on the link.
func (p *Participant) own(ctx context.Context, c *Coordinator) error {
	if p.session.lockLost {
		if err := p.lock(ctx, c); err != nil {
			return err
		}
	}
	if !p.session.notResumed || p.link.state != stateNew {
		return nil
	}
	err := p.resume(ctx, c)
	p.session.notResumed = err != nil
	return err
}

// resume resumes a switch of another agent: one of this run, or of an interrupted run.
func (p *Participant) resume(ctx context.Context, c *Coordinator) error {
	bounded, cancel := within(ctx, c.Timeouts.Link)
	defer cancel()
	durable, err := p.Session.Resume(bounded, c.linkOf(p))
	if err == nil {
		p.durable(durable)
	}
	return err
}

// durable warns, once for a host, that fsync failed after the switch.
func (p *Participant) durable(durable bool) {
	if !durable && !p.link.warned {
		p.link.warned = true
		p.Log.Notice("linked, but fsync failed: the switch may not survive a power loss")
	}
}

// refusedAs reports whether a host refused a request with that code.
func refusedAs(err error, code remote.Code) bool {
	refused, ok := errors.AsType[*remote.Refused](err)
	return ok && refused.Code == code
}

func isRefused(err error) bool {
	_, refused := errors.AsType[*remote.Refused](err)
	return refused
}

// isLost reports whether an answer was lost. If a bug of kis is the reason, it records the bug.
func (p *Participant) isLost(err error) bool {
	p.Log.Bug(err)
	_, lost := errors.AsType[*remote.Lost](err)
	return lost
}

// sameRepository refuses a repository other than the one that this run locked: a host that has
// rebooted without the volume of its packages has an empty directory there, while the links on the
// volume are unchanged.
func (p *Participant) sameRepository(s *fleet.Session, c *Coordinator) error {
	id := s.HostID()
	if id == p.Locked.HostID {
		return nil
	}
	if id == "" {
		id = "none"
	}
	return &event.Failure{
		State: event.Unknown, Code: event.CodeOtherRepository,
		Message: fmt.Sprintf("the package repository is not the same as before (host-id %s, now %s): is its volume mounted?", p.Locked.HostID, id),
		Hint:    fmt.Sprintf("findmnt -T %s; when it is mounted: kis status %s", safetext.Word(p.Root), c.Stage),
	}
}
