// Package publickey has what the checks of host keys and the keys of users have in common. A
// certificate counts as the key that it certifies.
package publickey

import (
	"bytes"
	"crypto/rsa"

	"golang.org/x/crypto/ssh"
)

// Plain returns the key itself or, for a certificate, the key that it certifies.
func Plain(k ssh.PublicKey) ssh.PublicKey {
	if cert, ok := k.(*ssh.Certificate); ok {
		return cert.Key
	}
	return k
}

// Fingerprint is the SHA-256 fingerprint of the plain key, as `ssh-keygen -l` prints it.
func Fingerprint(k ssh.PublicKey) string { return ssh.FingerprintSHA256(Plain(k)) }

// Equal reports whether a and b are the same key or the same certificate.
func Equal(a, b ssh.PublicKey) bool { return bytes.Equal(a.Marshal(), b.Marshal()) }

// TypeOf returns the type of the keys that a signature algorithm uses, RFC 8332 section 3.
func TypeOf(algorithm string) string {
	if algorithm == ssh.KeyAlgoRSASHA256 || algorithm == ssh.KeyAlgoRSASHA512 {
		return ssh.KeyAlgoRSA
	}
	return algorithm
}

// ShortRSA returns the size of an RSA key in bits if it has less than the required ones, otherwise
// 0.
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
