package config

import (
	"fmt"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"
	"golang.org/x/sys/cpu"

	"github.com/keep-it-simple/kis/internal/safetext"
	"github.com/keep-it-simple/kis/sshx/hostkey"
	"github.com/keep-it-simple/kis/sshx/userauth"
)

// algorithmList is one list of a Target.
type algorithmList struct {
	keyword   string
	supported []string // in order of preference
	list      *[]string
}

// algorithmLists returns the lists of t. kis supports what x/crypto supports, without SHA-1
// signatures, DSA and broken ciphers. x/crypto's defaults still contain them and are never used.
func (t *Target) algorithmLists() []algorithmList {
	s := ssh.SupportedAlgorithms()
	return []algorithmList{
		{"hostkeyalgorithms", hostkey.Algorithms(), &t.HostKeyAlgorithms},
		{"pubkeyacceptedalgorithms", userauth.Algorithms(), &t.PubkeyAcceptedAlgorithms},
		{"kexalgorithms", s.KeyExchanges, &t.KexAlgorithms},
		{"ciphers", s.Ciphers, &t.Ciphers},
		{"macs", s.MACs, &t.MACs},
		{"casignaturealgorithms", hostkey.CASignatureAlgorithms(), &t.CASignatureAlgorithms},
	}
}

// WithSupportedAlgorithms returns t without the algorithms that kis does not support. An empty list
// becomes all supported ones, because x/crypto would replace it by its own, weaker defaults.
func (t Target) WithSupportedAlgorithms() Target {
	for _, l := range t.algorithmLists() {
		if *l.list = intersect(*l.list, l.supported); len(*l.list) == 0 {
			*l.list = l.supported
		}
	}
	return t
}

// The ciphers of OpenSSH 7.6 to 9.9, and since 10.0, where ssh_config says nothing.
const (
	defaultCiphers7  = "chacha20-poly1305@openssh.com,aes128-ctr,aes192-ctr,aes256-ctr,aes128-gcm@openssh.com,aes256-gcm@openssh.com"
	defaultCiphers10 = "chacha20-poly1305@openssh.com,aes128-gcm@openssh.com,aes256-gcm@openssh.com,aes128-ctr,aes192-ctr,aes256-ctr"
)

// fastCiphersFirst puts AES-GCM first where nobody has chosen an order and the processor computes AES: ChaCha20 takes ten
// times the time there. configured is the value of ssh_config.
func fastCiphersFirst(configured string, list []string, hasAES bool) []string {
	if !hasAES || configured != defaultCiphers7 && configured != defaultCiphers10 {
		return list
	}
	fast := func(cipher string) bool { return strings.Contains(cipher, "-gcm@") }
	slow := slices.DeleteFunc(slices.Clone(list), fast)
	return append(slices.DeleteFunc(slices.Clone(list), func(c string) bool { return !fast(c) }), slow...)
}

// hasAES reports whether this machine's processor computes AES-GCM.
func hasAES() bool {
	return cpu.X86.HasAES && cpu.X86.HasPCLMULQDQ || cpu.ARM64.HasAES && cpu.ARM64.HasPMULL
}

// intersect returns the elements of wanted that are in have, in the order of wanted.
func intersect(wanted, have []string) []string {
	var both []string
	for _, w := range wanted {
		if slices.Contains(have, w) && !slices.Contains(both, w) {
			both = append(both, w)
		}
	}
	return both
}

// adjust applies a list of ssh_config(5) to the supported algorithms: "a,b" replaces them, "+a"
// appends, "^a" prepends, "-a*" removes by pattern. The result has supported names only.
func adjust(directive, value string, have []string) ([]string, error) {
	names := strings.Split(strings.TrimLeft(value, "+-^"), ",")
	var list []string
	switch {
	case value == "":
		return have, nil
	case value[0] == '+':
		list = slices.Concat(have, names)
	case value[0] == '^':
		list = slices.Concat(names, have)
	case value[0] == '-':
		list = slices.DeleteFunc(slices.Clone(have), func(a string) bool {
			return slices.ContainsFunc(names, func(p string) bool { return hostkey.MatchPattern(p, a) })
		})
	default:
		list = names
	}
	list = intersect(list, have)
	if len(list) == 0 {
		return nil, fmt.Errorf("%s %s: %w: kis supports none of these, but %s", directive, safetext.Line(value), ErrUnsupported, strings.Join(have, ","))
	}
	return list, nil
}
