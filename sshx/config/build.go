package config

import (
	"cmp"
	"fmt"
	"net/netip"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/keep-it-simple/kis/internal/name"
	"github.com/keep-it-simple/kis/internal/safetext"
	"github.com/keep-it-simple/kis/sshx/hostkey"
	"github.com/keep-it-simple/kis/sshx/userauth"
)

// builder converts settings to a Target.
type builder struct {
	host     Host
	settings settings
	local    localUser
	getenv   func(string) string
	errs     []error
}

// build converts all settings. It returns the first error.
func (b *builder) build() (Target, error) {
	if err := b.unsupported(); err != nil {
		return Target{}, err
	}
	t := Target{Name: b.host.Name}
	var err error
	if t.HostKey, err = hostkey.ParsePin(b.host.HostKey); err != nil {
		return Target{}, err
	}
	b.address(&t)
	b.methods(&t)
	b.timeouts(&t)
	b.knownHosts(&t)
	b.algorithms(&t)
	b.identities(&t)
	b.proxy(&t)
	b.warnIgnored(&t)
	t.Settings = b.report(t)
	if len(b.errs) > 0 {
		return Target{}, b.errs[0]
	}
	return t, nil
}

func (b *builder) address(t *Target) {
	s := b.settings
	host := cmp.Or(s.first("hostname"), b.host.Name)
	if _, err := name.ParseHost(host); err != nil { // before ToLower, which maps U+212A to k
		b.fail("hostname", host, "not a host name or an address")
	}
	t.HostName = strings.ToLower(host)
	if addr, err := netip.ParseAddr(t.HostName); err == nil {
		t.HostName = addr.String() // the spelling that ssh writes to known_hosts
	}
	t.User = cmp.Or(s.first("user"), b.local.name)
	t.Port = b.number("port", 22, 1, 65535)
	t.AddressFamily = strings.ToLower(cmp.Or(s.first("addressfamily"), "any"))
	t.BindAddress = s.first("bindaddress")
}

// methods sets the authentication methods.
func (b *builder) methods(t *Target) {
	t.PreferredAuthentications = splitList(b.settings.first("preferredauthentications"))
	t.NoPublicKey = !b.flag("pubkeyauthentication", true)
	t.NoPassword = !b.flag("passwordauthentication", true)
	t.NoKeyboardInteractive = !b.flag("kbdinteractiveauthentication", b.flag("challengeresponseauthentication", true))
	t.PasswordPrompts = b.number("numberofpasswordprompts", userauth.DefaultPasswordPrompts, 0, 1<<20)
	// No prompt is allowed, as in BatchMode.
	t.BatchMode = b.flag("batchmode", false) || t.PasswordPrompts == 0
}

func (b *builder) timeouts(t *Target) {
	t.ConnectTimeout = b.duration("connecttimeout")
	t.ServerAliveInterval = b.duration("serveraliveinterval")
	if t.BatchMode && t.ServerAliveInterval == 300*time.Second {
		// Debian's ssh has a default of 300 in batch mode (its ssh_config(5)); a quarter of an hour
		// is too late for a deployment.
		t.ServerAliveInterval = 0
	}
	t.ServerAliveCountMax = b.number("serveralivecountmax", defaultAliveCount, 0, 1<<20)
}

func (b *builder) knownHosts(t *Target) {
	t.UserKnownHostsFiles = splitPaths(b.settings.first("userknownhostsfile"))
	t.GlobalKnownHostsFiles = splitPaths(b.settings.first("globalknownhostsfile"))
	t.HashKnownHosts = b.flag("hashknownhosts", false)
	t.HostKeyAlias = strings.ToLower(noneIsEmpty(b.settings.first("hostkeyalias")))
	t.RequiredRSASize = b.number("requiredrsasize", defaultRSASize, 0, 1<<16)
	switch v := strings.ToLower(b.settings.first("stricthostkeychecking")); v {
	case "", "ask":
		t.StrictHostKeyChecking = hostkey.StrictAsk
	case "yes", "true":
		t.StrictHostKeyChecking = hostkey.StrictYes
	case "accept-new":
		t.StrictHostKeyChecking = hostkey.StrictAcceptNew
	case "no", "off", "false":
		t.StrictHostKeyChecking = hostkey.StrictAsk
		t.Warnings = append(t.Warnings, "StrictHostKeyChecking no is ignored: kis does not trust unknown host keys; accept-new accepts those of new hosts without a prompt")
	default:
		b.fail("stricthostkeychecking", v, "want yes, no, ask, off or accept-new")
	}
}

// unsupported returns an error for settings without which kis would not reach the host, or not as
// safely as ssh.
func (b *builder) unsupported() error {
	for _, u := range []struct{ keyword, name, remedy string }{
		{"revokedhostkeys", "RevokedHostKeys", "add the keys to known_hosts as @revoked lines"},
		{"proxyusefdpass", "ProxyUseFdpass", "use a ProxyCommand that relays the data, or ProxyJump"},
	} {
		if v := b.settings.first(u.keyword); v != "" && v != "none" && v != "no" && v != "false" {
			return fmt.Errorf("%s %s (%s): %w; %s", u.name, safetext.Line(v), b.settings[u.keyword][0].source, ErrUnsupported, u.remedy)
		}
	}
	return nil
}

// warnIgnored warns of ignored settings that change how ssh reaches or authenticates a host.
// Ignoring any other setting only makes kis stricter.
func (b *builder) warnIgnored(t *Target) {
	for _, n := range []struct{ keyword, name, instead string }{
		{"bindinterface", "BindInterface", "the system chooses the interface; BindAddress is supported"},
		{"knownhostscommand", "KnownHostsCommand", "host keys must be in known_hosts, or pinned in the inventory"},
		{"verifyhostkeydns", "VerifyHostKeyDNS", "host keys must be in known_hosts, or pinned in the inventory"},
	} {
		if v := b.settings.first(n.keyword); v != "" && v != "none" && v != "no" && v != "false" {
			t.Warnings = append(t.Warnings, n.name+" is ignored: "+n.instead)
		}
	}
}

// proxy makes the argument vector of ProxyCommand. The command is the user's own shell text, into
// which ssh inserts names. A name with characters that the shell interprets is refused.
func (b *builder) proxy(t *Target) {
	command := b.settings.first("proxycommand")
	if jump := b.settings.first("proxyjump"); command == "" || command == "none" || jump != "" {
		return
	}
	for what, value := range map[string]string{"User": t.User, "HostName": t.HostName, "host name": t.Name} {
		if strings.HasPrefix(value, "-") || strings.ContainsFunc(value, isShellSpecial) {
			b.fail("proxycommand", command, fmt.Sprintf("%s %q has characters that the shell of the command would interpret", what, value))
			return
		}
	}
	text, err := expander{target: t, allowed: proxyTokens}.tokens(command)
	if err != nil {
		b.fail("proxycommand", command, err.Error())
		return
	}
	// As in ssh: the user's shell, which the command replaces.
	t.ProxyCommand = []string{cmp.Or(b.getenv("SHELL"), "/bin/sh"), "-c", "exec " + text}
}

func (b *builder) algorithms(t *Target) {
	for _, l := range t.algorithmLists() {
		list, err := adjust(l.keyword, b.settings.first(l.keyword), l.supported)
		if err != nil {
			b.errs = append(b.errs, err)
		}
		*l.list = list
	}
	t.Ciphers = fastCiphersFirst(b.settings.first("ciphers"), t.Ciphers, hasAES())
}

// identities expands the paths, which `ssh -G` prints unexpanded.
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
			b.settings.add("identityfile", "~/.ssh/"+name, sourceDefault)
		}
	}
	t.IdentitiesOnly = b.flag("identitiesonly", false)
	t.IdentityFiles = expand("identityfile")
	t.CertificateFiles = expand("certificatefile")
	t.IdentityAgent = b.agent(x)
	if b.host.IdentityFile != "" && len(t.IdentityFiles) > 0 {
		if err := userauth.CheckKeyFile(t.IdentityFiles[0]); err != nil {
			b.errs = append(b.errs, fmt.Errorf("identity file: %w", err))
		}
	}
}

// isDefaultList recognizes OpenSSH's default list, which `ssh -G` prints when the configuration
// names no identity: several ~/.ssh/id_… and nothing else.
func isDefaultList(paths []string) bool {
	if len(paths) == 0 {
		return true
	}
	return len(paths) >= 4 && !slices.ContainsFunc(paths, func(p string) bool {
		ok, _ := path.Match("~/.ssh/id_*", p)
		return !ok
	})
}

// agent returns the agent's socket, ssh_config(5) IdentityAgent.
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
