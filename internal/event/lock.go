package event

import (
	"slices"

	"github.com/keep-it-simple/kis/remote"
)

// Lock is the state of a stage's lock on one host.
type Lock struct {
	Host    string         `json:"host"`
	Holder  *remote.Holder `json:"holder,omitempty"` // nil: the lock is free
	Ended   bool           `json:"ended"`            // the holder was ended by force
	Failure *Failure       `json:"failure,omitempty"`
}

// Held reports whether a run holds the lock.
func (l Lock) Held() bool { return l.Failure == nil && l.Holder != nil && !l.Ended }

// AnyHeld reports whether a run holds the lock on any host.
func AnyHeld(locks []Lock) bool { return slices.ContainsFunc(locks, Lock.Held) }

// LockFailures returns why some locks are unknown.
func LockFailures(locks []Lock) []Failure {
	return failuresOf(locks, func(l Lock) *Failure { return l.Failure })
}
