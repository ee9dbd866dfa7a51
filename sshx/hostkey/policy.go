// Package hostkey decides whether to accept the key that a host shows, as ssh does: by a pin or by
// known_hosts files, to which it adds accepted keys. It opens no connections.
package hostkey

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/keep-it-simple/kis/sshx/internal/publickey"
)

// Policy is the configuration of host key checking for one host.
type Policy struct {
	Options

	// Host names the host in messages.
	Host string
	// HostName and Port are the address to connect to.
	HostName string
	Port     int
	// BatchMode forbids asking the user about a key.
	BatchMode bool
	// RequiredRSASize is the minimum size of RSA keys in bits.
	RequiredRSASize int
	// SSHCommand is a command that gets the same key. ScanCommand prints the key without a login;
	// it is "" where that is not possible.
	SSHCommand, ScanCommand string
}

// Options are the settings of ssh_config(5) about host keys, and the pin that replaces known_hosts.
type Options struct {
	// UserKnownHostsFiles and GlobalKnownHostsFiles are read in this order; missing files count as
	// empty. New keys are added to the first user file.
	UserKnownHostsFiles, GlobalKnownHostsFiles []string
	// HashKnownHosts stores names of new keys as hashes.
	HashKnownHosts bool
	// HostKeyAlias replaces host name and port in known_hosts; empty: no alias.
	HostKeyAlias string
	// HostKey is the only key to accept; the zero value: known_hosts decides.
	HostKey Pin
	// StrictHostKeyChecking decides about unknown keys. Changed and revoked keys are always
	// refused.
	StrictHostKeyChecking StrictChecking
	// HostKeyAlgorithms are to be negotiated, in order of preference.
	HostKeyAlgorithms []string
	// CASignatureAlgorithms are the signature algorithms to accept in host certificates.
	CASignatureAlgorithms []string
}

// StrictChecking is ssh_config(5)'s StrictHostKeyChecking.
type StrictChecking string

// The supported values. ssh_config's `no` and `off` become StrictAsk with a warning: kis connects
// to many hosts at once, and trusts no key that neither the user nor this setting has accepted.
const (
	StrictAsk       StrictChecking = "ask"        // refuse unknown keys; the user can accept them
	StrictYes       StrictChecking = "yes"        // refuse unknown keys
	StrictAcceptNew StrictChecking = "accept-new" // accept unknown keys and add them to known_hosts
)

// principal is the name that a certificate of the host must contain: in lower case, as names are
// compared.
func (p Policy) principal() string { return strings.ToLower(cmp.Or(p.HostKeyAlias, p.HostName)) }

// lookupNames returns the names under which ssh looks up the host in known_hosts(5): with the port
// and, when that is not 22, without. An alias replaces both the name and the port.
func (p Policy) lookupNames() []string {
	host := p.principal()
	if p.HostKeyAlias == "" && p.Port != 22 {
		return []string{"[" + host + "]:" + strconv.Itoa(p.Port), host}
	}
	return []string{host}
}

// Store synchronizes the connections of one run on the known_hosts files. The zero value is ready
// for use by several goroutines.
type Store struct {
	accepting sync.Mutex // so that two connections do not add the same key twice
}

// Verifier reads the known_hosts files of p, except for a pinned host, where the pin alone decides.
// warn gets a line for each file, and for each line of one, that is ignored.
func (s *Store) Verifier(p Policy, warn func(string)) *Verifier {
	v := &Verifier{store: s, policy: p, warn: warn}
	if p.HostKey.IsZero() {
		v.known = readKnownHosts(slices.Concat(p.UserKnownHostsFiles, p.GlobalKnownHostsFiles))
	}
	for _, w := range v.known.warnings {
		warn(w)
	}
	return v
}

// Verifier checks the keys of one host.
type Verifier struct {
	store  *Store
	policy Policy
	known  knownHosts
	warn   func(string)
}

// Algorithms returns the algorithms to negotiate, in order of preference.
func (v *Verifier) Algorithms() []string { return v.known.orderAlgorithms(v.policy) }

// Verify returns nil when key is the host's, an *Error when the pin or known_hosts refuses it, and
// another error when it is too short. With StrictAcceptNew it adds an unknown key to known_hosts.
// When that fails, it warns and accepts the key all the same, as ssh does.
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
	e.prepareAccept(v.policy)
	if v.policy.StrictHostKeyChecking != StrictAcceptNew {
		return e
	}
	v.store.accepting.Lock()
	defer v.store.accepting.Unlock()
	if err := e.Accept(); err != nil {
		v.warn(err.Error())
	}
	return nil
}
