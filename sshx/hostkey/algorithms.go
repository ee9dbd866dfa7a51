package hostkey

import (
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"

	"github.com/keep-it-simple/kis/sshx/internal/publickey"
)

// Algorithms are the host key algorithms that kis implements, none of which
// rests on SHA-1, in OpenSSH's order: with RSA first, as x/crypto has it, a host
// with two keys would show the one that known_hosts mostly lacks.
func Algorithms() []string {
	have := ssh.SupportedAlgorithms().HostKeys
	return slices.DeleteFunc([]string{
		ssh.CertAlgoED25519v01, ssh.CertAlgoECDSA256v01, ssh.CertAlgoECDSA384v01, ssh.CertAlgoECDSA521v01,
		ssh.CertAlgoRSASHA512v01, ssh.CertAlgoRSASHA256v01,
		ssh.KeyAlgoED25519, ssh.KeyAlgoECDSA256, ssh.KeyAlgoECDSA384, ssh.KeyAlgoECDSA521,
		ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256,
	}, func(a string) bool { return !slices.Contains(have, a) })
}

// CASignatureAlgorithms are the algorithms with which an authority may have
// signed a host certificate: those without SHA-1, as ssh has them by default.
func CASignatureAlgorithms() []string { return ssh.SupportedAlgorithms().PublicKeyAuths }

// orderAlgorithms puts the types first for which known_hosts has a key, so that
// the host shows a key that can be compared: all certificates when a
// @cert-authority line matches, as ssh does, whatever the authority's own type.
// The others stay in the list; a host that lost a known key then gets a
// decision about its new one instead of a failed negotiation.
func (k knownHosts) orderAlgorithms(p Policy) []string {
	if !p.Pin.IsZero() {
		return p.Pin.algorithms()
	}
	lookup := p.lookupNames()[0]
	ca := len(k.matching(lookup, "cert-authority")) > 0
	plain := k.matching(lookup, "")
	var first, last []string
	for _, a := range p.Algorithms {
		isCert := strings.Contains(a, "-cert-")
		hit := isCert && ca || !isCert && slices.ContainsFunc(plain, func(l knownLine) bool {
			return l.key.Type() == publickey.TypeOf(a)
		})
		if hit {
			first = append(first, a)
		} else {
			last = append(last, a)
		}
	}
	return append(first, last...)
}
