package config

import (
	"fmt"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"

	"github.com/keep-it-simple/kis/internal/safetext"
	"github.com/keep-it-simple/kis/sshx/hostkey"
	"github.com/keep-it-simple/kis/sshx/userauth"
)

// algorithms is what a connection may negotiate, in order of preference.
type algorithms struct {
	hostKeys, userKeys, kex, ciphers, macs []string
}

// supported is what x/crypto implements without SHA-1 signatures, DSA and
// broken ciphers. Its own defaults still contain them, so they are never used.
func supported() algorithms {
	s := ssh.SupportedAlgorithms()
	return algorithms{hostKeys: hostkey.Algorithms(), userKeys: userauth.Algorithms(), kex: s.KeyExchanges, ciphers: s.Ciphers, macs: s.MACs}
}

// Supported leaves t only algorithms that kis implements; an empty list becomes
// all of them, because x/crypto would take one for its own, weaker defaults.
func (t Target) Supported() Target {
	have := supported()
	for _, l := range []struct {
		list *[]string
		have []string
	}{
		{&t.HostKeyAlgorithms, have.hostKeys},
		{&t.PubkeyAcceptedAlgorithms, have.userKeys},
		{&t.KexAlgorithms, have.kex},
		{&t.Ciphers, have.ciphers},
		{&t.MACs, have.macs},
		{&t.CASignatureAlgorithms, hostkey.CASignatureAlgorithms()},
	} {
		if *l.list = intersect(*l.list, l.have); len(*l.list) == 0 {
			*l.list = l.have
		}
	}
	return t
}

// intersect keeps the elements of wanted that are in have, in wanted's order.
func intersect(wanted, have []string) []string {
	var both []string
	for _, w := range wanted {
		if slices.Contains(have, w) && !slices.Contains(both, w) {
			both = append(both, w)
		}
	}
	return both
}

// adjust applies ssh_config(5)'s spellings of an algorithm list to the default:
// "a,b" replaces it, "+a" appends, "^a" puts in front, "-a*" removes by pattern.
// The result holds supported names only.
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
		return nil, fmt.Errorf("%s %s: %w: kis implements none of these; it has %s", directive, safetext.Line(value), ErrUnsupported, strings.Join(have, ","))
	}
	return list, nil
}
