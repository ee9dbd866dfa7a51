package sshx

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/keep-it-simple/kis/internal/safetext"
	"github.com/keep-it-simple/kis/sshx/internal/publickey"
)

// HostKeyKind tells why a host key was refused.
type HostKeyKind string

// The three refusals. Only an unknown key may become known by a person's yes.
const (
	HostKeyUnknown HostKeyKind = "unknown" // no line for this host
	HostKeyChanged HostKeyKind = "changed" // lines for this host, all with other keys
	HostKeyRevoked HostKeyKind = "revoked" // a @revoked line forbids the key
)

// HostKeyError says that the host showed a key that is not known to be its own.
// No authentication request has been sent to it.
type HostKeyError struct {
	Host        string // Target.Name
	Lookup      string // the name in known_hosts: host, [host]:port or the alias
	Kind        HostKeyKind
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
func (e *HostKeyError) Error() string {
	shown := fmt.Sprintf("%s %s", e.KeyType, e.Fingerprint)
	note := ""
	if e.Note != "" {
		note = " (" + e.Note + ")"
	}
	switch e.Kind {
	case HostKeyChanged:
		return fmt.Sprintf("%s: host key: changed: the host shows %s, known is %s%s: either the host was installed anew or someone answers in its place; "+
			"compare with `ssh-keygen -lf` of the key file on the host's own console before touching that line", e.Host, shown, knownList(e.Known), note)
	case HostKeyRevoked:
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

// hostNames are the two names under which ssh looks a target up.
type hostNames struct {
	principal string // what a host certificate has to name
	lookup    string // with the port
	portless  string // tried when lookup is unknown; "" when it does not apply
}

func (t Target) hostNames() hostNames {
	if t.HostKeyAlias != "" {
		// An alias stands for host and port together (ssh_config(5) HostKeyAlias).
		alias := strings.ToLower(t.HostKeyAlias)
		return hostNames{principal: alias, lookup: alias}
	}
	host := strings.ToLower(t.HostName)
	n := hostNames{principal: host, lookup: lookupName(host, t.Port)}
	if n.lookup != host {
		n.portless = host
	}
	return n
}

// decide compares key with what is known, in ssh's order: revoked keys, then
// certificates, then plain keys, each under the name with the port and then
// without. A certificate that does not hold is judged by the key it certifies.
// The result is nil when the key is the host's.
func (k knownHosts) decide(t Target, key ssh.PublicKey, now time.Time) *HostKeyError {
	n := t.hostNames()
	e := &HostKeyError{
		Host: t.Name, Lookup: n.lookup, Fingerprint: publickey.Fingerprint(key), KeyType: publickey.Plain(key).Type(),
		key: publickey.Plain(key), command: t.sshCommand(), scan: t.scanCommand(),
	}
	if t.HostKey != "" {
		return t.decidePin(e)
	}
	names := []string{n.lookup}
	if n.portless != "" {
		names = append(names, n.portless)
	}
	for _, name := range names {
		if l, revoked := k.revoked(name, key); revoked {
			e.Kind, e.Known = HostKeyRevoked, []KnownKey{l}
			return e
		}
	}
	if cert, ok := key.(*ssh.Certificate); ok {
		for _, name := range names {
			err := k.certified(name, n.principal, cert, t.CASignatureAlgorithms, now)
			if err == nil {
				return nil
			}
			if e.Note == "" {
				e.Note = err.Error()
			}
		}
	}
	var known []knownLine
	for i, name := range names {
		lines := k.matching(name, "")
		if slices.ContainsFunc(lines, func(l knownLine) bool { return publickey.Equal(l.key, publickey.Plain(key)) }) {
			return nil
		}
		// Only the full name makes a key a changed one; under the name without
		// a port it may be another sshd's.
		if i == 0 {
			known = lines
		}
		if len(known) > 0 {
			break
		}
	}
	if len(known) == 0 {
		e.Kind = HostKeyUnknown
		return e
	}
	e.Kind = HostKeyChanged
	for _, l := range known {
		e.Known = append(e.Known, l.known())
	}
	return e
}

// revoked looks for a line that forbids the key, the key a certificate
// certifies, or the authority that signed it. A line that cannot be parsed
// forbids every key, because nobody can tell which it meant.
func (k knownHosts) revoked(name string, key ssh.PublicKey) (KnownKey, bool) {
	for _, l := range k.matching(name, "revoked") {
		if l.key == nil {
			return KnownKey{File: l.file, Line: l.line}, true
		}
		cert, isCert := key.(*ssh.Certificate)
		if publickey.Equal(l.key, publickey.Plain(key)) || isCert && publickey.Equal(l.key, cert.SignatureKey) {
			return l.known(), true
		}
	}
	return KnownKey{}, false
}

// certified tells whether an authority that known_hosts trusts for name vouches
// for the host, and if not, why.
func (k knownHosts) certified(name, principal string, cert *ssh.Certificate, signatures []string, now time.Time) error {
	trusted := slices.ContainsFunc(k.matching(name, "cert-authority"), func(l knownLine) bool {
		return publickey.Equal(l.key, cert.SignatureKey)
	})
	switch {
	case !trusted:
		return fmt.Errorf("its certificate is signed by %s, which no @cert-authority line names", ssh.FingerprintSHA256(cert.SignatureKey))
	case cert.CertType != ssh.HostCert:
		return fmt.Errorf("its certificate is for users")
	case !slices.Contains(signatures, cert.Signature.Format):
		return fmt.Errorf("its certificate is signed with %s, which CASignatureAlgorithms leaves out", safetext.Line(cert.Signature.Format))
	}
	checker := ssh.CertChecker{Clock: func() time.Time { return now }}
	if err := checker.CheckCert(principal, cert); err != nil {
		return fmt.Errorf("its certificate does not hold: %s", safetext.Line(strings.TrimPrefix(err.Error(), "ssh: ")))
	}
	return nil
}

// sshCommand is what a person types to meet the same host key: `ssh web1`, and
// as options what the inventory knows and ssh_config does not.
func (t Target) sshCommand() string {
	words := []string{"ssh"}
	if t.ConfigFile != "" {
		words = append(words, "-F", t.ConfigFile)
	}
	name := t.Name
	for _, s := range t.Settings {
		switch {
		case s.Source != inInventory && s.Source != byProxyJump:
		case s.Name == "hostname":
			name = t.HostName
		case s.Name == "port":
			words = append(words, "-p", s.Value)
		case s.Name == "proxyjump":
			words = append(words, "-J", s.Value)
		}
	}
	return strings.Join(append(words, name), " ")
}

// scanCommand prints the known_hosts line without logging in, or is "" where
// only ssh can get there, or where another name has to stand in the line.
func (t Target) scanCommand() string {
	if len(t.Jump) > 0 || len(t.ProxyCommand) > 0 || t.HostKeyAlias != "" {
		return ""
	}
	words := []string{"ssh-keyscan"}
	if t.Port != 22 {
		words = append(words, "-p", strconv.Itoa(t.Port))
	}
	return strings.Join(append(words, t.HostName), " ")
}

// weak says what is wrong with an RSA key that is too short, or is "".
func (t Target) weak(key ssh.PublicKey) string {
	bits := publickey.ShortRSA(key, t.requiredRSASize())
	if bits == 0 {
		return ""
	}
	return fmt.Sprintf("its RSA key has %d bits, and RequiredRSASize is %d: the host needs a new key", bits, t.requiredRSASize())
}

// defaultRSASize is OpenSSH's default of RequiredRSASize.
const defaultRSASize = 1024

func (t Target) requiredRSASize() int { return cmp.Or(t.RequiredRSASize, defaultRSASize) }
