// Package config decides the settings of a host as ssh does: with `ssh -G` where
// there is an ssh, otherwise with a parser of ssh_config that refuses what it
// would get wrong. It contacts nobody.
package config

import (
	"cmp"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/keep-it-simple/kis/sshx/hostkey"
)

// Host is what a caller knows of a host before ssh_config has been read. Every
// zero field except Name is left to ssh_config(5).
type Host struct {
	// Name is what one would type after `ssh`. It is matched against the Host
	// and Match lines of ssh_config and names the host in every message.
	Name string
	// Address overrides HostName: an address or a name that resolves.
	Address string
	// User overrides User.
	User string
	// Port overrides Port.
	Port int
	// IdentityFile replaces the IdentityFile list. `~` is expanded. It has to
	// be usable: a missing or unprotected file is an error of Resolve.
	IdentityFile string
	// Jump overrides ProxyJump and ProxyCommand: [user@]host[:port], several
	// with commas in the order in which they are passed, or "none".
	Jump string
	// HostKey pins the host key: its fingerprint, "SHA256:…" as `ssh-keygen -l`
	// prints it, or the whole public key, "ssh-ed25519 AAAA…" as it stands in
	// known_hosts. known_hosts is not asked then.
	HostKey string
}

// Target is one host with every setting decided. Resolver.Resolve makes it;
// the zero value of a field then means what its comment says, not "ask
// ssh_config". It is a value: it may be copied and used by many goroutines.
type Target struct {
	// Name is Host.Name, for messages.
	Name string
	// HostName is the name or address to connect to, in lower case.
	HostName string
	// Port is the TCP port, 1 to 65535.
	Port int
	// User is the login name.
	User string

	// IdentityFiles are paths of private keys (or of public keys whose private
	// half an agent holds), in the order they are offered.
	IdentityFiles []string
	// DefaultIdentities says that nobody named IdentityFiles: they are
	// OpenSSH's default list, so a missing one is not worth a word.
	DefaultIdentities bool
	// CertificateFiles are user certificates beyond the -cert.pub neighbors of
	// the identities.
	CertificateFiles []string
	// IdentitiesOnly keeps agent keys back that IdentityFiles does not name.
	IdentitiesOnly bool
	// IdentityAgent is the path of the agent's socket; empty: no agent.
	IdentityAgent string
	// PreferredAuthentications orders the methods, as RFC 4252 names them;
	// empty means publickey, keyboard-interactive, password.
	PreferredAuthentications []string
	// PubkeyAcceptedAlgorithms are the signatures that keys may make, in order of
	// preference; keys that can make none of them are not offered. Empty means
	// all that kis has; none of them rests on SHA-1.
	PubkeyAcceptedAlgorithms []string
	// PasswordPrompts is how often a person is asked for one password or one
	// passphrase, ssh_config(5) NumberOfPasswordPrompts; zero means 3.
	PasswordPrompts int
	// NoPublicKey, NoPassword and NoKeyboardInteractive switch methods off.
	NoPublicKey, NoPassword, NoKeyboardInteractive bool
	// BatchMode asks nobody anything, whatever the Dialer's Prompt is.
	BatchMode bool

	// UserKnownHostsFiles and GlobalKnownHostsFiles are read, in this order;
	// missing files are empty files. The first user file takes new keys.
	UserKnownHostsFiles, GlobalKnownHostsFiles []string
	// HashKnownHosts writes new names as hashes.
	HashKnownHosts bool
	// HostKeyAlias replaces host name and port in known_hosts.
	HostKeyAlias string
	// HostKey is the only key that is accepted; the zero value: known_hosts decides.
	HostKey hostkey.Pin
	// StrictHostKeyChecking decides about unknown keys. Changed and revoked
	// keys are refused whatever it says.
	StrictHostKeyChecking hostkey.StrictChecking

	// HostKeyAlgorithms, KexAlgorithms, Ciphers and MACs are in order of
	// preference. Dial ignores what it does not implement or what rests on SHA-1
	// signatures; an empty list means all it has.
	HostKeyAlgorithms, KexAlgorithms, Ciphers, MACs []string
	// CASignatureAlgorithms are those with which an authority may have signed a
	// host certificate; empty: all that rest on no SHA-1.
	CASignatureAlgorithms []string
	// RequiredRSASize is the least size of RSA keys in bits, the host's and
	// the user's; zero: 1024.
	RequiredRSASize int

	// ConnectTimeout bounds name resolution, TCP and the wait for the server's
	// SSH version together, as in ssh; zero: 10 s. The Dialer's wins.
	ConnectTimeout time.Duration
	// ServerAliveInterval and ServerAliveCountMax: a connection that has not
	// answered for their product is closed. Zero means 15 s and 3.
	ServerAliveInterval time.Duration
	ServerAliveCountMax int
	// AddressFamily is "any", "inet" or "inet6"; empty is "any".
	AddressFamily string
	// BindAddress is the local address to connect from; empty: any.
	BindAddress string

	// Jump holds the jump hosts in the order in which they are passed, each
	// resolved under its own name; empty: connect directly. Their own Jump
	// fields are ignored.
	Jump []Target
	// ProxyCommand is a program and its arguments whose standard input and
	// output lead to the host; empty: TCP. Jump goes first.
	ProxyCommand []string

	// ConfigFile is the file that replaced the user's and the system's ssh_config,
	// for the commands in messages; empty: none did.
	ConfigFile string

	// Warnings are settings that were read and are not followed, one line each;
	// Dial passes them to Dialer.Warn.
	Warnings []string
	// Settings lists the settings in force and where each comes from, in a
	// stable order, for people to read.
	Settings []Setting
}

// Setting is one line of Target.Settings.
type Setting struct {
	// Name is the ssh_config(5) keyword in lower case.
	Name string `json:"name"`
	// Value is the value in force, as ssh_config would spell it.
	Value string `json:"value"`
	// Source says who decided: "inventory", "ProxyJump" (of the host behind),
	// "ssh_config" (by `ssh -G`, which does not say in which file), a file,
	// "default", or "kis" where kis does not follow what was said.
	Source string `json:"source"`
}

// Addr is host:port.
func (t Target) Addr() string { return net.JoinHostPort(t.HostName, strconv.Itoa(t.Port)) }

// Defaults of ServerAliveInterval and ServerAliveCountMax. OpenSSH's interval of
// 0 (never) suits a person who sees that a terminal hangs; a deployment has to
// notice by itself, and does after 45 s.
const (
	defaultAliveInterval = 15 * time.Second
	defaultAliveCount    = 3
)

// KeepAlive is how often to ask for a sign of life, and how often in vain.
func (t Target) KeepAlive() (interval time.Duration, count int) {
	interval, count = t.ServerAliveInterval, t.ServerAliveCountMax
	if interval <= 0 {
		interval = defaultAliveInterval
	}
	if count <= 0 {
		count = defaultAliveCount
	}
	return interval, count
}

// SSHCommand is what a person types to meet the same host key: `ssh web1`, and
// as options what the inventory knows and ssh_config does not.
func (t Target) SSHCommand() string {
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

// ScanCommand prints the known_hosts line without logging in, or is "" where
// only ssh can get there, or where another name has to stand in the line.
func (t Target) ScanCommand() string {
	if len(t.Jump) > 0 || len(t.ProxyCommand) > 0 || t.HostKeyAlias != "" {
		return ""
	}
	words := []string{"ssh-keyscan"}
	if t.Port != 22 {
		words = append(words, "-p", strconv.Itoa(t.Port))
	}
	return strings.Join(append(words, t.HostName), " ")
}

// defaultRSASize is OpenSSH's default of RequiredRSASize.
const defaultRSASize = 1024

// MinRSASize is RequiredRSASize, or its default.
func (t Target) MinRSASize() int { return cmp.Or(t.RequiredRSASize, defaultRSASize) }
