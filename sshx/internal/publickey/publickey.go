// Package publickey has what is the same for the keys of hosts and of users: a certificate stands
// for the key that it certifies.
package publickey

import (
	"bytes"
	"crypto/rsa"

	"golang.org/x/crypto/ssh"
)

// Plain is the key itself, or the one that a certificate certifies.
func Plain(k ssh.PublicKey) ssh.PublicKey {
	if cert, ok := k.(*ssh.Certificate); ok {
		return cert.Key
	}
	return k
}

// Fingerprint is what `ssh-keygen -l` prints, for a certificate that of its key.
func Fingerprint(k ssh.PublicKey) string { return ssh.FingerprintSHA256(Plain(k)) }

// Equal reports whether a and b are the same key or the same certificate.
func Equal(a, b ssh.PublicKey) bool { return bytes.Equal(a.Marshal(), b.Marshal()) }

// TypeOf is the type of the keys that an algorithm signs with, RFC 8332 section 3.
func TypeOf(algorithm string) string {
	if algorithm == ssh.KeyAlgoRSASHA256 || algorithm == ssh.KeyAlgoRSASHA512 {
		return ssh.KeyAlgoRSA
	}
	return algorithm
}

// ShortRSA returns the size of an RSA key in bits if it has less than the required ones, otherwise 0.
func ShortRSA(k ssh.PublicKey, required int) int {
	holder, ok := Plain(k).(ssh.CryptoPublicKey)
	if !ok {
		return 0
	}
	public, ok := holder.CryptoPublicKey().(*rsa.PublicKey)
	if !ok || public.N.BitLen() >= required {
		return 0
	}
	return public.N.BitLen()
}
