// Package sshtest is an SSH and SFTP host inside the process, for tests and for
// the demo. It listens on loopback addresses only. It is no sandbox: commands
// and file operations run as the user of the process.
package sshtest

import (
	"errors"

	"golang.org/x/crypto/ssh"
)

// Options describe a Host.
type Options struct {
	// Home is the working folder of commands and of SFTP; it has to exist.
	Home string
	// HostKeys are the host's keys; none: a fresh ed25519 key.
	HostKeys []ssh.Signer
	// AuthorizedKeys may log in, as any user.
	AuthorizedKeys []ssh.PublicKey
	// Env is the environment of commands.
	Env []string
}

// Host is a running host.
type Host struct{}

// Start starts a host on a free port of 127.0.0.1.
func Start(o Options) (*Host, error) { return nil, errors.New("unfinished") }

// Addr is host:port.
func (h *Host) Addr() string { return "" }

// HostKey is the first host key.
func (h *Host) HostKey() ssh.PublicKey { return nil }

// KnownHostsLine is the line for known_hosts.
func (h *Host) KnownHostsLine() string { return "" }

// Close ends the host.
func (h *Host) Close() error { return nil }

// Proxy forwards TCP and can break it.
type Proxy struct{}

// NewProxy listens on 127.0.0.1 and forwards to target.
func NewProxy(target string) (*Proxy, error) { return nil, errors.New("unfinished") }
