package hostkey_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"

	"github.com/keep-it-simple/kis/internal/sshtest"
	"github.com/keep-it-simple/kis/sshx"
	"github.com/keep-it-simple/kis/sshx/hostkey"
	"github.com/keep-it-simple/kis/sshx/internal/sshxtest"
)

// Whatever is wrong with the key, and whatever way leads to the host, the host learns neither a
// user name nor a public key.
func TestAHostWithAWrongKeyGetsNoCredentials(t *testing.T) {
	t.Parallel()
	k, other := sshxtest.NewKey(t), sshxtest.NewKey(t)
	bastion := sshxtest.StartHost(t, sshtest.Options{Forward: true}, k)
	for name, change := range map[string]func(*sshx.Target, *sshtest.Host){
		"unknown": func(target *sshx.Target, _ *sshtest.Host) { target.UserKnownHostsFiles = nil },
		"changed": func(target *sshx.Target, h *sshtest.Host) {
			target.UserKnownHostsFiles = []string{sshxtest.KnownHosts(t, fmt.Sprintf("[127.0.0.1]:%d %s", h.Port(), other.Line()))}
		},
		"revoked": func(target *sshx.Target, h *sshtest.Host) {
			target.UserKnownHostsFiles = []string{sshxtest.KnownHosts(t, h.KnownHostsLine(), "@revoked "+h.KnownHostsLine())}
		},
		"pinned": func(target *sshx.Target, _ *sshtest.Host) {
			target.HostKey = hostkey.Pin{Fingerprint: other.Fingerprint()}
		},
		"through a hop": func(target *sshx.Target, _ *sshtest.Host) {
			target.UserKnownHostsFiles, target.Jump = nil, []sshx.Target{sshxtest.Target(t, bastion, k)}
		},
		"through a command": func(target *sshx.Target, h *sshtest.Host) {
			target.UserKnownHostsFiles, target.ProxyCommand = nil, []string{sshxtest.RelayScript(t), fmt.Sprint(h.Port())}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := sshxtest.StartHost(t, sshtest.Options{Password: "secret"}, k)
			target := sshxtest.Target(t, h, k)
			change(&target, h)
			d := sshxtest.NewDialer(t)
			p := &sshxtest.User{Answers: []string{"secret"}}
			d.Prompt = p.Prompt
			_, err := d.Dial(sshxtest.Deadline(t), target)
			var e *sshx.HostKeyError
			require.ErrorAs(t, err, &e)
			assert.Empty(t, h.Record().Auths)
			assert.Empty(t, p.Questions())
			assert.Equal(t, 1, h.Record().Connections)
		})
	}
}

func TestShortRSAHostKeysAreRefusedBeforeAuthentication(t *testing.T) {
	t.Parallel()
	k := sshxtest.NewKey(t)
	h := sshxtest.StartHost(t, sshtest.Options{HostKeys: []ssh.Signer{sshxtest.NewRSA(t)}}, k) // 2048 bits
	target := sshxtest.Target(t, h, k)
	sshxtest.Dial(t, sshxtest.NewDialer(t), target)
	before := len(h.Record().Auths)
	target.RequiredRSASize = 3072
	_, err := sshxtest.NewDialer(t).Dial(sshxtest.Deadline(t), target)
	require.ErrorContains(t, err, "its RSA key has 2048 bits, and RequiredRSASize is 3072")
	assert.Len(t, h.Record().Auths, before)
	assert.Equal(t, 2, h.Record().Connections)
}

func TestAuthoritySignaturesAreThoseOfTheConfiguration(t *testing.T) {
	t.Parallel()
	host := certifiedHost(t, "127.0.0.1") // by an ed25519 authority
	for algorithms, want := range map[string]string{"ssh-ed25519": "ok", "rsa-sha2-512": "unknown"} {
		theirs, ours := byConfig(t, host.Server, fmt.Sprintf(" UserKnownHostsFile %s\n StrictHostKeyChecking yes\n CASignatureAlgorithms %s\n",
			sshxtest.KnownHosts(t, host.fill(t, []string{"@cert-authority * CA"})...), algorithms))
		assert.Equal(t, want, ours)
		assert.Equal(t, theirs, ours)
	}
}
