// Package sshx is an SSH client that behaves like OpenSSH's: it reaches a host with the same
// configuration, keys, known hosts and jump hosts as ssh, and refuses a host that ssh refuses.
//
// A Resolver resolves a Host (a name and overrides) to a Target (all settings). A Dialer connects
// to a Target and returns a Client. A Client starts processes and SFTP sessions.
//
// The parts are packages of their own, which only sshx imports: config resolves settings, hostkey
// verifies host keys, userauth logs in. sshx itself has the connections, and the names that callers
// need of the parts.
//
// It is not a general SSH library. It never forwards an agent, X11 or ports for a host, never
// allocates a terminal, never accepts a changed host key, and sends only command lines that all
// login shells parse in the same way. It does not know inventories, stages or packages.
package sshx

import (
	"github.com/keep-it-simple/kis/sshx/config"
	"github.com/keep-it-simple/kis/sshx/hostkey"
	"github.com/keep-it-simple/kis/sshx/userauth"
)

// Host is a host as the caller names it, before ssh_config is read.
type Host = config.Host

// Target is a host with all settings resolved.
type Target = config.Target

// Setting is one line of Target.Settings.
type Setting = config.Setting

// Resolver resolves the settings of hosts as ssh(1) does.
type Resolver = config.Resolver

// HostKeyError refuses the key that a host has shown.
type HostKeyError = hostkey.Error

// AuthError says that the host has refused the login.
type AuthError = userauth.Error

// Prompt asks the user one question.
type Prompt = userauth.Prompt

// CheckPin reports what keeps a text from being a pinned host key, as in Host.HostKey.
func CheckPin(s string) error {
	_, err := hostkey.ParsePin(s)
	return err
}
