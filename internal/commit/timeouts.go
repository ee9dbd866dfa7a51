package commit

import "time"

// Timeouts bound the parts of a switch. Armed is longer than everything that lies between arming
// and commit here, so that a commit can arrive too late only when this machine or a host was
// suspended.
type Timeouts struct {
	Armed     time.Duration // after this the host removes its prepared link, by its own clock
	Arm       time.Duration
	RollCall  time.Duration
	Link      time.Duration // one answer about the link
	Reconnect time.Duration // to reconnect to a host whose answer was lost
	Pause     time.Duration // between two attempts to take a lock, or to complete the switch on a host
}

// DefaultTimeouts are those of an ordinary run.
func DefaultTimeouts() Timeouts {
	return Timeouts{
		Armed: 30 * time.Second, Arm: 15 * time.Second, RollCall: 2 * time.Second, Link: 10 * time.Second, Reconnect: 30 * time.Second,
		Pause: 500 * time.Millisecond,
	}
}

// maxAttempts is how often a request is repeated whose answer was lost, while the host is reachable.
const maxAttempts = 3

// pings is the number of pings of a roll call: the shortest round trip tells the clocks' difference
// best.
const pings = 3
