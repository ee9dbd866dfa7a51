package hostkey

import (
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"

	"github.com/keep-it-simple/kis/sshx/internal/publickey"
)

// Algorithms returns the host key algorithms that kis supports, without SHA-1, in OpenSSH's order
// of preference. x/crypto prefers RSA: a host with several keys would then show the one that
// known_hosts usually lacks.
func Algorithms() []string {
	have := ssh.SupportedAlgorithms().HostKeys
	return slices.DeleteFunc([]string{
		ssh.CertAlgoED25519v01, ssh.CertAlgoECDSA256v01, ssh.CertAlgoECDSA384v01, ssh.CertAlgoECDSA521v01,
		ssh.CertAlgoRSASHA512v01, ssh.CertAlgoRSASHA256v01,
		ssh.KeyAlgoED25519, ssh.KeyAlgoECDSA256, ssh.KeyAlgoECDSA384, ssh.KeyAlgoECDSA521,
		ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256,
	}, func(a string) bool { return !slices.Contains(have, a) })
}

// CASignatureAlgorithms returns OpenSSH's default for ssh_config(5) CASignatureAlgorithms: all
// without SHA-1.
func CASignatureAlgorithms() []string { return ssh.SupportedAlgorithms().PublicKeyAuths }

// orderAlgorithms prefers the types for which known_hosts has a key, so that the host shows a key
// that can be compared. A @cert-authority line prefers all certificates, as in ssh, whatever the
// type of the authority's own key. The other types stay in the list: a host that has replaced its
// known key then gets a decision about the new one instead of a failed negotiation.
func (k knownHosts) orderAlgorithms(p Policy) []string {
	if !p.HostKey.IsZero() {
		return p.HostKey.algorithms()
	}
	lookup := p.lookupNames()[0]
	ca := len(k.matching(lookup, "cert-authority")) > 0
	plain := k.matching(lookup, "")
	var first, last []string
	for _, a := range p.HostKeyAlgorithms {
		isCert := strings.Contains(a, "-cert-")
		preferred := isCert && ca || !isCert && slices.ContainsFunc(plain, func(l knownLine) bool {
			return l.key.Type() == publickey.TypeOf(a)
		})
		if preferred {
			first = append(first, a)
		} else {
			last = append(last, a)
		}
	}
	return append(first, last...)
}
