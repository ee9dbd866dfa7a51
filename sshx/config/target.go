// Package config resolves the SSH settings of a host as ssh does: with `ssh -G` where ssh is
// installed, otherwise with a parser of ssh_config that refuses what it would misread. It opens no
// connections.
package config

import (
	"cmp"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/keep-it-simple/kis/internal/safetext"
	"github.com/keep-it-simple/kis/sshx/hostkey"
	"github.com/keep-it-simple/kis/sshx/userauth"
)

// Host is a host as the caller names it, before ssh_config is read. ssh_config(5) decides all
// fields that are zero, except Name.
type Host struct {
	// Name is the argument of `ssh`. The Host and Match lines of ssh_config are matched against it,
	// and it names the host in messages.
	Name string
	// Address overrides HostName: an address or a DNS name.
	Address string
	// User overrides User.
	User string
	// Port overrides Port.
	Port int
	// IdentityFile replaces the IdentityFile list. `~` is expanded. A file that is missing or
	// unprotected is an error of Resolve.
	IdentityFile string
	// Jump overrides ProxyJump and ProxyCommand: [user@]host[:port], or several, separated by
	// commas, the first one first, or "none".
	Jump string
	// HostKey pins the host key: its fingerprint, "SHA256:…" as `ssh-keygen -l` prints it, or the
	// public key, "ssh-ed25519 AAAA…" as in known_hosts. It replaces known_hosts.
	HostKey string
}

// Target is a host with all settings resolved, by Resolver.Resolve. The zero value of a field means
// what its comment says, not "as in ssh_config". It is a value: it can be copied and used by
// several goroutines.
type Target struct {
	// Name is Host.Name, for messages.
	Name string
	// HostName is the name or address to connect to, in lower case.
	HostName string
	// Port is the TCP port, 1 to 65535.
	Port int
	// User is the login name.
	User string

	// Methods say how to log in. BatchMode disables prompts, whatever the Dialer's Prompt is.
	userauth.Methods
	// Options say which host key to accept.
	hostkey.Options

	// KexAlgorithms, Ciphers and MACs are in order of preference. Of these and of all other lists of
	// algorithms, Dial ignores those that it does not support and those with SHA-1 signatures; an
	// empty list: all that kis supports.
	KexAlgorithms, Ciphers, MACs []string
	// RequiredRSASize is the minimum size in bits of RSA keys of hosts and users; zero: 1024.
	RequiredRSASize int

	// ConnectTimeout limits name resolution, TCP and the wait for the server's SSH version
	// together, as in ssh; zero: 10 s. The Dialer's overrides it.
	ConnectTimeout time.Duration
	// ServerAliveInterval and ServerAliveCountMax: a connection is closed when the host has not
	// answered for their product. Zero: 15 s and 3.
	ServerAliveInterval time.Duration
	ServerAliveCountMax int
	// AddressFamily is "any", "inet" or "inet6"; empty is "any".
	AddressFamily string
	// BindAddress is the local address to connect from; empty: any.
	BindAddress string

	// Jump holds the jump hosts, the first one first, each resolved under its own name; empty:
	// none. Their own Jump fields are ignored.
	Jump []Target
	// ProxyCommand is a program and its arguments whose standard input and output are connected to
	// the host; empty: TCP. Jump overrides it.
	ProxyCommand []string

	// ConfigFile is the file that replaced the user's and the system's ssh_config, for commands in
	// messages; empty: none did.
	ConfigFile string

	// Warnings name the settings that kis ignores, one line each; Dial passes them to Dialer.Warn.
	Warnings []string
	// Settings lists the effective settings and their sources for the user, in a fixed order.
	Settings []Setting
}

// Setting is one line of Target.Settings.
type Setting struct {
	// Name is the ssh_config(5) keyword in lower case.
	Name string `json:"name"`
	// Value is the effective value in the syntax of ssh_config.
	Value string `json:"value"`
	// Source is where the value was set: "inventory", "ProxyJump" (of the host behind the jump
	// host), "ssh_config" (from `ssh -G`, which does not report the file), a file, "default", or
	// "kis" where kis overrides it.
	Source string `json:"source"`
}

// Addr is host:port.
func (t Target) Addr() string { return net.JoinHostPort(t.HostName, strconv.Itoa(t.Port)) }

// Defaults of ServerAliveInterval and ServerAliveCountMax: a deployment detects a dead connection
// after 45 s. OpenSSH's default, never, suits a user who sees that a terminal hangs.
const (
	defaultAliveInterval = 15 * time.Second
	defaultAliveCount    = 3
)

// KeepAlive returns the interval of keep-alives, and after how many without an answer to close the
// connection.
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

// SSHCommand is the command line that gets the same host key: `ssh web1`, with the overrides of the
// inventory as options.
func (t Target) SSHCommand() string {
	words := []string{"ssh"}
	if t.ConfigFile != "" {
		words = append(words, "-F", t.ConfigFile)
	}
	name := t.Name
	for _, s := range t.Settings {
		switch {
		case s.Source != sourceInventory && s.Source != sourceProxyJump:
		case s.Name == "hostname":
			name = t.HostName
		case s.Name == "port":
			words = append(words, "-p", s.Value)
		case s.Name == "proxyjump":
			words = append(words, "-J", s.Value)
		}
	}
	words = append(words, name)
	for i := range words {
		words[i] = safetext.Word(words[i])
	}
	return strings.Join(words, " ")
}

// ScanCommand is the command line that prints the known_hosts line without a login. It is "" where
// only ssh can reach the host, and where the line must have another name.
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

// MinRSASize is RequiredRSASize or its default.
func (t Target) MinRSASize() int { return cmp.Or(t.RequiredRSASize, defaultRSASize) }
