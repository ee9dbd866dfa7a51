package main

import "slices"

// notice is something that a person should know of one host or more.
type notice struct {
	message string
	hosts   []string
}

// notices gathers hosts that have the same notice.
type notices struct{ held []notice }

func (n *notices) add(host, message string) {
	at := slices.IndexFunc(n.held, func(h notice) bool { return h.message == message })
	if at < 0 {
		n.held = append(n.held, notice{message: message})
		at = len(n.held) - 1
	}
	if host != "" && !slices.Contains(n.held[at].hosts, host) {
		n.held[at].hosts = append(n.held[at].hosts, host)
	}
}

// take returns what was gathered, and forgets it.
func (n *notices) take() []notice {
	held := n.held
	n.held = nil
	return held
}
