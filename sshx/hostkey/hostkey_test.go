package hostkey_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"

	"github.com/keep-it-simple/kis/internal/sshtest"
	"github.com/keep-it-simple/kis/sshx"
	"github.com/keep-it-simple/kis/sshx/hostkey"
	"github.com/keep-it-simple/kis/sshx/internal/sshxtest"
)

func TestUnknownHostKeyIsRefusedBeforeAuthentication(t *testing.T) {
	t.Parallel()
	k := sshxtest.NewKey(t)
	for _, mode := range []hostkey.StrictChecking{"", hostkey.StrictAsk, hostkey.StrictYes} {
		h := sshxtest.StartHost(t, sshtest.Options{Password: "secret"}, k)
		target := sshxtest.Target(t, h, k)
		target.UserKnownHostsFiles = []string{filepath.Join(t.TempDir(), "missing")}
		target.StrictHostKeyChecking = mode
		p := &sshxtest.User{Answers: []string{"yes"}}

		e := sshxtest.RefusedHostKey(t, h, target)

		assert.Equal(t, hostkey.Unknown, e.Kind)
		assert.Equal(t, ssh.FingerprintSHA256(h.HostKey()), e.Fingerprint)
		assert.Equal(t, "ssh-ed25519", e.KeyType)
		assert.Equal(t, h.KnownHostsLine(), e.Line)
		assert.Contains(t, e.Error(), e.Fingerprint)
		assert.Contains(t, e.Hint(), "then run: ssh web1\n")
		assert.Empty(t, p.Questions())
	}
}

// What only the inventory knows has to be in the command, or it would make another name known.
func TestTheRemedyForAnUnknownKeyReachesTheSameHost(t *testing.T) {
	t.Parallel()
	h := sshxtest.StartHost(t, sshtest.Options{})
	r, _ := sshxtest.Resolvers(t, "")
	target, err := r.Resolve(t.Context(), sshx.Host{Name: "web1", Address: "127.0.0.1", Port: h.Port()})
	require.NoError(t, err)
	target.UserKnownHostsFiles, target.IdentityFiles = nil, nil
	e := sshxtest.RefusedHostKey(t, h, target)
	assert.Contains(t, e.Hint(), fmt.Sprintf("then run: ssh -F %s -p %d 127.0.0.1\n", r.ConfigFile, h.Port()))
}

func TestChangedHostKeyIsRefusedBeforeAuthentication(t *testing.T) {
	t.Parallel()
	k, other := sshxtest.NewKey(t), sshxtest.NewKey(t)
	for _, mode := range []hostkey.StrictChecking{hostkey.StrictAsk, hostkey.StrictYes, hostkey.StrictAcceptNew} {
		h := sshxtest.StartHost(t, sshtest.Options{Password: "secret"}, k)
		target := sshxtest.Target(t, h, k)
		target.StrictHostKeyChecking = mode
		file := sshxtest.KnownHosts(t, "# comment", knownhosts.Line([]string{h.Addr()}, other.Signer.PublicKey()))
		target.UserKnownHostsFiles = []string{file}

		e := sshxtest.RefusedHostKey(t, h, target)

		assert.Equal(t, hostkey.Changed, e.Kind)
		require.Equal(t, []hostkey.KnownKey{{Fingerprint: other.Fingerprint(), KeyType: "ssh-ed25519", File: file, Line: 2}}, e.Known)
		assert.Contains(t, e.Error(), e.Fingerprint)
		assert.Contains(t, e.Error(), other.Fingerprint())
		assert.Contains(t, e.Error(), file+":2")
		assert.NotContains(t, e.Error(), "ssh-keygen -R")
		require.Error(t, e.Accept())
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		assert.NotContains(t, string(text), strings.Fields(h.KnownHostsLine())[2])
	}
}

func TestRevokedHostKeyIsRefusedBeforeAuthentication(t *testing.T) {
	t.Parallel()
	k := sshxtest.NewKey(t)
	h := sshxtest.StartHost(t, sshtest.Options{}, k)
	target := sshxtest.Target(t, h, k)
	target.UserKnownHostsFiles = []string{sshxtest.KnownHosts(t, h.KnownHostsLine(), "@revoked * "+string(ssh.MarshalAuthorizedKey(h.HostKey())))}
	e := sshxtest.RefusedHostKey(t, h, target)
	assert.Equal(t, hostkey.Revoked, e.Kind)
	assert.Contains(t, e.Error(), target.UserKnownHostsFiles[0]+":2")
}

func TestUnreadableRevokedLineFailsClosed(t *testing.T) {
	t.Parallel()
	k := sshxtest.NewKey(t)
	h := sshxtest.StartHost(t, sshtest.Options{}, k)
	target := sshxtest.Target(t, h, k)
	target.UserKnownHostsFiles = []string{sshxtest.KnownHosts(t, h.KnownHostsLine(), "@revoked * ssh-mldsa44-ed25519@openssh.com AAAA")}
	e := sshxtest.RefusedHostKey(t, h, target)
	assert.Equal(t, hostkey.Revoked, e.Kind)
}

func TestPinnedHostKeyNeedsNoKnownHosts(t *testing.T) {
	t.Parallel()
	k := sshxtest.NewKey(t)
	h := sshxtest.StartHost(t, sshtest.Options{}, k)
	target := sshxtest.Target(t, h, k)
	target.UserKnownHostsFiles = nil
	target.HostKey = hostkey.Pin{Fingerprint: ssh.FingerprintSHA256(h.HostKey())}
	sshxtest.Dial(t, sshxtest.NewDialer(t), target)
}

func TestPinnedHostKeyOutweighsKnownHosts(t *testing.T) {
	t.Parallel()
	k := sshxtest.NewKey(t)
	h := sshxtest.StartHost(t, sshtest.Options{}, k)
	target := sshxtest.Target(t, h, k)
	target.HostKey = hostkey.Pin{Fingerprint: sshxtest.NewKey(t).Fingerprint()}
	e := sshxtest.RefusedHostKey(t, h, target)
	assert.Equal(t, hostkey.Changed, e.Kind)
	assert.Contains(t, e.Error(), target.HostKey.Fingerprint+" (pinned)")
}

func TestAcceptNewWritesTheKeyOnce(t *testing.T) {
	t.Parallel()
	k := sshxtest.NewKey(t)
	h := sshxtest.StartHost(t, sshtest.Options{}, k)
	target := sshxtest.Target(t, h, k)
	file := filepath.Join(t.TempDir(), "ssh", "known_hosts")
	target.UserKnownHostsFiles = []string{file}
	target.StrictHostKeyChecking = hostkey.StrictAcceptNew
	d := sshxtest.NewDialer(t)

	sshxtest.Dial(t, d, target)
	sshxtest.Dial(t, d, target)

	text, err := os.ReadFile(file)
	require.NoError(t, err)
	assert.Equal(t, h.KnownHostsLine()+"\n", string(text))
	info, err := os.Stat(filepath.Dir(file))
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o700), info.Mode().Perm())
}

func TestAcceptMakesAnUnknownKeyKnown(t *testing.T) {
	t.Parallel()
	for _, hashed := range []bool{false, true} {
		k := sshxtest.NewKey(t)
		h := sshxtest.StartHost(t, sshtest.Options{}, k)
		target := sshxtest.Target(t, h, k)
		file := filepath.Join(t.TempDir(), "known_hosts")
		require.NoError(t, os.WriteFile(file, []byte("# no line end"), 0o600))
		target.UserKnownHostsFiles, target.HashKnownHosts = []string{file}, hashed

		require.NoError(t, sshxtest.RefusedHostKey(t, h, target).Accept())

		sshxtest.Dial(t, sshxtest.NewDialer(t), target)
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		assert.Equal(t, hashed, strings.Contains(string(text), "\n|1|"))
		assert.Equal(t, 2, strings.Count(string(text), "\n"))
	}
}

func TestInvalidKnownHostsLinesAreIgnoredWithOneWarning(t *testing.T) {
	t.Parallel()
	k := sshxtest.NewKey(t)
	h := sshxtest.StartHost(t, sshtest.Options{}, k)
	target := sshxtest.Target(t, h, k)
	file := sshxtest.KnownHosts(t, "web9 ssh-mldsa44-ed25519@openssh.com AAAA", h.KnownHostsLine())
	target.UserKnownHostsFiles = []string{file}
	var warnings []string
	d := sshxtest.NewDialer(t)
	d.Warn = func(w string) { warnings = append(warnings, w) }
	sshxtest.Dial(t, d, target)
	sshxtest.Dial(t, d, target)
	require.Len(t, warnings, 1)
	assert.Contains(t, warnings[0], file+":1: ignored")
}

// A host with several keys shows the one that known_hosts has, whatever the order of preference;
// otherwise a good host would look like an attack.
func TestTheHostIsAskedForTheKeyThatIsKnown(t *testing.T) {
	t.Parallel()
	k := sshxtest.NewKey(t)
	ed, ec, rsaKey := sshxtest.NewKey(t).Signer, sshxtest.NewECDSA(t), sshxtest.NewRSA(t)
	h := sshxtest.StartHost(t, sshtest.Options{HostKeys: []ssh.Signer{ed, ec, rsaKey}}, k)
	for _, s := range []ssh.Signer{ed, ec, rsaKey} {
		target := sshxtest.Target(t, h, k)
		target.UserKnownHostsFiles = []string{sshxtest.KnownHosts(t, knownhosts.Line([]string{h.Addr()}, s.PublicKey()))}
		sshxtest.Dial(t, sshxtest.NewDialer(t), target)
	}
}
