package sshx

import (
	"fmt"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"

	"github.com/keep-it-simple/kis/internal/safetext"
	"github.com/keep-it-simple/kis/sshx/hostkey"
	"github.com/keep-it-simple/kis/sshx/internal/publickey"
)

// algorithms is what a connection may negotiate, in order of preference.
type algorithms struct {
	hostKeys, userKeys, kex, ciphers, macs []string
}

// supported is what x/crypto implements without SHA-1 signatures, DSA and
// broken ciphers. Its own defaults still contain them, so they are never used.
// The user's keys include those on FIDO tokens, which an agent signs with.
func supported() algorithms {
	s := ssh.SupportedAlgorithms()
	users := []string{
		ssh.CertAlgoED25519v01, ssh.CertAlgoECDSA256v01, ssh.CertAlgoECDSA384v01, ssh.CertAlgoECDSA521v01,
		ssh.CertAlgoSKED25519v01, ssh.CertAlgoSKECDSA256v01, ssh.CertAlgoRSASHA512v01, ssh.CertAlgoRSASHA256v01,
		ssh.KeyAlgoED25519, ssh.KeyAlgoECDSA256, ssh.KeyAlgoECDSA384, ssh.KeyAlgoECDSA521,
		ssh.KeyAlgoSKED25519, ssh.KeyAlgoSKECDSA256, ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256,
	}
	return algorithms{hostKeys: hostkey.Algorithms(), userKeys: users, kex: s.KeyExchanges, ciphers: s.Ciphers, macs: s.MACs}
}

// restrict leaves t only algorithms that kis implements; an empty list becomes
// all of them, because x/crypto would take one for its own, weaker defaults.
func (t Target) restrict() Target {
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

// signatures lists the algorithms of RFC 4252 7 with which a private key may
// sign for public, out of the accepted ones and in their order. Certificates
// have algorithm names of their own; their keys sign with the plain ones.
func signatures(public ssh.PublicKey, accepted []string) []string {
	var all []string
	for _, a := range accepted {
		plain, isCert := strings.CutSuffix(a, "-cert-v01@openssh.com")
		if isCert && strings.HasPrefix(plain, "sk-") {
			plain += "@openssh.com"
		}
		if isCert == isCertificate(public) && publickey.TypeOf(plain) == publickey.Plain(public).Type() {
			all = append(all, plain)
		}
	}
	return all
}
