package hostkey_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"

	"github.com/keep-it-simple/kis/internal/sshtest"
	"github.com/keep-it-simple/kis/internal/testenv/opensshtest"
	"github.com/keep-it-simple/kis/sshx"
	"github.com/keep-it-simple/kis/sshx/hostkey"
	"github.com/keep-it-simple/kis/sshx/internal/sshxtest"
)

// pinned resolves a host whose key the caller pins, as the inventory would.
func pinned(t *testing.T, h *sshtest.Host, k sshxtest.Key, pin string) sshx.Target {
	t.Helper()
	r, _ := sshxtest.Resolvers(t, "")
	target, err := r.Resolve(t.Context(), sshx.Host{Name: "web1", Address: "127.0.0.1", Port: h.Port(), User: "deploy", HostKey: pin})
	require.NoError(t, err)
	target.IdentityFiles, target.IdentityAgent = []string{k.File}, ""
	return target
}

func TestAPinChoosesTheKeyTheHostShows(t *testing.T) {
	t.Parallel()
	k := sshxtest.NewKey(t)
	ed, ec, rsa := sshxtest.NewKey(t).Signer, sshxtest.NewECDSA(t), sshxtest.NewRSA(t)
	h := sshxtest.StartHost(t, sshtest.Options{HostKeys: []ssh.Signer{ed, ec, rsa}}, k)
	for _, s := range []ssh.Signer{ed, ec, rsa} {
		sshxtest.Dial(t, sshxtest.NewDialer(t), pinned(t, h, k, strings.TrimSpace(string(ssh.MarshalAuthorizedKey(s.PublicKey())))))
	}
	// Without the type the host shows what it shows to every stranger.
	sshxtest.Dial(t, sshxtest.NewDialer(t), pinned(t, h, k, ssh.FingerprintSHA256(ed.PublicKey())))
}

func TestAPinOfAKeyThatTheHostDoesNotShowIsAChangedKey(t *testing.T) {
	t.Parallel()
	k := sshxtest.NewKey(t)
	rsa := sshxtest.NewRSA(t)
	h := sshxtest.StartHost(t, sshtest.Options{HostKeys: []ssh.Signer{sshxtest.NewECDSA(t), rsa}}, k)

	e := sshxtest.RefusedHostKey(t, h, pinned(t, h, k, ssh.FingerprintSHA256(rsa.PublicKey())))

	assert.Equal(t, hostkey.Changed, e.Kind)
	assert.False(t, e.Acceptable())
	assert.Contains(t, e.Error(), ssh.FingerprintSHA256(rsa.PublicKey())+" (pinned)")
	assert.Contains(t, e.Error(), "pin the whole key instead")
}

// A host that no longer has the pinned type cannot be talked into another key.
func TestAPinnedTypeThatTheHostLacksIsRefusedBeforeAuthentication(t *testing.T) {
	t.Parallel()
	k := sshxtest.NewKey(t)
	h := sshxtest.StartHost(t, sshtest.Options{HostKeys: []ssh.Signer{sshxtest.NewECDSA(t)}}, k)
	_, err := sshxtest.NewDialer(t).Dial(sshxtest.Deadline(t), pinned(t, h, k, strings.TrimSpace(sshxtest.NewKey(t).Line())))
	require.ErrorContains(t, err, "web1: handshake")
	assert.Empty(t, h.Record().Auths)
}

func TestKnownHostsIsNotAskedForAPinnedHost(t *testing.T) {
	t.Parallel()
	k := sshxtest.NewKey(t)
	h := sshxtest.StartHost(t, sshtest.Options{}, k)
	for name, files := range map[string][]string{
		"revoked":    {sshxtest.KnownHosts(t, "@revoked * "+string(ssh.MarshalAuthorizedKey(h.HostKey())))},
		"changed":    {sshxtest.KnownHosts(t, "* "+sshxtest.NewKey(t).Line())},
		"unreadable": {t.TempDir()},
		"missing":    {filepath.Join(t.TempDir(), "none")},
	} {
		target := pinned(t, h, k, sshxtest.Fingerprint(h))
		target.UserKnownHostsFiles = files
		c, err := sshxtest.NewDialer(t).Dial(sshxtest.Deadline(t), target)
		require.NoError(t, err, name)
		require.NoError(t, c.Close())
	}
}

func TestOpenSSHPinnedHostNeedsNoKnownHosts(t *testing.T) {
	t.Parallel()
	s := opensshtest.Start(t, opensshtest.Options{HostKeyTypes: []string{"ed25519", "rsa"}})
	target := sshxtest.TargetOn(t, s)
	target.UserKnownHostsFiles = nil
	public, _, _, _, err := ssh.ParseAuthorizedKey([]byte(s.PublicHostKey(t, 1)))
	require.NoError(t, err)
	target.HostKey = hostkey.Pin{Fingerprint: ssh.FingerprintSHA256(public), Type: public.Type()}
	sshxtest.Dial(t, sshxtest.NewDialer(t), target)
}
