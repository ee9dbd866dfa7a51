package sshx_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"

	"github.com/keep-it-simple/kis/internal/opensshtest"
	"github.com/keep-it-simple/kis/internal/sshtest"
	"github.com/keep-it-simple/kis/sshx"
	"github.com/keep-it-simple/kis/sshx/hostkey"
)

// pinned resolves a host whose key the caller pins, as the inventory would.
func pinned(t *testing.T, h *sshtest.Host, k key, pin string) sshx.Target {
	t.Helper()
	r, _ := resolvers(t, "")
	target, err := r.Resolve(t.Context(), sshx.Host{Name: "web1", Address: "127.0.0.1", Port: h.Port(), User: "deploy", HostKey: pin})
	require.NoError(t, err)
	target.IdentityFiles, target.IdentityAgent = []string{k.file}, ""
	return target
}

func TestAPinChoosesTheKeyTheHostShows(t *testing.T) {
	t.Parallel()
	k := newKey(t)
	ed, ec, rsa := newKey(t).signer, newECDSA(t), newRSA(t)
	h := startHost(t, sshtest.Options{HostKeys: []ssh.Signer{ed, ec, rsa}}, k)
	for _, s := range []ssh.Signer{ed, ec, rsa} {
		dial(t, newDialer(t), pinned(t, h, k, strings.TrimSpace(string(ssh.MarshalAuthorizedKey(s.PublicKey())))))
	}
	// Without the type the host shows what it shows to every stranger.
	dial(t, newDialer(t), pinned(t, h, k, ssh.FingerprintSHA256(ed.PublicKey())))
}

func TestAPinOfAKeyThatTheHostDoesNotShowIsAChangedKey(t *testing.T) {
	t.Parallel()
	k := newKey(t)
	rsa := newRSA(t)
	h := startHost(t, sshtest.Options{HostKeys: []ssh.Signer{newECDSA(t), rsa}}, k)

	e := refusedHostKey(t, h, pinned(t, h, k, ssh.FingerprintSHA256(rsa.PublicKey())))

	assert.Equal(t, hostkey.Changed, e.Kind)
	assert.False(t, e.Acceptable())
	assert.Contains(t, e.Error(), ssh.FingerprintSHA256(rsa.PublicKey())+" (pinned)")
	assert.Contains(t, e.Error(), "pin the whole key instead")
}

// A host that no longer has the pinned type cannot be talked into another key.
func TestAPinnedTypeThatTheHostLacksIsRefusedBeforeAuthentication(t *testing.T) {
	t.Parallel()
	k := newKey(t)
	h := startHost(t, sshtest.Options{HostKeys: []ssh.Signer{newECDSA(t)}}, k)
	_, err := newDialer(t).Dial(deadline(t), pinned(t, h, k, strings.TrimSpace(newKey(t).line())))
	require.ErrorContains(t, err, "web1: handshake")
	assert.Empty(t, h.Record().Auths)
}

func TestKnownHostsIsNotAskedForAPinnedHost(t *testing.T) {
	t.Parallel()
	k := newKey(t)
	h := startHost(t, sshtest.Options{}, k)
	for name, files := range map[string][]string{
		"revoked":    {knownHosts(t, "@revoked * "+string(ssh.MarshalAuthorizedKey(h.HostKey())))},
		"changed":    {knownHosts(t, "* "+newKey(t).line())},
		"unreadable": {t.TempDir()},
		"missing":    {filepath.Join(t.TempDir(), "none")},
	} {
		target := pinned(t, h, k, fingerprintOf(h))
		target.UserKnownHostsFiles = files
		c, err := newDialer(t).Dial(deadline(t), target)
		require.NoError(t, err, name)
		require.NoError(t, c.Close())
	}
}

func TestOpenSSHPinnedHostNeedsNoKnownHosts(t *testing.T) {
	t.Parallel()
	s := opensshtest.Start(t, opensshtest.Options{HostKeyTypes: []string{"ed25519", "rsa"}})
	target := targetOn(t, s)
	target.UserKnownHostsFiles = nil
	public, _, _, _, err := ssh.ParseAuthorizedKey([]byte(s.PublicHostKey(t, 1)))
	require.NoError(t, err)
	target.HostKey = hostkey.Pin{Fingerprint: ssh.FingerprintSHA256(public), Type: public.Type()}
	dial(t, newDialer(t), target)
}

func TestPinsThatAreNoKeysAreRefused(t *testing.T) {
	t.Parallel()
	r, _ := resolvers(t, "")
	k := newKey(t)
	for _, pin := range []string{
		"MD5:00", "SHA256:short", "ssh-ed25519 AAAA", "ssh-rsa " + strings.Fields(k.line())[1], "no-pty " + k.line(), k.line() + k.line(), "web1 " + k.line(),
	} {
		_, err := r.Resolve(t.Context(), sshx.Host{Name: "web1", HostKey: pin})
		require.ErrorContains(t, err, "web1: host key ", pin)
	}
	target, err := r.Resolve(t.Context(), sshx.Host{Name: "web1", HostKey: strings.TrimSpace(k.line())})
	require.NoError(t, err)
	assert.Equal(t, k.fingerprint(), target.HostKey.Fingerprint)
	assert.Contains(t, target.Settings, sshx.Setting{Name: "hostkey", Value: "ssh-ed25519 " + k.fingerprint(), Source: "inventory"})
}
