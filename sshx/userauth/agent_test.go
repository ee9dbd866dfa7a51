package userauth_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/pem"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"

	"github.com/keep-it-simple/kis/internal/sshtest"
	"github.com/keep-it-simple/kis/internal/testenv/opensshtest"
	"github.com/keep-it-simple/kis/sshx/internal/sshxtest"
)

// stuck is an agent that does not answer until it is released.
type stuck struct {
	agent.ExtendedAgent

	list, sign <-chan struct{} // nil: answers at once
	lists      atomic.Int32
}

func wait(c <-chan struct{}) {
	if c != nil {
		<-c
	}
}

// List is asked for first.
func (s *stuck) List() ([]*agent.Key, error) {
	s.lists.Add(1)
	wait(s.list)
	return s.ExtendedAgent.List()
}

func (s *stuck) SignWithFlags(k ssh.PublicKey, data []byte, flags agent.SignatureFlags) (*ssh.Signature, error) {
	wait(s.sign)
	return s.ExtendedAgent.SignWithFlags(k, data, flags)
}

// keyringOf is an agent that can be put into a stuck one.
func keyringOf(t testing.TB, keys ...agent.AddedKey) agent.ExtendedAgent {
	t.Helper()
	ring, ok := agent.NewKeyring().(agent.ExtendedAgent)
	require.True(t, ok)
	for _, k := range keys {
		require.NoError(t, ring.Add(k))
	}
	return ring
}

func TestAnAgentThatHangsIsWaitedForOnce(t *testing.T) {
	t.Parallel()
	file := sshxtest.NewKey(t)
	never := make(chan struct{})
	a := &stuck{ExtendedAgent: keyringOf(t), list: never}
	socket := sshxtest.ServeAgent(t, a)
	t.Cleanup(func() { close(never) })
	d := sshxtest.NewDialer(t)
	d.AgentTimeout = 100 * time.Millisecond
	for range 3 {
		target := sshxtest.Target(t, sshxtest.StartHost(t, sshtest.Options{}, file), file)
		target.IdentityAgent = socket
		sshxtest.Dial(t, d, target)
	}
	assert.EqualValues(t, 1, a.lists.Load())

	target := sshxtest.Target(t, sshxtest.StartHost(t, sshtest.Options{}))
	target.IdentityAgent = socket
	assert.ErrorContains(t, authError(t, d, target), "agent "+socket+": no answer within 0.1 s")
}

func TestAnAgentThatHangsWhileSigningLeavesTheOtherKeys(t *testing.T) {
	t.Parallel()
	held, file := sshxtest.NewKey(t), sshxtest.NewKey(t)
	never := make(chan struct{})
	socket := sshxtest.ServeAgent(t, &stuck{ExtendedAgent: keyringOf(t, agent.AddedKey{PrivateKey: held.Private}), sign: never})
	t.Cleanup(func() { close(never) })
	h := sshxtest.StartHost(t, sshtest.Options{}, held, file)
	d := sshxtest.NewDialer(t)
	d.AgentTimeout = 2 * time.Second

	target := sshxtest.Target(t, h, file)
	target.IdentityAgent, target.DefaultIdentities = socket, true
	assert.Equal(t, file.Fingerprint(), sshxtest.Dial(t, d, target).AuthKey())

	target.IdentityFiles = nil
	assert.ErrorContains(t, authError(t, d, target), "from agent: signing failed: agent "+socket+": no signature within 2 s")
}

func TestTheHostIsNotBlamedForASlowAgent(t *testing.T) {
	t.Parallel()
	held := sshxtest.NewKey(t)
	later := make(chan struct{})
	time.AfterFunc(2500*time.Millisecond, func() { close(later) })
	h := sshxtest.StartHost(t, sshtest.Options{}, held)
	d := sshxtest.NewDialer(t)
	d.HandshakeTimeout = 2 * time.Second
	target := sshxtest.Target(t, h)
	target.IdentityAgent = sshxtest.ServeAgent(t, &stuck{ExtendedAgent: keyringOf(t, agent.AddedKey{PrivateKey: held.Private}), list: later})
	sshxtest.Dial(t, d, target)
}

func TestErrorNamesASocketWithoutAnAgent(t *testing.T) {
	t.Parallel()
	stale := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(stale, nil, 0o600))
	target := sshxtest.Target(t, sshxtest.StartHost(t, sshtest.Options{}))
	target.IdentityAgent = stale
	assert.ErrorContains(t, authError(t, sshxtest.NewDialer(t), target), "agent "+stale+": cannot connect")
}

// token is an agent that holds one FIDO key, as ssh-agent does once ssh-add has added a
// token. now is how many signatures are made at the same time.
type token struct {
	agent.ExtendedAgent

	private   ed25519.PrivateKey
	now, most atomic.Int32
}

func newToken(t testing.TB) *token {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	return &token{ExtendedAgent: keyringOf(t), private: private}
}

const fidoType, fidoApplication = "sk-ssh-ed25519@openssh.com", "ssh:"

// blob is the public key, PROTOCOL.u2f.
func (k *token) blob() []byte {
	public, _ := k.private.Public().(ed25519.PublicKey)
	return ssh.Marshal(struct {
		Type        string
		Key         []byte
		Application string
	}{fidoType, public, fidoApplication})
}

func (k *token) line(t testing.TB) string {
	t.Helper()
	public, err := ssh.ParsePublicKey(k.blob())
	require.NoError(t, err)
	return string(ssh.MarshalAuthorizedKey(public))
}

// List has the one key.
func (k *token) List() ([]*agent.Key, error) {
	return []*agent.Key{{Format: fidoType, Blob: k.blob(), Comment: "yubikey\x1b[2J"}}, nil
}

// SignWithFlags signs what a token signs, PROTOCOL.u2f: hashes, flags and a counter.
func (k *token) SignWithFlags(key ssh.PublicKey, data []byte, _ agent.SignatureFlags) (*ssh.Signature, error) {
	return k.Sign(key, data)
}

func (k *token) Sign(_ ssh.PublicKey, data []byte) (*ssh.Signature, error) {
	for n := k.now.Add(1); n > k.most.Load(); {
		k.most.Store(n)
	}
	<-time.After(20 * time.Millisecond) // so that signatures at the same time would meet
	defer k.now.Add(-1)
	const present, counter = "\x01", "\x00\x00\x00\x07"
	application, message := sha256.Sum256([]byte(fidoApplication)), sha256.Sum256(data)
	signed := append(append(application[:], present+counter...), message[:]...)
	return &ssh.Signature{Format: fidoType, Blob: ed25519.Sign(k.private, signed), Rest: []byte(present + counter)}, nil
}

// keyFile writes the private file that ssh-keygen -t ed25519-sk would: it holds no secret that
// could sign.
func (k *token) keyFile(t testing.TB) string {
	t.Helper()
	body := append([]byte("openssh-key-v1\x00"), ssh.Marshal(struct {
		Cipher, KDF, Options string
		Keys                 uint32
		Public, Private      []byte
	}{"none", "none", "", 1, k.blob(), []byte("a handle")})...)
	file := filepath.Join(t.TempDir(), "id_ed25519_sk")
	require.NoError(t, os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "OPENSSH PRIVATE KEY", Bytes: body}), 0o600))
	return file
}

func TestOpenSSHTakesFIDOKeysOfAnAgentOneTouchAtATime(t *testing.T) {
	t.Parallel()
	k := newToken(t)
	s := opensshtest.Start(t, opensshtest.Options{})
	require.NoError(t, os.WriteFile(s.UserKey+".pub", []byte(k.line(t)), 0o600))
	target := sshxtest.TargetOn(t, s)
	target.IdentityFiles, target.IdentitiesOnly = []string{k.keyFile(t)}, true
	target.IdentityAgent = sshxtest.ServeAgent(t, k)
	d := sshxtest.NewDialer(t)
	errs := make(chan error, 4)
	for range cap(errs) {
		go func() { // counted below
			c, err := d.Dial(sshxtest.Deadline(t), target)
			if err == nil {
				err = c.Close()
			}
			errs <- err
		}()
	}
	for range cap(errs) {
		require.NoError(t, <-errs)
	}
	assert.EqualValues(t, 1, k.most.Load())
}

func TestAFIDOKeyFileWithoutItsAgentIsNamed(t *testing.T) {
	t.Parallel()
	file := newToken(t).keyFile(t)
	target := sshxtest.Target(t, sshxtest.StartHost(t, sshtest.Options{}))
	target.IdentityFiles = []string{file}
	assert.ErrorContains(t, authError(t, sshxtest.NewDialer(t), target), file+": a FIDO key (sk-ssh-ed25519@openssh.com), with which kis can sign through an agent only; run: ssh-add "+file)
}

func TestCommentsOfAgentKeysAreSafeToPrint(t *testing.T) {
	t.Parallel()
	target := sshxtest.Target(t, sshxtest.StartHost(t, sshtest.Options{}))
	target.IdentityAgent = sshxtest.ServeAgent(t, newToken(t))
	assert.ErrorContains(t, authError(t, sshxtest.NewDialer(t), target), `from agent (yubikey\x1b[2J): refused`)
}

func TestOpenSSHTakesRSAKeysFromEverywhere(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	k, ca := filepath.Join(dir, "id_rsa"), filepath.Join(dir, "ca")
	opensshtest.Keygen(t, k, "rsa")
	opensshtest.Keygen(t, ca, "rsa")
	private := privateKey(t, k)
	public := sshxtest.ReadText(t, k+".pub")
	opensshtest.Run(t, "ssh-keygen", "-q", "-s", ca, "-I", "test", "-n", opensshtest.Start(t, opensshtest.Options{}).User, k+".pub")
	cert := certificateIn(t, k+"-cert.pub")
	require.NoError(t, os.Rename(k+"-cert.pub", filepath.Join(dir, "cert.pub")))
	for _, c := range []struct {
		name, accepted string
		held           []agent.AddedKey
		files, certs   []string
		certOnly       bool
	}{
		{"file, SHA-512", "rsa-sha2-512", nil, []string{k}, nil, false},
		{"file, SHA-256", "rsa-sha2-256", nil, []string{k}, nil, false},
		{"agent, SHA-512", "rsa-sha2-512", []agent.AddedKey{{PrivateKey: private}}, nil, nil, false},
		{"agent, SHA-256", "rsa-sha2-256", []agent.AddedKey{{PrivateKey: private}}, nil, nil, false},
		{"certificate, key in a file", "rsa-sha2-512-cert-v01@openssh.com", nil, []string{k}, []string{filepath.Join(dir, "cert.pub")}, true},
		{"certificate, key in the agent", "rsa-sha2-256-cert-v01@openssh.com", []agent.AddedKey{{PrivateKey: private}}, nil, []string{filepath.Join(dir, "cert.pub")}, true},
		{"certificate in the agent", "rsa-sha2-512-cert-v01@openssh.com", []agent.AddedKey{{PrivateKey: private, Certificate: cert}}, nil, nil, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := opensshtest.Start(t, opensshtest.Options{Config: []string{"PubkeyAcceptedAlgorithms " + c.accepted, "TrustedUserCAKeys " + ca + ".pub", "LogLevel DEBUG"}})
			if !c.certOnly {
				require.NoError(t, os.WriteFile(s.UserKey+".pub", []byte(public), 0o600))
			}
			target := sshxtest.TargetOn(t, s)
			target.IdentityFiles, target.CertificateFiles = c.files, c.certs
			// This sshd tells clients of SHA-512 even when it does not accept it; ssh needs to be
			// told too.
			target.PubkeyAcceptedAlgorithms = []string{c.accepted}
			if c.held != nil {
				target.IdentityAgent = sshxtest.StartAgent(t, c.held...)
			}
			sshxtest.Dial(t, sshxtest.NewDialer(t), target)
		})
	}
}

func TestOpenSSHsAgentServes(t *testing.T) {
	t.Parallel()
	s := opensshtest.Start(t, opensshtest.Options{})
	socket := sshxtest.StartSSHAgent(t)
	opensshtest.Run(t, "env", "SSH_AUTH_SOCK="+socket, "ssh-add", "-q", s.UserKey)
	target := sshxtest.TargetOn(t, s)
	target.IdentityFiles, target.IdentityAgent = nil, socket
	sshxtest.Dial(t, sshxtest.NewDialer(t), target)

	opensshtest.Run(t, "env", "SSH_AUTH_SOCK="+socket, "ssh-add", "-q", "-D")
	e := authError(t, sshxtest.NewDialer(t), target)
	assert.ErrorContains(t, e, "agent "+socket+": holds no keys")
}
