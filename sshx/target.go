package sshx

import (
	"strings"

	"github.com/keep-it-simple/kis/sshx/hostkey"
	"github.com/keep-it-simple/kis/sshx/userauth"
)

// hostKeyPolicy selects what hostkey needs of t.
func hostKeyPolicy(t Target) hostkey.Policy {
	return hostkey.Policy{
		Options: t.Options, Host: t.Name, HostName: t.HostName, Port: t.Port, BatchMode: t.BatchMode,
		RequiredRSASize: t.MinRSASize(), SSHCommand: t.SSHCommand(), ScanCommand: t.ScanCommand(),
	}
}

// loginSettings selects what userauth needs of t and of the Dialer.
func (d *Dialer) loginSettings(t Target) userauth.Settings {
	return userauth.Settings{
		Methods: t.Methods, Host: t.Name, User: t.User, Account: account(t), RequiredRSASize: t.MinRSASize(),
		AgentTimeout: d.AgentTimeout, Prompt: d.Prompt, Warn: d.warn,
	}
}

// account identifies the account of t by user, address and jump hosts: behind other jump hosts the
// same address can be another host.
func account(t Target) string {
	path := []string{t.User, t.Addr()}
	for _, j := range t.Jump {
		path = append(path, j.Addr())
	}
	return strings.Join(path, "\n")
}
