package sshx

import (
	"fmt"
	"net/netip"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/keep-it-simple/kis/internal/name"
)

// builder makes a Target of settings, whoever read them.
type builder struct {
	host     Host
	settings settings
	local    localUser
	getenv   func(string) string
	errs     []error
}

// build converts every setting; the first problem is the error.
func (b *builder) build() (Target, error) {
	s, h := b.settings, b.host
	if err := b.unsupported(); err != nil {
		return Target{}, err
	}
	t := Target{Name: h.Name}
	var err error
	if t.HostKey, t.HostKeyType, err = parsePin(h.HostKey); err != nil {
		return Target{}, err
	}
	host := orElse(s.first("hostname"), h.Name)
	if _, err := name.ParseHost(host); err != nil { // before ToLower, which makes k of U+212A
		b.fail("hostname", host, "not the name or the address of a host")
	}
	t.HostName = strings.ToLower(host)
	if addr, err := netip.ParseAddr(t.HostName); err == nil {
		t.HostName = addr.String() // as ssh writes it into known_hosts, whichever of its spellings was given
	}
	t.User = orElse(s.first("user"), b.local.name)
	t.Port = b.number("port", 22, 1, 65535)
	t.HostKeyAlias = strings.ToLower(noneIsEmpty(s.first("hostkeyalias")))
	t.IdentitiesOnly = b.flag("identitiesonly", false)
	t.PreferredAuthentications = splitList(s.first("preferredauthentications"))
	t.NoPublicKey = !b.flag("pubkeyauthentication", true)
	t.NoPassword = !b.flag("passwordauthentication", true)
	t.NoKeyboardInteractive = !b.flag("kbdinteractiveauthentication", b.flag("challengeresponseauthentication", true))
	t.PasswordPrompts = b.number("numberofpasswordprompts", 3, 0, 1<<20)
	// Nothing may be asked for: that is what BatchMode means.
	t.BatchMode = b.flag("batchmode", false) || t.PasswordPrompts == 0
	t.HashKnownHosts = b.flag("hashknownhosts", false)
	t.ConnectTimeout = b.seconds("connecttimeout")
	t.ServerAliveInterval = b.seconds("serveraliveinterval")
	if t.BatchMode && t.ServerAliveInterval == 300*time.Second {
		// Debian's ssh says 300 in batch mode when nobody has said anything
		// (its ssh_config(5)); a quarter of an hour is no answer.
		t.ServerAliveInterval = 0
	}
	t.ServerAliveCountMax = b.number("serveralivecountmax", defaultAliveCount, 0, 1<<20)
	t.AddressFamily = strings.ToLower(orElse(s.first("addressfamily"), "any"))
	t.BindAddress = s.first("bindaddress")
	t.RequiredRSASize = b.number("requiredrsasize", defaultRSASize, 0, 1<<16)
	t.UserKnownHostsFiles = splitPaths(s.first("userknownhostsfile"))
	t.GlobalKnownHostsFiles = splitPaths(s.first("globalknownhostsfile"))
	b.strict(&t)
	b.algorithms(&t)
	b.identities(&t)
	b.proxy(&t)
	b.notFollowed(&t)
	t.Settings = b.report(t)
	if len(b.errs) > 0 {
		return Target{}, b.errs[0]
	}
	return t, nil
}

// unsupported names the settings without which the host would not be reached,
// or not as safely as with ssh.
func (b *builder) unsupported() error {
	for _, u := range []struct{ keyword, name, remedy string }{
		{"revokedhostkeys", "RevokedHostKeys", "write the keys as @revoked lines into known_hosts"},
		{"proxyusefdpass", "ProxyUseFdpass", "take a ProxyCommand that passes the data on, or ProxyJump"},
	} {
		if v := b.settings.first(u.keyword); v != "" && v != "none" && v != "no" && v != "false" {
			return fmt.Errorf("%s %s (%s): %w; %s", u.name, printable(v), b.settings[u.keyword][0].source, ErrUnsupported, u.remedy)
		}
	}
	return nil
}

// notFollowed warns of settings that change how a host is reached or whom it is
// taken for, and that kis does without; everything else is only stricter then.
func (b *builder) notFollowed(t *Target) {
	for _, n := range []struct{ keyword, name, instead string }{
		{"bindinterface", "BindInterface", "the system chooses the interface; BindAddress is followed"},
		{"knownhostscommand", "KnownHostsCommand", "host keys have to be in known_hosts, or pinned in the inventory"},
		{"verifyhostkeydns", "VerifyHostKeyDNS", "host keys have to be in known_hosts, or pinned in the inventory"},
	} {
		if v := b.settings.first(n.keyword); v != "" && v != "none" && v != "no" && v != "false" {
			t.Warnings = append(t.Warnings, n.name+" is not followed: "+n.instead)
		}
	}
}

// proxy makes the argument vector of ProxyCommand. The command is text of the
// user's own for a shell, and ssh puts names into it; a name that the shell
// could read as anything but a name is refused, wherever it comes from.
func (b *builder) proxy(t *Target) {
	command := b.settings.first("proxycommand")
	if jump := b.settings.first("proxyjump"); command == "" || command == "none" || jump != "" {
		return
	}
	for what, value := range map[string]string{"User": t.User, "HostName": t.HostName, "host name": t.Name} {
		if strings.HasPrefix(value, "-") || strings.ContainsFunc(value, forShells) {
			b.fail("proxycommand", command, fmt.Sprintf("%s %q has characters that the shell of the command would not take for a name", what, value))
			return
		}
	}
	text, err := expander{target: t, allowed: proxyTokens}.tokens(command)
	if err != nil {
		b.fail("proxycommand", command, err.Error())
		return
	}
	// As ssh does: the shell is the user's, and makes way for the command.
	t.ProxyCommand = []string{orElse(b.getenv("SHELL"), "/bin/sh"), "-c", "exec " + text}
}

func (b *builder) strict(t *Target) {
	switch v := strings.ToLower(b.settings.first("stricthostkeychecking")); v {
	case "", "ask":
		t.StrictHostKeyChecking = StrictAsk
	case "yes", "true":
		t.StrictHostKeyChecking = StrictYes
	case "accept-new":
		t.StrictHostKeyChecking = StrictAcceptNew
	case "no", "off", "false":
		t.StrictHostKeyChecking = StrictAsk
		t.Warnings = append(t.Warnings, "StrictHostKeyChecking no is not followed: kis refuses host keys that nobody has looked at; accept-new takes new hosts without asking")
	default:
		b.fail("stricthostkeychecking", v, "want yes, no, ask, off or accept-new")
	}
}

func (b *builder) algorithms(t *Target) {
	have := supported()
	for _, a := range []struct {
		keyword string
		have    []string
		to      *[]string
	}{
		{"hostkeyalgorithms", have.hostKeys, &t.HostKeyAlgorithms},
		{"pubkeyacceptedalgorithms", have.userKeys, &t.PubkeyAcceptedAlgorithms},
		{"kexalgorithms", have.kex, &t.KexAlgorithms},
		{"ciphers", have.ciphers, &t.Ciphers},
		{"macs", have.macs, &t.MACs},
		{"casignaturealgorithms", authoritySignatures(), &t.CASignatureAlgorithms},
	} {
		list, err := adjust(a.keyword, b.settings.first(a.keyword), a.have)
		if err != nil {
			b.errs = append(b.errs, err)
		}
		*a.to = list
	}
}

// identities expands the paths, which `ssh -G` prints as they were written.
func (b *builder) identities(t *Target) {
	x := expander{target: t, local: b.local, getenv: b.getenv, jump: b.settings.first("proxyjump")}
	expand := func(keyword string) []string {
		var paths []string
		for _, v := range b.settings.all(keyword) {
			if v == "none" {
				continue
			}
			p, err := x.expand(v)
			if err != nil {
				b.fail(keyword, v, err.Error())
				continue
			}
			paths = append(paths, p)
		}
		return paths
	}
	t.DefaultIdentities = isDefaultList(b.settings.all("identityfile"))
	if t.DefaultIdentities && len(b.settings["identityfile"]) == 0 {
		for _, name := range []string{"id_rsa", "id_ecdsa", "id_ecdsa_sk", "id_ed25519", "id_ed25519_sk"} {
			b.settings.add("identityfile", "~/.ssh/"+name, "default")
		}
	}
	t.IdentityFiles = expand("identityfile")
	t.CertificateFiles = expand("certificatefile")
	t.IdentityAgent = b.agent(x)
	if b.host.IdentityFile != "" && len(t.IdentityFiles) > 0 {
		if _, err := readKeyFile(t.IdentityFiles[0]); err != nil {
			b.errs = append(b.errs, fmt.Errorf("identity file: %w", err))
		}
	}
}

// isDefaultList recognizes OpenSSH's own list, which `ssh -G` prints when nobody
// has named an identity: several ~/.ssh/id_… and nothing else.
func isDefaultList(paths []string) bool {
	if len(paths) == 0 {
		return true
	}
	return len(paths) >= 4 && !slices.ContainsFunc(paths, func(p string) bool {
		ok, _ := path.Match("~/.ssh/id_*", p)
		return !ok
	})
}

// agent finds the socket, IdentityAgent in ssh_config(5).
func (b *builder) agent(x expander) string {
	v := b.settings.first("identityagent")
	switch {
	case v == "none":
		return ""
	case v == "" || v == "SSH_AUTH_SOCK":
		return b.getenv("SSH_AUTH_SOCK")
	case strings.HasPrefix(v, "$") && !strings.HasPrefix(v, "${"):
		return b.getenv(v[1:])
	}
	p, err := x.expand(v)
	if err != nil {
		b.fail("identityagent", v, err.Error())
	}
	return p
}
