package sshx_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"
)

func newECDSA(t testing.TB) ssh.Signer {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	signer, err := ssh.NewSignerFromKey(private)
	require.NoError(t, err)
	return signer
}

func newRSA(t testing.TB) ssh.Signer {
	t.Helper()
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	signer, err := ssh.NewSignerFromKey(private)
	require.NoError(t, err)
	return signer
}

// newCert has authority sign signer's key.
func newCert(t testing.TB, authority, signer ssh.Signer, typ uint32, principals ...string) (*ssh.Certificate, ssh.Signer) {
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
