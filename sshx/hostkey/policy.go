// Package hostkey decides whether the key that a host shows is its own, as ssh
// does: by a pin, or by known_hosts files, to which it adds accepted keys. It
// opens no connections.
package hostkey

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/keep-it-simple/kis/sshx/internal/publickey"
)

// Policy is what the configuration says about the keys of one host.
type Policy struct {
	// Host names the host in messages.
	Host string
	// HostName and Port are where the connection goes.
	HostName string
	Port     int
	// Alias replaces both in known_hosts, ssh_config(5) HostKeyAlias; empty: it does not.
	Alias string
	// Pin is the only key that is accepted; the zero value: known_hosts decides.
	Pin Pin
	// UserFiles and GlobalFiles are known_hosts files, read in this order;
	// missing files are empty files. The first user file takes new keys.
	UserFiles, GlobalFiles []string
	// HashNames writes new names as hashes.
	HashNames bool
	// Strict decides about unknown keys.
	Strict StrictChecking
	// BatchMode says that nobody may be asked about a key.
	BatchMode bool
	// Algorithms are those that may be negotiated, in order of preference.
	Algorithms []string
	// CASignatures are those with which an authority may have signed a
	// certificate of a host.
	CASignatures []string
	// RequiredRSASize is the least size of RSA keys in bits.
	RequiredRSASize int
	// SSHCommand is what a person types to meet the same key; ScanCommand prints
	// it without logging in, or is empty where that is not possible.
	SSHCommand, ScanCommand string
}

// StrictChecking is ssh_config(5)'s StrictHostKeyChecking.
type StrictChecking string

// The values kis honors. ssh_config's `no` and `off` become StrictAsk with a
// warning: kis connects to many hosts at once, so a key that nobody has looked
// at is never taken as known.
const (
	StrictAsk       StrictChecking = "ask"        // unknown keys are refused; a person may accept them
	StrictYes       StrictChecking = "yes"        // unknown keys are refused
	StrictAcceptNew StrictChecking = "accept-new" // unknown keys are written to known_hosts
)

// lookupNames are the names under which ssh looks the host up in known_hosts:
// with the port and, when that is not 22, without. An alias stands for host and
// port together (ssh_config(5) HostKeyAlias).
func (p Policy) lookupNames() []string {
	if p.Alias != "" {
		return []string{strings.ToLower(p.Alias)}
	}
	host := strings.ToLower(p.HostName)
	if name := lookupName(host, p.Port); name != host {
		return []string{name, host}
	}
	return []string{host}
}

// principal is what a certificate of the host has to name.
func (p Policy) principal() string {
	if p.Alias != "" {
		return strings.ToLower(p.Alias)
	}
	return strings.ToLower(p.HostName)
}

// Store is the known_hosts files as the connections of one run use them. The
// zero value is ready for use, by several goroutines.
type Store struct {
	accepting sync.Mutex // two connections must not both add the same key
}

// Verifier reads the files of p, but not for a pinned host: a pin alone decides.
// Lines that are left out go to warn.
func (s *Store) Verifier(p Policy, warn func(string)) (*Verifier, error) {
	v := &Verifier{store: s, policy: p, warn: warn}
	if p.Pin.IsZero() {
		var err error
		if v.known, err = readKnownHosts(slices.Concat(p.UserFiles, p.GlobalFiles)); err != nil {
			return nil, err
		}
	}
	for _, w := range v.known.warnings {
		warn(w)
	}
	return v, nil
}

// Verifier decides about the keys that one host shows.
type Verifier struct {
	store  *Store
	policy Policy
	known  knownHosts
	warn   func(string)
}

// Algorithms are those to ask the host for, in order of preference.
func (v *Verifier) Algorithms() []string { return v.known.orderAlgorithms(v.policy) }

// Verify returns nil when key is the host's, an *Error when the pin or
// known_hosts speaks against it, and another error when it is too short. With
// StrictAcceptNew it adds an unknown key to known_hosts. A key that cannot be
// written is still accepted then, as ssh does, with a warning.
func (v *Verifier) Verify(key ssh.PublicKey) error {
	if bits := publickey.ShortRSA(key, v.policy.RequiredRSASize); bits > 0 {
		return fmt.Errorf("host key: its RSA key has %d bits, and RequiredRSASize is %d: the host needs a new key", bits, v.policy.RequiredRSASize)
	}
	e := v.known.decide(v.policy, key, time.Now())
	switch {
	case e == nil:
		return nil
	case e.Kind != Unknown:
		return e
	}
	e.forAccept(v.policy)
	if v.policy.Strict != StrictAcceptNew {
		return e
	}
	v.store.accepting.Lock()
	defer v.store.accepting.Unlock()
	if err := e.Accept(); err != nil {
		v.warn(err.Error())
	}
	return nil
}
