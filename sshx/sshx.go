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
	"github.com/keep-it-simple/kis/sshx/config"
	"github.com/keep-it-simple/kis/sshx/hostkey"
	"github.com/keep-it-simple/kis/sshx/userauth"
)

// Host is what a caller knows of a host before ssh_config has been read.
type Host = config.Host

// Target is one host with every setting decided.
type Target = config.Target

// Setting is one line of Target.Settings.
type Setting = config.Setting

// Resolver decides the settings of hosts as ssh(1) would.
type Resolver = config.Resolver

// HostKeyError says that the host showed a key that is not known to be its own.
type HostKeyError = hostkey.Error

// AuthError says that the host key was accepted and the login was not.
type AuthError = userauth.Error

// Prompt asks the person at the terminal one question.
type Prompt = userauth.Prompt
