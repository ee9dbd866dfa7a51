package userauth

import (
	"io"

	"golang.org/x/crypto/ssh"
)

// offer is one key or certificate that a host is asked to accept.
type offer struct {
	public     ssh.PublicKey
	signer     ssh.AlgorithmSigner
	label      string   // where it comes from, for the account
	algorithms []string // signatures it may make, best first
	named      bool     // the configuration names it, so it is never held back

	shown  bool  // the host was asked whether it accepts the public half
	signed bool  // it did, and got a signature
	failed error // it did, and signing failed
}

// PublicKey is what the host is asked to accept.
func (o *offer) PublicKey() ssh.PublicKey { return offeredKey{o.public, o} }

// offeredKey notes when the key goes to the host: x/crypto looks at the types of
// keys too that it then leaves out.
type offeredKey struct {
	ssh.PublicKey

	offer *offer
}

// Marshal is called for the question to the host.
func (k offeredKey) Marshal() []byte {
	k.offer.shown = true
	return k.PublicKey.Marshal()
}

// Algorithms keeps x/crypto from SHA-1 signatures, which it would fall back to
// with servers that do not list what they accept.
func (o *offer) Algorithms() []string { return o.algorithms }

// Sign is there for the ssh.Signer interface; x/crypto calls SignWithAlgorithm.
func (o *offer) Sign(rand io.Reader, data []byte) (*ssh.Signature, error) {
	return o.SignWithAlgorithm(rand, data, "")
}

// SignWithAlgorithm is called once the host has accepted the public half.
func (o *offer) SignWithAlgorithm(rand io.Reader, data []byte, algorithm string) (*ssh.Signature, error) {
	s, err := o.signer.SignWithAlgorithm(rand, data, algorithm)
	o.signed, o.failed = err == nil, err
	return s, err
}
