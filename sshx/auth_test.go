package sshx_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"

	"github.com/keep-it-simple/kis/internal/sshtest"
	"github.com/keep-it-simple/kis/sshx"
)

// offered lists the keys that the host was asked about, in order.
func offered(h *sshtest.Host) []string {
	var keys []string
	for _, a := range h.Record().Auths {
		if a.Method == "publickey" {
			keys = append(keys, a.Key)
		}
	}
	return keys
}

func authError(t *testing.T, d *sshx.Dialer, target sshx.Target) *sshx.AuthError {
	t.Helper()
	_, err := d.Dial(deadline(t), target)
	var e *sshx.AuthError
	require.ErrorAs(t, err, &e)
	return e
}

func TestAgentKeyLogsIn(t *testing.T) {
	t.Parallel()
	k := newKey(t)
	h := startHost(t, sshtest.Options{}, k)
	target := targetOf(t, h)
	target.IdentityAgent = startAgent(t, agent.AddedKey{PrivateKey: k.private})
	c := dial(t, newDialer(t), target)
	assert.Equal(t, k.fingerprint(), c.AuthKey())
}

func TestNamedKeysAreOfferedBeforeTheAgents(t *testing.T) {
	t.Parallel()
	named, other := newKey(t), newKey(t)
	h := startHost(t, sshtest.Options{}, other)
	target := targetOf(t, h, named)
	target.IdentityAgent = startAgent(t, agent.AddedKey{PrivateKey: other.private})
	dial(t, newDialer(t), target)
	assert.Equal(t, []string{named.fingerprint(), other.fingerprint()}, offered(h))
}

func TestDefaultKeyFilesAreOfferedAfterTheAgents(t *testing.T) {
	t.Parallel()
	file, held := newKey(t), newKey(t)
	h := startHost(t, sshtest.Options{}, file)
	target := targetOf(t, h, file)
	target.DefaultIdentities = true
	target.IdentityAgent = startAgent(t, agent.AddedKey{PrivateKey: held.private})
	dial(t, newDialer(t), target)
	assert.Equal(t, []string{held.fingerprint(), file.fingerprint()}, offered(h))
}

func TestIdentitiesOnlyHoldsTheAgentsOtherKeysBack(t *testing.T) {
	t.Parallel()
	named, other := newKey(t), newKey(t)
	h := startHost(t, sshtest.Options{}, named)
	target := targetOf(t, h)
	// Only the public half is on this machine; the agent holds the other.
	public := filepath.Join(t.TempDir(), "id.pub")
	require.NoError(t, os.WriteFile(public, []byte(named.line()), 0o644))
	target.IdentityFiles, target.IdentitiesOnly = []string{public}, true
	target.IdentityAgent = startAgent(t, agent.AddedKey{PrivateKey: other.private}, agent.AddedKey{PrivateKey: named.private})
	dial(t, newDialer(t), target)
	assert.Equal(t, []string{named.fingerprint()}, offered(h))
}

func TestNoMoreThanSixKeysAreOffered(t *testing.T) {
	t.Parallel()
	var keys []agent.AddedKey
	for range 20 {
		keys = append(keys, agent.AddedKey{PrivateKey: newKey(t).private})
	}
	named := newKey(t)
	h := startHost(t, sshtest.Options{}, named)
	target := targetOf(t, h)
	target.IdentityAgent = startAgent(t, keys...)

	e := authError(t, newDialer(t), target)
	assert.Len(t, offered(h), 6)
	require.ErrorContains(t, e, "14 more keys not tried")

	target.IdentityFiles = []string{named.file}
	dial(t, newDialer(t), target)
}

func TestEncryptedKeyIsAskedForOnceForAllHosts(t *testing.T) {
	t.Parallel()
	k := newSealedKey(t, "open sesame")
	p := &person{answers: []string{"wrong", "open sesame"}}
	d := newDialer(t)
	d.Prompt = p.prompt
	var dials sync.WaitGroup
	for range 4 {
		h := startHost(t, sshtest.Options{}, k)
		dials.Go(func() {
			c, err := d.Dial(deadline(t), targetOf(t, h, k))
			if assert.NoError(t, err) {
				assert.NoError(t, c.Close())
			}
		})
	}
	dials.Wait()
	require.Len(t, p.questions(), 2)
	assert.Equal(t, "Passphrase for key "+k.file+": ", p.questions()[0])
}

func TestEncryptedKeyIsNotAskedForWhenTheHostRefusesIt(t *testing.T) {
	t.Parallel()
	sealed, plain := newSealedKey(t, "open sesame"), newKey(t)
	h := startHost(t, sshtest.Options{}, plain)
	p := &person{answers: []string{"open sesame"}}
	d := newDialer(t)
	d.Prompt = p.prompt
	dial(t, d, targetOf(t, h, sealed, plain))
	assert.Empty(t, p.questions())
	assert.Equal(t, []string{sealed.fingerprint(), plain.fingerprint()}, offered(h))
}

func TestTheClockStandsStillWhileAPersonIsAsked(t *testing.T) {
	t.Parallel()
	k := newSealedKey(t, "open sesame")
	h := startHost(t, sshtest.Options{}, k)
	d := newDialer(t)
	d.HandshakeTimeout = 500 * time.Millisecond
	d.Prompt = (&person{answers: []string{"open sesame"}}).slowly(t, 700*time.Millisecond)
	dial(t, d, targetOf(t, h, k))
}

func TestEncryptedKeyWithoutAPersonIsNamed(t *testing.T) {
	t.Parallel()
	k := newSealedKey(t, "open sesame")
	h := startHost(t, sshtest.Options{}, k)
	e := authError(t, newDialer(t), targetOf(t, h, k))
	require.ErrorContains(t, e, k.file+": encrypted, and kis cannot ask")
	assert.Empty(t, offered(h))
}

func TestAWrongPassphraseLeavesTheOtherKeys(t *testing.T) {
	t.Parallel()
	sealed, plain := newSealedKey(t, "open sesame"), newKey(t)
	h := startHost(t, sshtest.Options{}, sealed, plain)
	p := &person{answers: []string{"wrong"}}
	d := newDialer(t)
	d.Prompt = p.prompt
	c := dial(t, d, targetOf(t, h, sealed, plain))
	assert.Equal(t, plain.fingerprint(), c.AuthKey())
	assert.Len(t, p.questions(), 3)
}

func TestUnusableKeyFilesAreNamed(t *testing.T) {
	t.Parallel()
	good := newKey(t)
	open := newKey(t)
	require.NoError(t, os.Chmod(open.file, 0o644))
	text := filepath.Join(t.TempDir(), "text")
	require.NoError(t, os.WriteFile(text, []byte("hello"), 0o600))
	for _, c := range []struct{ name, file, want string }{
		{"others can read it", open.file, open.file + ": others can read it (mode 0644); run: chmod 600 " + open.file},
		{"missing", "/no/such/key", "/no/such/key: no such file"},
		{"a folder", filepath.Dir(text), filepath.Dir(text) + ": is a directory, not a key"},
		{"not a key", text, text + ": not a private key"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			h := startHost(t, sshtest.Options{}, good)
			target := targetOf(t, h)
			target.IdentityFiles = []string{c.file}
			assert.ErrorContains(t, authError(t, newDialer(t), target), c.want)
		})
	}
}

func TestMissingDefaultKeysAreNotWorthAWord(t *testing.T) {
	t.Parallel()
	h := startHost(t, sshtest.Options{})
	target := targetOf(t, h)
	target.IdentityFiles, target.DefaultIdentities = []string{"/no/such/key"}, true
	e := authError(t, newDialer(t), target)
	assert.NotContains(t, e.Error(), "/no/such/key")
}

// refusing is an agent whose owner says no to every signature.
type refusing struct{ agent.ExtendedAgent }

func (refusing) Sign(ssh.PublicKey, []byte) (*ssh.Signature, error) { return nil, errors.New("no") }

func (refusing) SignWithFlags(ssh.PublicKey, []byte, agent.SignatureFlags) (*ssh.Signature, error) {
	return nil, errors.New("no")
}

func TestAnAgentThatRefusesToSignLeavesTheOtherKeys(t *testing.T) {
	t.Parallel()
	held, file := newKey(t), newKey(t)
	ring, ok := agent.NewKeyring().(agent.ExtendedAgent)
	require.True(t, ok)
	require.NoError(t, ring.Add(agent.AddedKey{PrivateKey: held.private}))
	h := startHost(t, sshtest.Options{}, held, file)
	target := targetOf(t, h, file)
	target.DefaultIdentities = true
	target.IdentityAgent = serveAgent(t, refusing{ring})
	c := dial(t, newDialer(t), target)
	assert.Equal(t, file.fingerprint(), c.AuthKey())
}

func TestAnAgentThatIsGoneIsNamed(t *testing.T) {
	t.Parallel()
	h := startHost(t, sshtest.Options{})
	target := targetOf(t, h)
	target.IdentityAgent = "/no/such/agent"
	assert.ErrorContains(t, authError(t, newDialer(t), target), "agent /no/such/agent: cannot connect")
}

func TestPasswordsAreAskedForWhenAPersonIsThere(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		method string
		want   string
	}{
		{"password", "Password for deploy@web1: "},
		{"keyboard-interactive", "deploy@web1: Password: "},
	} {
		t.Run(c.method, func(t *testing.T) {
			t.Parallel()
			h := startHost(t, sshtest.Options{Password: "secret"})
			target := targetOf(t, h)
			target.PreferredAuthentications = []string{c.method}
			p := &person{answers: []string{"secret"}}
			d := newDialer(t)
			d.Prompt = p.prompt
			client := dial(t, d, target)
			assert.Empty(t, client.AuthKey())
			require.Len(t, p.questions(), 1)
			assert.Equal(t, strings.TrimSpace(c.want), strings.TrimSpace(p.questions()[0]))
		})
	}
}

func TestNobodyIsAskedInBatchMode(t *testing.T) {
	t.Parallel()
	h := startHost(t, sshtest.Options{Password: "secret"})
	target := targetOf(t, h)
	target.BatchMode = true
	p := &person{answers: []string{"secret"}}
	d := newDialer(t)
	d.Prompt = p.prompt
	e := authError(t, d, target)
	assert.Empty(t, p.questions())
	assert.ErrorContains(t, e, "the host accepts password")
}

func TestMethodsThatAreSwitchedOffAreNotTried(t *testing.T) {
	t.Parallel()
	k := newKey(t)
	h := startHost(t, sshtest.Options{Password: "secret"}, k)
	target := targetOf(t, h, k)
	target.NoPublicKey, target.NoPassword, target.NoKeyboardInteractive = true, true, true
	d := newDialer(t)
	d.Prompt = (&person{answers: []string{"secret"}}).prompt
	require.Error(t, authError(t, d, target))
	for _, a := range h.Record().Auths {
		assert.Equal(t, "none", a.Method)
	}
}

func TestARefusedLoginTellsWhatWasTried(t *testing.T) {
	t.Parallel()
	k, missing := newKey(t), filepath.Join(t.TempDir(), "missing")
	h := startHost(t, sshtest.Options{}, newKey(t))
	target := targetOf(t, h, k)
	target.IdentityFiles = append(target.IdentityFiles, missing)
	e := authError(t, newDialer(t), target)
	assert.Equal(t, "web1: authentication: login as deploy refused (ssh-ed25519 "+k.fingerprint()+" from "+k.file+
		": refused; "+missing+": no such file; the host accepts publickey)", e.Error())
}
