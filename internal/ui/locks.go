package ui

import (
	"github.com/keep-it-simple/kis/internal/event"
	"github.com/keep-it-simple/kis/internal/name"
)

// Locks prints who holds the lock of a stage, or was ended. Many hosts in the same state share a
// line.
func (u *UI) Locks(stage name.Stage, locks []event.Lock) {
	var folded grouped
	for _, l := range locks {
		switch {
		case u.WantsJSON():
			u.Out.json(lockRecord{newHead("lock"), stage, l})
		case l.Failure != nil:
		case len(locks) > boardFrom:
			folded.add(l.Host, lockText(stage, l))
		default:
			u.Out.Printf("%s  %s\n", l.Host, lockText(stage, l))
		}
	}
	for _, g := range folded {
		u.Out.Printf("%s  %s\n", list(g.hosts, 4), g.text)
	}
}

func lockText(stage name.Stage, l event.Lock) string {
	switch {
	case l.Holder == nil:
		return stage.String() + " is not locked"
	case l.Ended:
		return "ended: " + event.HolderText(l.Holder)
	}
	return stage.String() + " is locked: " + event.HolderText(l.Holder)
}

// LocksEnd prints what failed, and what the user may do about a lock that is held.
func (u *UI) LocksEnd(stage name.Stage, locks []event.Lock, force bool) {
	if u.WantsJSON() {
		return
	}
	u.printFailures(event.LockFailures(locks))
	switch held := event.AnyHeld(locks); {
	case held && force: // another run took it while the user thought about the answer
		u.Err.Printf("kis: not unlocked everywhere: another run holds the lock now\n  hint: kis unlock %s\n", stage)
	case held:
		u.Err.Printf("  hint: wait for it, or end it: kis unlock %s --force\n", stage)
	}
}
