package commit

import (
	"context"
	"errors"
	"fmt"

	"github.com/keep-it-simple/kis/internal/event"
	"github.com/keep-it-simple/kis/internal/fleet"
	"github.com/keep-it-simple/kis/internal/name"
	"github.com/keep-it-simple/kis/remote"
)

// Participant is one host in the switch.
type Participant struct {
	Log     *event.Host
	Session *fleet.Session
	Connect func(context.Context) (*fleet.Session, error) // starts another session, after the first was lost
	Root    string                                        // of the package repository, for hints
	Owner   remote.Holder                                 // what the lock says of this run
	Locked  remote.Locked                                 // as the lock was taken last
	Key     string                                        // fingerprint of the key that logged in, for the journal

	// Before is the text of the link that a rollback restores, "" for none: what was linked before this run, or before an
	// interrupted run that this one completes.
	Before string
	// Past is what the journal says of the time before this run; every line of the run repeats it.
	Past *remote.Checkpoint
	// Dangling: Before leads to no sealed package.
	Dangling bool
	// AlreadyLinked: the stage leads to the target already, and is only to be confirmed.
	AlreadyLinked bool
	// AfterLink are the after-link commands for a package.
	AfterLink func(name.Package) remote.Commands

	link      link
	session   session
	afterLink afterLink
	redial    redial
	clock     remote.Clock
	switched  remote.Switched
	panicked  bool // and has not been resolved since
}

// linkState is what is known of one host's link during the switch.
type linkState string

const (
	stateOld     linkState = "old"     // unchanged, by the host's word or because no commit was sent
	stateNew     linkState = "new"     // switched, by the host's word
	stateUnknown linkState = "unknown" // in doubt: a command was sent and not answered
	stateTaken   linkState = "taken"   // another run has been at work since: the link is that run's, whatever it leads to
)

// link is one host's link as this run knows it.
type link struct {
	state  linkState
	target string // text of the link as it was read last
	known  bool   // target was read after everything that may have changed it
	warned bool   // that fsync failed
}

// session is what this run has to do in a session before it may act there.
type session struct {
	lockLost   bool // the session is a new one and does not hold the stage's lock
	notResumed bool // it holds the lock and has not taken the switch up
	// revertSent: an older session was sent a revert and has not answered. It may carry it out until this run has the lock
	// again, which ends that session's agent.
	revertSent bool
}

// afterLink is what this run owes to the service of a host.
type afterLink struct {
	pending bool // the link was rolled back, and the commands have not run for it
	failed  bool // they failed after the rollback
}

// replaced notes that the session is a new one.
func (p *Participant) replaced(s *fleet.Session) {
	p.Session, p.session.lockLost, p.session.notResumed = s, true, true
}

// lost notes that nobody knows what is linked.
func (p *Participant) lost() { p.link.state, p.link.known = stateUnknown, false }

// read notes what a host says is linked.
func (p *Participant) read(target string) { p.link.target, p.link.known = target, true }

// lock takes the stage's lock in a new session. The agent of an older session, which might still carry out what it was sent,
// is ended. Where another run has been at work, the link is that run's, even where it leads to what this run has linked.
func (p *Participant) lock(ctx context.Context, c *Coordinator) error {
	err := p.lockAgain(ctx, c)
	p.session.lockLost = err != nil
	switch {
	case refusedAs(err, "taken"):
		p.link.state, p.session.revertSent = stateTaken, false
	case err == nil:
		p.session.revertSent = false
	}
	return err
}

func (p *Participant) lockAgain(ctx context.Context, c *Coordinator) error {
	for {
		locked, err := p.Session.LockAgain(ctx, c.Stage, c.Run, p.Owner, p.Locked)
		if err == nil {
			p.Locked = locked
		}
		if !refusedAs(err, "locked") {
			return err
		}
		if err := p.Session.Evict(ctx, c.Stage, c.Run); err != nil {
			return err
		}
		if fleet.Wait(ctx, lockPause) != nil {
			return err
		}
	}
}

// own makes sure that this run holds the lock and has taken up the switch that it has made, before it acts on the link.
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

// resume takes up a switch that another agent has made: one of this run, or of an interrupted run.
func (p *Participant) resume(ctx context.Context, c *Coordinator) error {
	durable, err := p.Session.Resume(ctx, c.linkOf(p))
	if err == nil {
		p.durable(durable)
	}
	return err
}

// durable warns, once for a host, that its disk has not confirmed the switch.
func (p *Participant) durable(durable bool) {
	if !durable && !p.link.warned {
		p.link.warned = true
		p.Log.Notice("linked, but fsync failed: the switch may not survive a power loss")
	}
}

// refusedAs reports that a host has refused something for that reason.
func refusedAs(err error, code string) bool {
	refused, ok := errors.AsType[*remote.Refused](err)
	return ok && refused.Code == code
}

func isRefused(err error) bool {
	_, refused := errors.AsType[*remote.Refused](err)
	return refused
}

// isLost reports that an answer was lost. If it was lost to a bug of kis, that is reported whatever becomes of the switch.
func (p *Participant) isLost(err error) bool {
	p.Log.Bug(err)
	_, lost := errors.AsType[*remote.Lost](err)
	return lost
}

// sameRepository refuses what lies at the root now if it is not the repository that this run has locked: a host that comes
// back without the volume of its packages has an empty directory there, and the links on the volume are as they are.
func (p *Participant) sameRepository(s *fleet.Session, c *Coordinator) error {
	id := s.HostID()
	if id == p.Locked.HostID {
		return nil
	}
	if id == "" {
		id = "none"
	}
	return &event.Failure{
		State: event.Unknown, Code: "other-repository",
		Message: fmt.Sprintf("the repository is another one than before (host-id %s, now %s): is its volume mounted?", p.Locked.HostID, id),
		Hint:    fmt.Sprintf("see: findmnt -T %s; when it is mounted: kis status %s", p.Root, c.Stage),
	}
}
