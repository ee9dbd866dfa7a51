// Package timeouts holds, in one value, every bound of a wait between kis and a host: those of the
// coordinator, of a session, and of the agent at its other end, which gets its own with its program.
// So the bounds that depend on each other stand beside each other, and a test can run with all of
// them shorter.
package timeouts

import "time"

// Timeouts bound the waits of a run. The zero value is none: start from Default.
type Timeouts struct {
	// The two-phase commit. Armed is longer than everything that lies between arming and commit, so
	// that a commit can arrive too late only when this machine or a host was suspended.
	Armed     time.Duration // after this the host removes its prepared link, by its own clock
	Arm       time.Duration
	RollCall  time.Duration
	Link      time.Duration // one answer about the link
	Reconnect time.Duration // to reconnect to a host whose answer was lost
	Pause     time.Duration // between two attempts to take a lock, or to complete the switch on a host

	// A session. Lease is longer than Ping and PingAnswer together: an agent whose kis lives keeps it.
	Greeting   time.Duration // each half of the start of the agent; a login script that waits for input never answers
	Ping       time.Duration // between two pings
	PingAnswer time.Duration
	Stall      time.Duration // one piece of an upload over the session
	Close      time.Duration
	Query      time.Duration // a step that only reads something, or writes a line
	SFTP       time.Duration // the start of SFTP on a connection that works

	// How hosts of one platform share work.
	Maker  time.Duration // after which a second host makes the wheels as well
	Index  time.Duration // what takes longer to send is asked of the index, or compiled on the host
	Module time.Duration // to wait for the bytecode that another host compiles, for each module

	// On the host, by its own clock.
	Lease     time.Duration // without a byte from kis, after which the agent ends as when the connection is lost
	TermGrace time.Duration // between SIGTERM and SIGKILL for the agent of another run
}

// Default are those of kis.
func Default() Timeouts {
	return Timeouts{
		Armed: 30 * time.Second, Arm: 15 * time.Second, RollCall: 2 * time.Second, Link: 10 * time.Second, Reconnect: 30 * time.Second,
		Pause: 500 * time.Millisecond,

		Greeting: 20 * time.Second, Ping: 10 * time.Second, PingAnswer: 30 * time.Second, Stall: 45 * time.Second, Close: 5 * time.Second,
		Query: 30 * time.Second, SFTP: 10 * time.Second,

		Maker: time.Minute, Index: 5 * time.Second, Module: 5 * time.Millisecond,

		Lease: time.Minute, TermGrace: 10 * time.Second,
	}
}

// OrDefault is t, or Default where t is the zero value.
func (t Timeouts) OrDefault() Timeouts {
	if t == (Timeouts{}) {
		return Default()
	}
	return t
}
