package ui

import (
	"github.com/keep-it-simple/kis/internal/event"
	"github.com/keep-it-simple/kis/internal/name"
)

// Locks prints who holds the lock of a stage, or was ended.
func (u *UI) Locks(stage name.Stage, locks []event.Lock) {
	for _, l := range locks {
		switch {
		case u.WantsJSON():
			u.Out.json(lockRecord{newHead("lock"), stage, l})
		case l.Failure != nil:
		case l.Holder == nil:
			u.Out.Printf("%s  %s is not locked\n", l.Host, stage)
		case l.Ended:
			u.Out.Printf("%s  ended: %s\n", l.Host, event.HolderText(l.Holder))
		default:
			u.Out.Printf("%s  %s is locked: %s\n", l.Host, stage, event.HolderText(l.Holder))
		}
	}
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
