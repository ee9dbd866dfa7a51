package sshx

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"
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
	t := Target{Name: h.Name, HostKey: h.HostKey}
	t.HostName = strings.ToLower(orElse(s.first("hostname"), h.Name))
	t.User = orElse(s.first("user"), b.local.name)
	t.Port = b.number("port", 22, 1, 65535)
	t.HostKeyAlias = noneIsEmpty(s.first("hostkeyalias"))
	t.IdentitiesOnly = b.flag("identitiesonly", false)
	t.PreferredAuthentications = splitList(s.first("preferredauthentications"))
	t.NoPublicKey = !b.flag("pubkeyauthentication", true)
	t.NoPassword = !b.flag("passwordauthentication", true)
	t.NoKeyboardInteractive = !b.flag("kbdinteractiveauthentication", b.flag("challengeresponseauthentication", true))
	t.BatchMode = b.flag("batchmode", false)
	t.HashKnownHosts = b.flag("hashknownhosts", false)
	t.ConnectTimeout = b.seconds("connecttimeout")
	t.ServerAliveInterval = b.seconds("serveraliveinterval")
	if t.BatchMode && t.ServerAliveInterval == 300*time.Second {
		// Debian's ssh says 300 in batch mode when nobody has said anything
		// (its ssh_config(5)); a quarter of an hour is no answer.
		t.ServerAliveInterval = 0
	}
	t.ServerAliveCountMax = b.number("serveralivecountmax", defaultAliveCount, 0, 1<<20)
	t.AddressFamily = orElse(s.first("addressfamily"), "any")
	t.UserKnownHostsFiles = splitPaths(s.first("userknownhostsfile"))
	t.GlobalKnownHostsFiles = splitPaths(s.first("globalknownhostsfile"))
	b.strict(&t)
	b.algorithms(&t)
	b.identities(&t)
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
		{"proxycommand", "ProxyCommand", "use ProxyJump if the command is `ssh -W`, or set jump for the host in the inventory"},
		{"revokedhostkeys", "RevokedHostKeys", "write the keys as @revoked lines into known_hosts"},
	} {
		if v := b.settings.first(u.keyword); v != "" && v != "none" {
			return fmt.Errorf("%s %s (%s): %w; %s", u.name, printable(v), b.settings[u.keyword][0].source, ErrUnsupported, u.remedy)
		}
	}
	return nil
}

func (b *builder) fail(keyword, value, want string) {
	b.errs = append(b.errs, fmt.Errorf("%s %s (%s): %s", keyword, printable(value), b.settings[keyword][0].source, want))
}

// flag reads yes and no in all of ssh_config's spellings; values of settings
// that have more than two, such as PubkeyAuthentication, count as yes.
func (b *builder) flag(keyword string, otherwise bool) bool {
	switch strings.ToLower(b.settings.first(keyword)) {
	case "":
		return otherwise
	case "no", "false":
		return false
	}
	return true
}

func (b *builder) number(keyword string, otherwise, low, high int) int {
	v := b.settings.first(keyword)
	if v == "" {
		return otherwise
	}
	n, err := strconv.Atoi(v)
	if err != nil || n < low || n > high {
		b.fail(keyword, v, fmt.Sprintf("want a number from %d to %d", low, high))
	}
	return n
}

// seconds reads the time formats of sshd_config(5): 90, 90s, 1m30s, 2h, 1d, 1w.
func (b *builder) seconds(keyword string) time.Duration {
	v := strings.ToLower(b.settings.first(keyword))
	if v == "" || v == "none" {
		return 0
	}
	units := map[byte]time.Duration{'s': time.Second, 'm': time.Minute, 'h': time.Hour, 'd': 24 * time.Hour, 'w': 7 * 24 * time.Hour}
	var total time.Duration
	for rest := v; rest != ""; {
		digits := len(rest) - len(strings.TrimLeft(rest, "0123456789"))
		n, err := strconv.Atoi(rest[:digits])
		unit := time.Second
		if digits < len(rest) {
			unit = units[rest[digits]]
			digits++
		}
		if err != nil || unit == 0 || n > 1<<20 {
			b.fail(keyword, v, "want a time such as 30, 30s or 2m")
			return 0
		}
		total += time.Duration(n) * unit
		rest = rest[digits:]
	}
	return total
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
		t.Warnings = append(t.Warnings, fmt.Sprintf("%s: StrictHostKeyChecking %s is not followed: kis refuses host keys that nobody has looked at; accept-new takes new hosts without asking", t.Name, v))
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
		{"kexalgorithms", have.kex, &t.KexAlgorithms},
		{"ciphers", have.ciphers, &t.Ciphers},
		{"macs", have.macs, &t.MACs},
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

func orElse(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

func noneIsEmpty(s string) string {
	if s == "none" {
		return ""
	}
	return s
}

func splitList(s string) []string {
	if s == "" || s == "any" {
		return nil
	}
	return strings.Split(s, ",")
}

// splitPaths splits a list of paths. `ssh -G` prints paths with blanks without
// their quotes; as all it prints are absolute, a word that is not belongs to the
// path before it.
func splitPaths(s string) []string {
	if s == "none" {
		return nil
	}
	var paths []string
	for word := range strings.FieldsSeq(s) {
		if len(paths) > 0 && !strings.HasPrefix(word, "/") {
			paths[len(paths)-1] += " " + word
			continue
		}
		paths = append(paths, word)
	}
	return paths
}
