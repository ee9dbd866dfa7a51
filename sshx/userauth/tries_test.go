package userauth_test

import (
	"crypto/rand"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"

	"github.com/keep-it-simple/kis/internal/sshtest"
	"github.com/keep-it-simple/kis/internal/testenv/opensshtest"
	"github.com/keep-it-simple/kis/sshx"
	"github.com/keep-it-simple/kis/sshx/internal/sshxtest"
)

// manyKeys are n keys of an agent that no host knows.
func manyKeys(t *testing.T, n int) []agent.AddedKey {
	t.Helper()
	keys := make([]agent.AddedKey, n)
	for i := range keys {
		keys[i].PrivateKey = sshxtest.NewKey(t).Private
	}
	return keys
}

func TestOpenSSHMaxAuthTriesIsReported(t *testing.T) {
	t.Parallel()
	s := opensshtest.Start(t, opensshtest.Options{Config: []string{"MaxAuthTries 3"}})
	target := sshxtest.TargetOn(t, s)
	right := target.IdentityFiles
	target.IdentityFiles, target.IdentityAgent = nil, sshxtest.StartAgent(t, manyKeys(t, 20)...)
	e := authError(t, sshxtest.NewDialer(t), target)
	assert.True(t, e.TooManyTries)
	require.ErrorContains(t, e, "17 more keys not tried")
	require.ErrorContains(t, e, "the host closed the connection after 3 keys (its MaxAuthTries); name the right one with IdentityFile and set IdentitiesOnly yes")

	target.IdentityFiles = right // only in a file: ssh would try the agent's twenty first
	sshxtest.Dial(t, sshxtest.NewDialer(t), target)
}

func TestNamedKeysAreNeverHeldBack(t *testing.T) {
	t.Parallel()
	s := opensshtest.Start(t, opensshtest.Options{Config: []string{"MaxAuthTries 20"}})
	target := sshxtest.TargetOn(t, s)
	right := target.IdentityFiles
	target.IdentityFiles = nil
	for range 8 {
		target.IdentityFiles = append(target.IdentityFiles, sshxtest.NewKey(t).File)
	}
	target.IdentityFiles = append(target.IdentityFiles, right...)
	sshxtest.Dial(t, sshxtest.NewDialer(t), target)
}

func TestKeysLeaveOneTryForAPassword(t *testing.T) {
	t.Parallel()
	h := sshxtest.StartHost(t, sshtest.Options{Password: "secret"})
	target := sshxtest.Target(t, h)
	target.IdentityAgent = sshxtest.StartAgent(t, manyKeys(t, 20)...)
	sshxtest.Dial(t, dialerWith(t, &sshxtest.User{Answers: []string{"secret"}}), target)
	assert.Len(t, offered(h), 5)
}

func TestAnExpiredCertificateIsNamed(t *testing.T) {
	t.Parallel()
	authority, k := sshxtest.NewKey(t), sshxtest.NewKey(t)
	cert := &ssh.Certificate{
		Key: k.Signer.PublicKey(), CertType: ssh.UserCert, ValidPrincipals: []string{"deploy"},
		ValidBefore: uint64(time.Date(2020, 1, 2, 3, 4, 0, 0, time.UTC).Unix()),
	}
	require.NoError(t, cert.SignCert(rand.Reader, authority.Signer))
	require.NoError(t, os.WriteFile(k.File+"-cert.pub", ssh.MarshalAuthorizedKey(cert), 0o600))
	target := sshxtest.Target(t, sshxtest.StartHost(t, sshtest.Options{UserAuthorities: []ssh.PublicKey{authority.Signer.PublicKey()}}), k)
	assert.ErrorContains(t, authError(t, sshxtest.NewDialer(t), target), "certificate: refused (it expired on 2020-01-02 03:04 UTC)")
}

func TestACertificateWithoutItsKeyIsNamed(t *testing.T) {
	t.Parallel()
	authority, k := sshxtest.NewKey(t), sshxtest.NewKey(t)
	cert, _ := sshxtest.NewCertificate(t, authority.Signer, k.Signer, ssh.UserCert, "deploy")
	file := filepath.Join(t.TempDir(), "cert.pub")
	require.NoError(t, os.WriteFile(file, ssh.MarshalAuthorizedKey(cert), 0o600))
	target := sshxtest.Target(t, sshxtest.StartHost(t, sshtest.Options{}))
	target.CertificateFiles = []string{file}
	assert.ErrorContains(t, authError(t, sshxtest.NewDialer(t), target), file+": a certificate whose private key is neither in the agent nor among the identities")
}

// TestKeyFilesAreUsedWhenSSHUsesThem compares what becomes of a login with one key file.
func TestKeyFilesAreUsedWhenSSHUsesThem(t *testing.T) {
	t.Parallel()
	root := os.Geteuid() == 0
	for _, c := range []struct {
		name    string
		change  func(t *testing.T, file string)
		refusal string // of kis; "" means that both log in
	}{
		{"as it should be", func(*testing.T, string) {}, ""},
		{"read-only", func(t *testing.T, file string) { t.Helper(); require.NoError(t, os.Chmod(file, 0o400)) }, ""},
		{"others can read it", func(t *testing.T, file string) { t.Helper(); require.NoError(t, os.Chmod(file, 0o644)) }, ": others can read it (mode 0644); run: chmod 600 "},
		{"the group can read it", func(t *testing.T, file string) { t.Helper(); require.NoError(t, os.Chmod(file, 0o640)) }, ": others can read it (mode 0640); run: chmod 600 "},
		{"somebody else's", func(t *testing.T, file string) {
			t.Helper()
			require.NoError(t, os.Chmod(file, 0o644))
			require.True(t, root, "this test gives a file away: run as root")
			require.NoError(t, os.Chown(file, 65534, 65534))
		}, ""},
		{"missing", func(t *testing.T, file string) { t.Helper(); require.NoError(t, os.Remove(file)) }, ": no such file"},
		{"a folder", func(t *testing.T, file string) {
			t.Helper()
			require.NoError(t, os.Remove(file))
			require.NoError(t, os.Mkdir(file, 0o700))
		}, ": is a directory, not a key"},
		{"not a key", func(t *testing.T, file string) {
			t.Helper()
			require.NoError(t, os.WriteFile(file, []byte("hello"), 0o600))
		}, ": not a private key"},
		{"a device", func(t *testing.T, file string) {
			t.Helper()
			require.NoError(t, os.Remove(file))
			require.NoError(t, os.Symlink("/dev/null", file))
		}, ": is not a regular file"},
	} {
		for _, public := range []string{"with its public half", "alone"} {
			t.Run(c.name+", "+public, func(t *testing.T) {
				t.Parallel()
				s := opensshtest.Start(t, opensshtest.Options{})
				k := sshxtest.NewKey(t)
				require.NoError(t, os.WriteFile(s.UserKey+".pub", []byte(k.Line()), 0o600))
				if public != "alone" {
					require.NoError(t, os.WriteFile(k.File+".pub", []byte(k.Line()), 0o600))
				}
				c.change(t, k.File)
				target := sshxtest.TargetOn(t, s)
				target.IdentityFiles = []string{k.File}

				cmd := exec.CommandContext(sshxtest.Deadline(t), "ssh", "-F", "none", "-o", "BatchMode=yes", "-o", "IdentityAgent=none", "-o", "IdentitiesOnly=yes",
					"-o", "UserKnownHostsFile="+target.UserKnownHostsFiles[0], "-i", k.File, "-p", strconv.Itoa(target.Port), target.User+"@127.0.0.1", "true")
				out, err := cmd.CombinedOutput()
				assert.Equal(t, c.refusal == "", err == nil, "ssh: %s", out)
				if c.refusal == "" {
					sshxtest.Dial(t, sshxtest.NewDialer(t), target)
					return
				}
				assert.ErrorContains(t, authError(t, sshxtest.NewDialer(t), target), k.File+c.refusal)
			})
		}
	}
}

func TestAKeyInTheAgentNeedsNoUsableFile(t *testing.T) {
	t.Parallel()
	k := sshxtest.NewKey(t)
	require.NoError(t, os.WriteFile(k.File+".pub", []byte(k.Line()), 0o600))
	require.NoError(t, os.Chmod(k.File, 0o644))
	target := sshxtest.Target(t, sshxtest.StartHost(t, sshtest.Options{}, k), k)
	target.IdentitiesOnly, target.IdentityAgent = true, sshxtest.StartAgent(t, agent.AddedKey{PrivateKey: k.Private})
	sshxtest.Dial(t, sshxtest.NewDialer(t), target)
}

func TestErrorNamesKeysExcludedByPubkeyAcceptedAlgorithms(t *testing.T) {
	t.Parallel()
	k := sshxtest.NewKey(t)
	target := sshxtest.Target(t, sshxtest.StartHost(t, sshtest.Options{}, k), k)
	target.PubkeyAcceptedAlgorithms = []string{"ecdsa-sha2-nistp256"}
	var e *sshx.AuthError
	_, err := sshxtest.NewDialer(t).Dial(sshxtest.Deadline(t), target)
	require.ErrorAs(t, err, &e)
	assert.ErrorContains(t, e, "from "+k.File+": excluded by PubkeyAcceptedAlgorithms")
}
