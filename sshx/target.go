package sshx

import (
	"strings"

	"github.com/keep-it-simple/kis/sshx/hostkey"
	"github.com/keep-it-simple/kis/sshx/userauth"
)

// hostKeyPolicy selects what hostkey needs of t.
func hostKeyPolicy(t Target) hostkey.Policy {
	return hostkey.Policy{
		Host: t.Name, HostName: t.HostName, Port: t.Port, Alias: t.HostKeyAlias, Pin: t.HostKey,
		UserFiles: t.UserKnownHostsFiles, GlobalFiles: t.GlobalKnownHostsFiles, HashNames: t.HashKnownHosts,
		Strict: t.StrictHostKeyChecking, BatchMode: t.BatchMode,
		Algorithms: t.HostKeyAlgorithms, CASignatures: t.CASignatureAlgorithms, RequiredRSASize: t.MinRSASize(),
		SSHCommand: t.SSHCommand(), ScanCommand: t.ScanCommand(),
	}
}

// loginSettings selects what userauth needs of t and of the Dialer.
func (d *Dialer) loginSettings(t Target) userauth.Settings {
	return userauth.Settings{
		Host: t.Name, User: t.User, Account: account(t),
		IdentityFiles: t.IdentityFiles, DefaultIdentities: t.DefaultIdentities, CertificateFiles: t.CertificateFiles,
		IdentitiesOnly: t.IdentitiesOnly, IdentityAgent: t.IdentityAgent, AgentTimeout: d.AgentTimeout,
		Preferred: t.PreferredAuthentications, Algorithms: t.PubkeyAcceptedAlgorithms, RequiredRSASize: t.MinRSASize(),
		NoPublicKey: t.NoPublicKey, NoPassword: t.NoPassword, NoKeyboardInteractive: t.NoKeyboardInteractive,
		PasswordPrompts: t.PasswordPrompts, BatchMode: t.BatchMode,
		Prompt: d.Prompt, Warn: d.warn,
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
