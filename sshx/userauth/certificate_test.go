package userauth_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"

	"github.com/keep-it-simple/kis/internal/sshtest"
	"github.com/keep-it-simple/kis/sshx/internal/sshxtest"
)

func TestCertificatesPrecedeTheirKeys(t *testing.T) {
	t.Parallel()
	authority, k := sshxtest.NewKey(t), sshxtest.NewKey(t)
	cert, _ := sshxtest.NewCertificate(t, authority.Signer, k.Signer, ssh.UserCert, "deploy")
	line := ssh.MarshalAuthorizedKey(cert)
	elsewhere := filepath.Join(t.TempDir(), "cert.pub")
	require.NoError(t, os.WriteFile(elsewhere, line, 0o600))
	o := sshtest.Options{UserAuthorities: []ssh.PublicKey{authority.Signer.PublicKey()}}

	t.Run("CertificateFile", func(t *testing.T) {
		t.Parallel()
		h := sshxtest.StartHost(t, o)
		target := sshxtest.Target(t, h, k)
		target.CertificateFiles = []string{elsewhere}
		sshxtest.Dial(t, sshxtest.NewDialer(t), target)
		assert.Len(t, offered(h), 1)
	})
	t.Run("the neighbor of the key", func(t *testing.T) {
		t.Parallel()
		neighbor := sshxtest.NewKey(t)
		cert, _ := sshxtest.NewCertificate(t, authority.Signer, neighbor.Signer, ssh.UserCert, "deploy")
		require.NoError(t, os.WriteFile(neighbor.File+"-cert.pub", ssh.MarshalAuthorizedKey(cert), 0o600))
		h := sshxtest.StartHost(t, o)
		sshxtest.Dial(t, sshxtest.NewDialer(t), sshxtest.Target(t, h, neighbor))
	})
	t.Run("the key is in the agent", func(t *testing.T) {
		t.Parallel()
		h := sshxtest.StartHost(t, o)
		target := sshxtest.Target(t, h)
		target.CertificateFiles = []string{elsewhere}
		target.IdentitiesOnly = true
		target.IdentityAgent = sshxtest.StartAgent(t, agent.AddedKey{PrivateKey: k.Private})
		sshxtest.Dial(t, sshxtest.NewDialer(t), target)
	})
	t.Run("the certificate is in the agent", func(t *testing.T) {
		t.Parallel()
		h := sshxtest.StartHost(t, o)
		target := sshxtest.Target(t, h)
		target.IdentityAgent = sshxtest.StartAgent(t, agent.AddedKey{PrivateKey: k.Private, Certificate: cert})
		sshxtest.Dial(t, sshxtest.NewDialer(t), target)
	})
}
