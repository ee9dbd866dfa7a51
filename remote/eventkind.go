package remote

// EventKind is what a line of a stage's journal reports.
type EventKind string

// The events. scripts/kisagent/journal.py has the same; a test compares them.
const (
	EventArmed       EventKind = "armed"
	EventLinked      EventKind = "linked"
	EventConfirmed   EventKind = "confirmed"
	EventUnconfirmed EventKind = "unconfirmed" // linked, and the session was lost before the run confirmed it
	EventReverted    EventKind = "reverted"
	EventAborted     EventKind = "aborted" // armed, and abandoned
	EventEnded       EventKind = "ended"   // a remark: a user ended the run by force. It does not concern the link
)

func (k EventKind) known() bool {
	switch k {
	case EventArmed, EventLinked, EventConfirmed, EventUnconfirmed, EventReverted, EventAborted, EventEnded:
		return true
	}
	return false
}

// Incomplete reports whether a run with this newest event has neither confirmed nor abandoned its
// link.
func (k EventKind) Incomplete() bool {
	return k == EventArmed || k == EventLinked || k == EventUnconfirmed
}
