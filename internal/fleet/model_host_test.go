package fleet

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/keep-it-simple/kis/internal/name"
	"github.com/keep-it-simple/kis/remote"
)

// simHost is a host as link.py makes it, without files: one stage, one prepared link, one lock.
type simHost struct {
	name  string
	tape  []byte
	at    int
	link  string
	from  string // what the run goes back to
	began string // what it has found linked
	armed bool   // the prepared link lies there

	epoch     int // of the newest conversation; calls of older ones are lost
	holder    int // epoch of the agent that holds the lock; 0 is nobody
	state     string
	inFlight  bool // a commit is still on its way to the old agent
	comesBack bool // a revert is
	stuck     bool // the old agent cannot be ended until it has done that
	down      bool
	world     *simWorld
	theirs    string // what another run has linked and confirmed since, "" when there was none
	foreigner bool   // somebody replaced the link by hand
	later     bool   // and did so when the switch was over, so that nobody has to have seen it
	losses    int
	excused   bool // something happened after which no run could put this host right
}

// simWorld is what all hosts of a schedule share: the person, who may interrupt, and the machine that runs the controller.
type simWorld struct {
	cancel context.CancelFunc
	// The controller was killed in this phase: the words of later ones reach no host any more. In the phase itself it is each host's own affair
	// whether its word was out already, and the tape's, so that a schedule comes to the same end whatever goroutine is first.
	diedIn atomic.Int32
}

// The phases of a run, in their order. A run that goes back comes to some of them twice.
const (
	arming int32 = iota
	calling
	committing
	finding
	afterwards
	reverting
	confirming
	never
)

// die kills the controller in a phase.
func (w *simWorld) die(phase int32) {
	for at := w.diedIn.Load(); phase < at && !w.diedIn.CompareAndSwap(at, phase); at = w.diedIn.Load() {
	}
}

func (w *simWorld) dead(phase int32) bool { return phase > w.diedIn.Load() }

// simAgent is one conversation with a simHost.
type simAgent struct {
	h     *simHost
	epoch int
	dead  bool
	phase int32 // of the call in progress
}

var _ linker = (*simAgent)(nil)

var errSim = &remote.Lost{Cause: errors.New("simulated")}

// next is the next decision, from 0 to n-1.
func (h *simHost) next(n int) int {
	if h.at >= len(h.tape) {
		return 0
	}
	h.at++
	return int(h.tape[h.at-1]) % n
}

// deliver lets arrive what was on its way: the old agent obeys if it still can.
func (h *simHost) deliver() {
	if h.comesBack && h.state == "linked" && h.link == "new-1" {
		h.link, h.state = h.from, "ended"
	}
	h.comesBack, h.stuck = false, false
	if !h.inFlight {
		return
	}
	h.inFlight = false
	if h.state == "armed" && h.armed && h.link == h.from {
		h.link, h.armed, h.state = "new-1", false, "linked"
	}
}

// meddle is somebody who replaces the link by hand.
func (h *simHost) meddle() { h.link, h.foreigner, h.excused = "foreign", true, true }

// die ends the agent: an armed link goes when it sees the end of its input, stays when it is killed.
func (h *simHost) die(killed bool) {
	if !killed && h.state == "armed" {
		h.armed = false
	}
	h.state, h.holder = "dead", 0
}

// request decides whether a request arrives: lost, lost with the agent's death, or cut with the agent alive on a dead connection.
func (a *simAgent) request(phase int32) bool {
	a.phase = phase
	if a.dead || a.h.down || a.epoch != a.h.epoch || a.h.world.dead(phase) {
		return false
	}
	switch a.h.next(24) {
	case 1:
		a.h.die(false)
		return a.lose() == nil
	case 2:
		a.h.die(true)
		return a.lose() == nil
	case 3: // the agent lives on, and holds the lock until its lease ends
		return a.lose() == nil
	case 4:
		a.h.down, a.h.excused = true, true
		return a.lose() == nil
	case 5:
		a.h.world.cancel()
	case 6:
		a.h.world.die(phase)
		a.dead = true
		return false
	}
	return true
}

// answer decides whether the answer to something that has been done arrives.
func (a *simAgent) answer(err error) error {
	if a.dead {
		return errSim
	}
	switch a.h.next(24) {
	case 4:
		a.h.world.die(a.phase)
		a.dead = true
		return errSim
	case 1:
		a.h.die(a.h.next(2) == 1)
		return a.lose()
	case 2:
		return a.lose()
	case 3:
		a.h.down, a.h.excused = true, true
		return a.lose()
	}
	return err
}

// lose is a lost request or answer. A host that loses one after the other is as good as down.
func (a *simAgent) lose() error {
	a.dead = true
	if a.h.losses++; a.h.losses >= attempts {
		a.h.excused = true
	}
	return errSim
}

func refused(code string) error { return &remote.Refused{Code: code, Message: code} }

func (a *simAgent) Arm(_ context.Context, l remote.Link, _ time.Duration) error {
	if !a.request(arming) {
		return errSim
	}
	if a.h.holder != a.epoch {
		return a.answer(refused("not-locked"))
	}
	if a.h.link != l.From {
		return a.answer(refused("changed-meanwhile"))
	}
	a.h.from = l.From
	if a.h.next(24) == 1 {
		return a.answer(refused("cannot-arm"))
	}
	a.h.armed, a.h.state = true, "armed"
	return a.answer(nil)
}

func (a *simAgent) Abort(context.Context) error {
	if !a.request(arming) {
		return errSim
	}
	if a.h.state == "armed" {
		a.h.armed, a.h.state = false, "ended"
	}
	return a.answer(nil)
}

func (a *simAgent) Ping(context.Context) (remote.Clock, error) {
	if !a.request(calling) {
		return remote.Clock{}, errSim
	}
	return remote.Clock{}, a.answer(nil)
}

func (a *simAgent) Commit(context.Context, name.Run) (remote.Switched, error) {
	h := a.h
	a.phase = committing
	if a.dead || h.down || h.world.dead(committing) {
		return remote.Switched{}, errSim
	}
	if h.next(12) == 1 { // the connection is cut, and what was written arrives later
		h.inFlight = true
		return remote.Switched{}, a.lose()
	}
	if !a.request(committing) {
		return remote.Switched{}, errSim
	}
	switch {
	case h.next(16) == 1: // deadline, read-only, lock lost
		h.armed, h.state = false, "ended"
		return remote.Switched{}, a.answer(refused("cannot-rename"))
	case h.next(32) == 1: // somebody else's link
		h.armed, h.state = false, "ended"
		h.meddle()
		return remote.Switched{}, a.answer(refused("changed-meanwhile"))
	case h.state != "armed" || !h.armed:
		return remote.Switched{}, a.answer(refused("not-armed"))
	}
	h.link, h.armed, h.state = "new-1", false, "linked"
	h.inFlight = h.next(12) == 1 // it arrives once more, later
	return remote.Switched{At: time.Unix(1, 0), Durable: true}, a.answer(nil)
}

func (a *simAgent) Revert(context.Context, name.Run) (remote.Switched, error) {
	h := a.h
	if !a.dead && !h.down && !h.world.dead(reverting) && h.holder == a.epoch && h.next(12) == 1 { // as for a commit
		a.phase, h.comesBack = reverting, true
		return remote.Switched{}, a.lose()
	}
	if !a.request(reverting) {
		return remote.Switched{}, errSim
	}
	if h.state != "linked" || h.link != "new-1" || h.holder != a.epoch || h.next(16) == 1 {
		h.excused = true
		return remote.Switched{}, a.answer(refused("cannot-rename"))
	}
	h.link, h.state = h.from, "ended"
	return remote.Switched{Durable: true}, a.answer(nil)
}

func (a *simAgent) Resume(_ context.Context, l remote.Link) (bool, error) {
	if !a.request(finding) {
		return false, errSim
	}
	if a.h.link != "new-1" || a.h.holder != a.epoch {
		return false, a.answer(refused("changed-meanwhile"))
	}
	a.h.state, a.h.from = "linked", l.From
	return true, a.answer(nil)
}

func (a *simAgent) Confirm(context.Context, name.Run, map[string]any) error {
	if !a.request(confirming) {
		return errSim
	}
	if a.h.state != "linked" || a.h.link != "new-1" {
		return a.answer(refused("changed-meanwhile"))
	}
	if a.h.next(24) == 1 { // the journal cannot be written, which does not change the link
		return a.answer(refused("unwritten"))
	}
	a.h.state = "ended"
	return a.answer(nil)
}

func (a *simAgent) Fence(context.Context, name.Stage, name.Run) (remote.Fenced, error) {
	if a.h.next(4) == 1 {
		a.h.deliver()
	}
	if !a.request(finding) {
		return remote.Fenced{}, errSim
	}
	fenced := remote.Fenced{Fenced: a.h.armed, Linked: a.h.link, Durable: true}
	a.h.armed = false
	return fenced, a.answer(nil)
}

func (a *simAgent) Command(context.Context, remote.Commands, func(string)) error {
	if !a.request(afterwards) {
		return errSim
	}
	if a.h.next(32) == 1 {
		a.h.later = !a.h.foreigner
		a.h.meddle()
	}
	if a.h.next(24) == 1 {
		return a.answer(refused("command-failed"))
	}
	return a.answer(nil)
}

func (a *simAgent) Cancel(context.Context) error { return nil }

func (a *simAgent) Restarted(context.Context, name.Stage, name.Run, bool) error { return a.answer(nil) }

// colleague is another run, from its lock to its end. It finds nobody who holds the lock any more, and links the same package, or goes back.
func (h *simHost) colleague() {
	h.die(true)
	h.armed, h.inFlight, h.comesBack, h.stuck = false, false, false, false
	h.link, h.excused = []string{"old", "new-1"}[h.next(2)], true
	h.theirs = h.link
}

// reach is what member.reach and member.lockAgain do, without waiting.
func (h *simHost) reach(context.Context) (linker, error) {
	if h.next(3) == 1 {
		h.deliver()
	}
	if h.next(6) == 1 {
		h.down, h.excused = true, true
	}
	if h.next(8) == 1 && !h.foreigner {
		h.colleague()
	}
	if h.down || h.world.dead(finding) {
		return nil, errSim
	}
	h.epoch++
	return &simAgent{h: h, epoch: h.epoch}, nil
}

func (h *simHost) again(context.Context) error {
	if h.theirs != "" && !h.down {
		return refused("taken")
	}
	if h.comesBack && h.next(2) == 1 {
		h.stuck = true // in the hands of a slow disk, say
	}
	if h.down || h.stuck || h.next(12) == 1 {
		h.excused = true
		return errSim
	}
	h.holder, h.state, h.comesBack = h.epoch, "ended", false // the old agent, if it lived, was ended
	return nil
}
