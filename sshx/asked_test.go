package sshx_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"

	"github.com/keep-it-simple/kis/internal/sshtest"
	"github.com/keep-it-simple/kis/sshx"
	"github.com/keep-it-simple/kis/sshx/hostkey"
)

// A configuration that makes ssh forward everything makes kis forward nothing.
func TestNoConfigurationMakesKisAskTheHostForMore(t *testing.T) {
	t.Parallel()
	k := newKey(t)
	h := startHost(t, sshtest.Options{Forward: true, Faults: sshtest.Faults{OpenChannels: []string{"auth-agent@openssh.com", "x11", "forwarded-tcpip", "tun@openssh.com"}}}, k)
	local := filepath.Join(t.TempDir(), "local")
	withSSH, without := resolvers(t, fmt.Sprintf(`Host web1
 HostName 127.0.0.1
 Port %d
 User deploy
 IdentityFile %s
 IdentityAgent none
 UserKnownHostsFile %s
 ForwardAgent yes
 ForwardX11 yes
 ForwardX11Trusted yes
 LocalForward 127.0.0.1:1 127.0.0.1:2
 RemoteForward 127.0.0.1:3 127.0.0.1:4
 DynamicForward 127.0.0.1:5
 Tunnel yes
 RequestTTY force
 SendEnv *
 SetEnv SECRET=canary
 RemoteCommand touch %s
 PermitLocalCommand yes
 LocalCommand touch %s
`, h.Port(), k.file, knownHosts(t, h.KnownHostsLine()), local, local))
	for i, r := range []sshx.Resolver{withSSH, without} {
		target, err := r.Resolve(t.Context(), sshx.Host{Name: "web1"})
		require.NoError(t, err)
		c := dial(t, newDialer(t), target)
		_, _, err = sh(t, c, "exit 0")
		require.NoError(t, err)
		s, err := c.SFTP(deadline(t))
		require.NoError(t, err)
		require.NoError(t, s.Close())
		require.Eventually(t, func() bool { return len(h.Record().Opened) == 4*(i+1) }, 10*tick, tick/200)
	}
	r := h.Record()
	assert.Equal(t, []string{"session", "session", "session", "session"}, r.Channels)
	assert.Equal(t, []string{"exec", "subsystem", "exec", "subsystem"}, r.Requests)
	assert.Equal(t, []string{"exec /bin/sh -s", "exec /bin/sh -s"}, r.Execs)
	assert.Subset(t, []string{"keepalive@openssh.com"}, r.Globals)
	for _, o := range r.Opened {
		assert.False(t, o.Accepted, o.Type)
	}
	assert.NoFileExists(t, local)
	_, err := os.Stat(filepath.Join(h.Home(), "local"))
	require.ErrorIs(t, err, os.ErrNotExist)
}

// Whatever is wrong with the key, and whatever way leads to the host, the host
// learns neither a user name nor a public key.
func TestAHostWithAWrongKeyIsToldNothing(t *testing.T) {
	t.Parallel()
	k, other := newKey(t), newKey(t)
	bastion := startHost(t, sshtest.Options{Forward: true}, k)
	for name, change := range map[string]func(*sshx.Target, *sshtest.Host){
		"unknown": func(target *sshx.Target, _ *sshtest.Host) { target.UserKnownHostsFiles = nil },
		"changed": func(target *sshx.Target, h *sshtest.Host) {
			target.UserKnownHostsFiles = []string{knownHosts(t, fmt.Sprintf("[127.0.0.1]:%d %s", h.Port(), other.line()))}
		},
		"revoked": func(target *sshx.Target, h *sshtest.Host) {
			target.UserKnownHostsFiles = []string{knownHosts(t, h.KnownHostsLine(), "@revoked "+h.KnownHostsLine())}
		},
		"pinned": func(target *sshx.Target, _ *sshtest.Host) {
			target.HostKey = hostkey.Pin{Fingerprint: other.fingerprint()}
		},
		"through a hop": func(target *sshx.Target, _ *sshtest.Host) {
			target.UserKnownHostsFiles, target.Jump = nil, []sshx.Target{targetOf(t, bastion, k)}
		},
		"through a command": func(target *sshx.Target, h *sshtest.Host) {
			target.UserKnownHostsFiles, target.ProxyCommand = nil, []string{script(t, relayScript), fmt.Sprint(h.Port())}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := startHost(t, sshtest.Options{Password: "secret"}, k)
			target := targetOf(t, h, k)
			change(&target, h)
			d := newDialer(t)
			p := &person{answers: []string{"secret"}}
			d.Prompt = p.prompt
			_, err := d.Dial(deadline(t), target)
			var e *sshx.HostKeyError
			require.ErrorAs(t, err, &e)
			assert.Empty(t, h.Record().Auths)
			assert.Empty(t, p.questions())
			assert.Equal(t, 1, h.Record().Connections)
		})
	}
}

func TestShortRSAHostKeysAreRefusedBeforeAuthentication(t *testing.T) {
	t.Parallel()
	k := newKey(t)
	h := startHost(t, sshtest.Options{HostKeys: []ssh.Signer{newRSA(t)}}, k) // 2048 bits
	target := targetOf(t, h, k)
	dial(t, newDialer(t), target)
	before := len(h.Record().Auths)
	target.RequiredRSASize = 3072
	_, err := newDialer(t).Dial(deadline(t), target)
	require.ErrorContains(t, err, "its RSA key has 2048 bits, and RequiredRSASize is 3072")
	assert.Len(t, h.Record().Auths, before)
	assert.Equal(t, 2, h.Record().Connections)
}

func TestAuthoritySignaturesAreThoseOfTheConfiguration(t *testing.T) {
	t.Parallel()
	host := certifiedHost(t, "127.0.0.1") // by an ed25519 authority
	for algorithms, want := range map[string]string{"ssh-ed25519": "ok", "rsa-sha2-512": "unknown"} {
		theirs, ours := byConfig(t, host.Server, fmt.Sprintf(" UserKnownHostsFile %s\n StrictHostKeyChecking yes\n CASignatureAlgorithms %s\n",
			knownHosts(t, host.fill(t, []string{"@cert-authority * CA"})...), algorithms))
		assert.Equal(t, want, ours)
		assert.Equal(t, theirs, ours)
	}
}
