package sshxtest

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/pem"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"

	"github.com/keep-it-simple/kis/internal/testenv/opensshtest"
)

// Key is a user's key pair.
type Key struct {
	Private ed25519.PrivateKey
	Signer  ssh.Signer
	File    string // OpenSSH format, mode 0600
}

// Fingerprint is the fingerprint of the public key.
func (k Key) Fingerprint() string { return ssh.FingerprintSHA256(k.Signer.PublicKey()) }

// Line is the public key as in a .pub file.
func (k Key) Line() string { return string(ssh.MarshalAuthorizedKey(k.Signer.PublicKey())) }

// NewKey generates an ed25519 key and writes it to a file.
func NewKey(t testing.TB) Key {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	signer, err := ssh.NewSignerFromKey(private)
	require.NoError(t, err)
	block, err := ssh.MarshalPrivateKey(private, "test")
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "id_test")
	require.NoError(t, os.WriteFile(file, pem.EncodeToMemory(block), 0o600))
	return Key{private, signer, file}
}

// NewEncryptedKey is NewKey for an encrypted file, with one KDF round instead of the usual sixteen
// or more: each takes a second of a race detector's time.
func NewEncryptedKey(t testing.TB, passphrase string) Key {
	t.Helper()
	file := filepath.Join(t.TempDir(), "id_test")
	opensshtest.Keygen(t, file, "ed25519", "-N", passphrase, "-a", "1")
	require.NoError(t, os.Remove(file+".pub"))
	raw, err := ssh.ParseRawPrivateKeyWithPassphrase([]byte(ReadText(t, file)), []byte(passphrase))
	require.NoError(t, err)
	private, ok := raw.(*ed25519.PrivateKey)
	require.True(t, ok)
	signer, err := ssh.NewSignerFromKey(*private)
	require.NoError(t, err)
	return Key{*private, signer, file}
}

// NewECDSA generates an ECDSA key.
func NewECDSA(t testing.TB) ssh.Signer {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	signer, err := ssh.NewSignerFromKey(private)
	require.NoError(t, err)
	return signer
}

// NewRSA generates an RSA key.
func NewRSA(t testing.TB) ssh.Signer {
	t.Helper()
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	signer, err := ssh.NewSignerFromKey(private)
	require.NoError(t, err)
	return signer
}

// NewCertificate signs a certificate, and returns it with its signer.
func NewCertificate(t testing.TB, authority, signer ssh.Signer, typ uint32, principals ...string) (*ssh.Certificate, ssh.Signer) {
	t.Helper()
	cert := &ssh.Certificate{
		Key: signer.PublicKey(), CertType: typ, ValidPrincipals: principals,
		ValidBefore: ssh.CertTimeInfinity, KeyId: "test",
	}
	require.NoError(t, cert.SignCert(rand.Reader, authority))
	both, err := ssh.NewCertSigner(cert, signer)
	require.NoError(t, err)
	return cert, both
}

// ReadText reads a file.
func ReadText(t testing.TB, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	return string(text)
}
