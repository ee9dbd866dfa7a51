// Package sshx is an SSH client as OpenSSH users expect it: whoever can
// `ssh web1` reaches web1 with the same configuration, keys, known hosts and
// jump host, and is refused where ssh refuses.
//
// A Resolver turns a Host (a name and what the caller overrides) into a Target
// (every setting decided). A Dialer turns a Target into a Client. A Client
// starts processes and SFTP sessions.
//
// It is not a general SSH library. It never forwards an agent, X11 or ports for
// a host, never allocates a terminal, never accepts a changed host key, and
// sends only command lines that every login shell reads alike. It knows nothing
// of inventories, stages or packages.
package sshx

import (
	"time"

	"github.com/keep-it-simple/kis/sshx/hostkey"
	"github.com/keep-it-simple/kis/sshx/userauth"
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

// HostKeyError says that the host showed a key that is not known to be its own.
type HostKeyError = hostkey.Error

// AuthError says that the host key was accepted and the login was not.
type AuthError = userauth.Error

// Prompt asks the person at the terminal one question.
type Prompt = userauth.Prompt
