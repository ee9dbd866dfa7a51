package hostkey

import (
	"fmt"
	"strings"
	"sync/atomic"

	"golang.org/x/crypto/ssh"
)

// Kind is the reason for refusing a host key.
type Kind string

// The three reasons. The user can accept only an unknown key.
const (
	Unknown Kind = "unknown" // known_hosts has no key for this host
	Changed Kind = "changed" // known_hosts has other keys for this host
	Revoked Kind = "revoked" // a @revoked line lists the key
)

// Error refuses the key that a host has shown. No authentication request was sent to the host.
type Error struct {
	Host        string // Policy.Host
	Lookup      string // the name in known_hosts: host, [host]:port or the alias
	Kind        Kind
	Fingerprint string // SHA256:… of the shown key
	KeyType     string // its type, ssh-ed25519, …
	// Known holds the expected keys (Changed) or the line that lists the key (Revoked).
	Known []KnownKey
	// Note is a further problem, such as an expired certificate; usually "".
	Note string
	// Line is the known_hosts line that would make an unknown key known.
	Line string

	command  string // connects to the same host with ssh
	scan     string // prints the same key without a login, or ""
	file     string // that Accept writes to, or ""
	refusal  string // why the key cannot be accepted, or ""
	key      ssh.PublicKey
	accepted atomic.Bool
}

// Error is one line with the fingerprints, their places and the remedy. The remedy for a changed
// key is to find out why, never to ignore it.
func (e *Error) Error() string {
	shown := fmt.Sprintf("%s %s", e.KeyType, e.Fingerprint)
	note := ""
	if e.Note != "" {
		note = " (" + e.Note + ")"
	}
	switch e.Kind {
	case Changed:
		return fmt.Sprintf("%s: host key: changed: the host shows %s, expected is %s%s: either the host was reinstalled or another machine answers in its place; "+
			"compare with `ssh-keygen -lf` of the key file on the host's own console before changing that line", e.Host, shown, formatKeys(e.Known), note)
	case Revoked:
		return fmt.Sprintf("%s: host key: revoked: %s is revoked by %s%s: the host needs a new key", e.Host, shown, formatPlaces(e.Known), note)
	default:
		return fmt.Sprintf("%s: host key: unknown: the host shows %s, and no known_hosts file has a key for %s%s", e.Host, shown, e.Lookup, note)
	}
}

func formatKeys(known []KnownKey) string {
	var all []string
	for _, k := range known {
		place := "pinned"
		if k.File != "" {
			place = fmt.Sprintf("%s:%d", k.File, k.Line)
		}
		all = append(all, strings.TrimSpace(fmt.Sprintf("%s %s (%s)", k.KeyType, k.Fingerprint, place)))
	}
	return strings.Join(all, ", ")
}

func formatPlaces(known []KnownKey) string {
	var all []string
	for _, k := range known {
		all = append(all, fmt.Sprintf("%s:%d", k.File, k.Line))
	}
	return strings.Join(all, ", ")
}
