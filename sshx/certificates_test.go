package sshx_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"

	"github.com/keep-it-simple/kis/internal/sshtest"
)

func TestCertificatesPrecedeTheirKeys(t *testing.T) {
	t.Parallel()
	authority, k := newKey(t), newKey(t)
	cert, _ := newCert(t, authority.signer, k.signer, ssh.UserCert, "deploy")
	line := ssh.MarshalAuthorizedKey(cert)
	elsewhere := filepath.Join(t.TempDir(), "cert.pub")
	require.NoError(t, os.WriteFile(elsewhere, line, 0o600))
	o := sshtest.Options{UserAuthorities: []ssh.PublicKey{authority.signer.PublicKey()}}

	t.Run("CertificateFile", func(t *testing.T) {
		t.Parallel()
		h := startHost(t, o)
		target := targetOf(t, h, k)
		target.CertificateFiles = []string{elsewhere}
		dial(t, newDialer(t), target)
		assert.Len(t, offered(h), 1)
	})
	t.Run("the neighbor of the key", func(t *testing.T) {
		t.Parallel()
		neighbor := newKey(t)
		cert, _ := newCert(t, authority.signer, neighbor.signer, ssh.UserCert, "deploy")
		require.NoError(t, os.WriteFile(neighbor.file+"-cert.pub", ssh.MarshalAuthorizedKey(cert), 0o600))
		h := startHost(t, o)
		dial(t, newDialer(t), targetOf(t, h, neighbor))
	})
	t.Run("the key is in the agent", func(t *testing.T) {
		t.Parallel()
		h := startHost(t, o)
		target := targetOf(t, h)
		target.CertificateFiles = []string{elsewhere}
		target.IdentitiesOnly = true
		target.IdentityAgent = startAgent(t, agent.AddedKey{PrivateKey: k.private})
		dial(t, newDialer(t), target)
	})
	t.Run("the certificate is in the agent", func(t *testing.T) {
		t.Parallel()
		h := startHost(t, o)
		target := targetOf(t, h)
		target.IdentityAgent = startAgent(t, agent.AddedKey{PrivateKey: k.private, Certificate: cert})
		dial(t, newDialer(t), target)
	})
}
