package sshtest

import (
	"regexp"
	"slices"
	"sync"
)

// constant is every command line that a deployment may send: constant words, the
// interpreter, and the user to become. All else goes over standard input.
var constant = regexp.MustCompile(`^exec (/usr/bin/env LC_ALL=C /usr/bin/env sudo -n -H -u [A-Za-z0-9._-]+ -- )?/bin/sh -s -- [A-Za-z0-9/][A-Za-z0-9/._+-]*$`)

// Foreign returns the command lines that are not the one with which kis starts
// its agent. Tests that deploy end with it, and it has to be empty.
func (r Record) Foreign() []string {
	var all []string
	for _, line := range r.Execs {
		if !constant.MatchString(line) {
			all = append(all, line)
		}
	}
	return all
}

// Auth is one authentication request, RFC 4252 5.
type Auth struct {
	User, Method string
	// Key is the SHA256 fingerprint that publickey offered.
	Key string
	// OK says that the key or the answer was right.
	OK bool
}

// Opened is the client's answer to a channel the host asked for.
type Opened struct {
	Type     string
	Accepted bool
}

// Record is what clients have asked of a host, in order.
type Record struct {
	Connections int      // TCP connections, dropped ones included
	Auths       []Auth   // authentication requests, the method none included
	Channels    []string // types of the channels that clients opened
	Requests    []string // types of the requests on sessions: exec, subsystem, pty-req, …
	Globals     []string // types of global requests: keep-alives, forwards
	Execs       []string // command lines
	Closed      int      // channels that have ended
	Opened      []Opened // answers to Faults.OpenChannels
}

type record struct {
	mu sync.Mutex
	r  Record
}

// Record returns a copy of what has been asked so far.
func (h *Host) Record() Record {
	h.record.mu.Lock()
	defer h.record.mu.Unlock()
	r := h.record.r
	r.Auths = slices.Clone(r.Auths)
	r.Channels = slices.Clone(r.Channels)
	r.Requests = slices.Clone(r.Requests)
	r.Globals = slices.Clone(r.Globals)
	r.Execs = slices.Clone(r.Execs)
	r.Opened = slices.Clone(r.Opened)
	return r
}

func (r *record) add(change func(*Record)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	change(&r.r)
}

func (r *record) connected() { r.add(func(r *Record) { r.Connections++ }) }
