package userauth

import (
	"strings"

	"golang.org/x/crypto/ssh"

	"github.com/keep-it-simple/kis/sshx/internal/publickey"
)

// Algorithms are the signatures that kis has keys make, none of which rests on
// SHA-1, in order of preference. Those of keys on FIDO tokens are made by an agent.
func Algorithms() []string {
	return []string{
		ssh.CertAlgoED25519v01, ssh.CertAlgoECDSA256v01, ssh.CertAlgoECDSA384v01, ssh.CertAlgoECDSA521v01,
		ssh.CertAlgoSKED25519v01, ssh.CertAlgoSKECDSA256v01, ssh.CertAlgoRSASHA512v01, ssh.CertAlgoRSASHA256v01,
		ssh.KeyAlgoED25519, ssh.KeyAlgoECDSA256, ssh.KeyAlgoECDSA384, ssh.KeyAlgoECDSA521,
		ssh.KeyAlgoSKED25519, ssh.KeyAlgoSKECDSA256, ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256,
	}
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
