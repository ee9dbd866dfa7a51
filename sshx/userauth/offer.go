package userauth

import (
	"io"
	"strings"

	"golang.org/x/crypto/ssh"

	"github.com/keep-it-simple/kis/sshx/internal/publickey"
)

// offer is one key or certificate to offer to the host. It implements ssh.AlgorithmSigner.
type offer struct {
	public     ssh.PublicKey
	signer     ssh.AlgorithmSigner
	source     string   // for messages
	algorithms []string // signature algorithms, in order of preference
	configured bool     // the configuration names the key, so it is never held back

	offered bool  // the host was asked whether it accepts the public key
	signed  bool  // the host accepted it and got a signature
	err     error // the host accepted it and signing failed
}

// PublicKey is the key that the host is asked to accept.
func (o *offer) PublicKey() ssh.PublicKey { return offeredKey{o.public, o} }

// offeredKey records when x/crypto sends the key: it also reads the types of keys that it then
// skips.
type offeredKey struct {
	ssh.PublicKey

	offer *offer
}

// Marshal is called when the host is asked about the key.
func (k offeredKey) Marshal() []byte {
	k.offer.offered = true
	return k.PublicKey.Marshal()
}

// Algorithms keeps x/crypto from SHA-1 signatures, its default for servers that do not list the
// algorithms that they accept.
func (o *offer) Algorithms() []string { return o.algorithms }

// Sign implements ssh.Signer; x/crypto calls SignWithAlgorithm.
func (o *offer) Sign(rand io.Reader, data []byte) (*ssh.Signature, error) {
	return o.SignWithAlgorithm(rand, data, "")
}

// SignWithAlgorithm is called when the host has accepted the public key.
func (o *offer) SignWithAlgorithm(rand io.Reader, data []byte, algorithm string) (*ssh.Signature, error) {
	s, err := o.signer.SignWithAlgorithm(rand, data, algorithm)
	o.signed, o.err = err == nil, err
	return s, err
}

// Algorithms returns the signature algorithms that kis supports for users' keys, without SHA-1, in
// order of preference. Only an agent can sign with sk- keys, which are on FIDO tokens.
func Algorithms() []string {
	return []string{
		ssh.CertAlgoED25519v01, ssh.CertAlgoECDSA256v01, ssh.CertAlgoECDSA384v01, ssh.CertAlgoECDSA521v01,
		ssh.CertAlgoSKED25519v01, ssh.CertAlgoSKECDSA256v01, ssh.CertAlgoRSASHA512v01, ssh.CertAlgoRSASHA256v01,
		ssh.KeyAlgoED25519, ssh.KeyAlgoECDSA256, ssh.KeyAlgoECDSA384, ssh.KeyAlgoECDSA521,
		ssh.KeyAlgoSKED25519, ssh.KeyAlgoSKECDSA256, ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256,
	}
}

// signatureAlgorithms returns the accepted algorithms with which the private key of public can
// sign, RFC 4252 section 7, in the given order. Certificates have algorithm names of their own;
// their keys sign with the plain algorithms.
func signatureAlgorithms(public ssh.PublicKey, accepted []string) []string {
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
