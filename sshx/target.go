package sshx

import (
	"cmp"
	"strconv"
	"strings"

	"github.com/keep-it-simple/kis/sshx/hostkey"
	"github.com/keep-it-simple/kis/sshx/userauth"
)

// hostKeyPolicy is what t says about the keys of the host.
func (t Target) hostKeyPolicy() hostkey.Policy {
	return hostkey.Policy{
		Host: t.Name, HostName: t.HostName, Port: t.Port, Alias: t.HostKeyAlias, Pin: t.HostKey,
		UserFiles: t.UserKnownHostsFiles, GlobalFiles: t.GlobalKnownHostsFiles, HashNames: t.HashKnownHosts,
		Strict: t.StrictHostKeyChecking, BatchMode: t.BatchMode,
		Algorithms: t.HostKeyAlgorithms, CASignatures: t.CASignatureAlgorithms, RequiredRSASize: t.requiredRSASize(),
		SSHCommand: t.sshCommand(), ScanCommand: t.scanCommand(),
	}
}

// sshCommand is what a person types to meet the same host key: `ssh web1`, and
// as options what the inventory knows and ssh_config does not.
func (t Target) sshCommand() string {
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

// scanCommand prints the known_hosts line without logging in, or is "" where
// only ssh can get there, or where another name has to stand in the line.
func (t Target) scanCommand() string {
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

func (t Target) requiredRSASize() int { return cmp.Or(t.RequiredRSASize, defaultRSASize) }

// loginSettings is what t says about the login, and whom the Dialer asks.
func (d *Dialer) loginSettings(t Target) userauth.Settings {
	return userauth.Settings{
		Host: t.Name, User: t.User, Account: t.account(),
		IdentityFiles: t.IdentityFiles, DefaultIdentities: t.DefaultIdentities, CertificateFiles: t.CertificateFiles,
		IdentitiesOnly: t.IdentitiesOnly, IdentityAgent: t.IdentityAgent, AgentTimeout: d.AgentTimeout,
		Preferred: t.PreferredAuthentications, Algorithms: t.PubkeyAcceptedAlgorithms, RequiredRSASize: t.requiredRSASize(),
		NoPublicKey: t.NoPublicKey, NoPassword: t.NoPassword, NoKeyboardInteractive: t.NoKeyboardInteractive,
		PasswordPrompts: t.PasswordPrompts, BatchMode: t.BatchMode,
		Prompt: d.Prompt, Warn: d.warn,
	}
}

// account is the same for all names of one account: user@host:port, and the way
// there, because another network can have the same addresses.
func (t Target) account() string {
	way := []string{t.User, t.addr()}
	for _, j := range t.Jump {
		way = append(way, j.addr())
	}
	return strings.Join(way, "\n")
}
