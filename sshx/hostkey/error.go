package hostkey

import (
	"fmt"
	"strings"
	"sync/atomic"

	"golang.org/x/crypto/ssh"
)

// Kind tells why a host key was refused.
type Kind string

// The three refusals. Only an unknown key may become known by a person's yes.
const (
	Unknown Kind = "unknown" // no line for this host
	Changed Kind = "changed" // lines for this host, all with other keys
	Revoked Kind = "revoked" // a @revoked line forbids the key
)

// Error says that the host showed a key that is not known to be its own.
// No authentication request has been sent to it.
type Error struct {
	Host        string // Policy.Host
	Lookup      string // the name in known_hosts: host, [host]:port or the alias
	Kind        Kind
	Fingerprint string // SHA256:… of the key that was shown
	KeyType     string // its type, ssh-ed25519, …
	// Known holds the keys that were expected (changed) or the line that
	// forbids the key (revoked).
	Known []KnownKey
	// Note tells what else spoke against the key, such as an expired
	// certificate; mostly "".
	Note string
	// Line is the known_hosts line that would make the key known; set for
	// unknown keys only.
	Line string

	command  string // reaches the same host with ssh
	scan     string // prints the same key without logging in, where that is possible
	file     string // where Accept writes
	refusal  string // why nobody may be asked about the key
	key      ssh.PublicKey
	accepted atomic.Bool
}

// Error is one line with the fingerprints, the place, and the remedy. For a
// changed key the remedy is to find out, never to ignore.
func (e *Error) Error() string {
	shown := fmt.Sprintf("%s %s", e.KeyType, e.Fingerprint)
	note := ""
	if e.Note != "" {
		note = " (" + e.Note + ")"
	}
	switch e.Kind {
	case Changed:
		return fmt.Sprintf("%s: host key: changed: the host shows %s, known is %s%s: either the host was installed anew or someone answers in its place; "+
			"compare with `ssh-keygen -lf` of the key file on the host's own console before touching that line", e.Host, shown, knownList(e.Known), note)
	case Revoked:
		return fmt.Sprintf("%s: host key: revoked: %s is forbidden by %s%s: the host needs a new key", e.Host, shown, knownPlaces(e.Known), note)
	default:
		return fmt.Sprintf("%s: host key: unknown: the host shows %s, and no known_hosts file has a key for %s%s", e.Host, shown, e.Lookup, note)
	}
}

func knownList(known []KnownKey) string {
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

func knownPlaces(known []KnownKey) string {
	var all []string
	for _, k := range known {
		all = append(all, fmt.Sprintf("%s:%d", k.File, k.Line))
	}
	return strings.Join(all, ", ")
}
