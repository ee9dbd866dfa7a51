package userauth_test

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
	"github.com/keep-it-simple/kis/sshx/internal/sshxtest"
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
	_, err := d.Dial(sshxtest.Deadline(t), target)
	var e *sshx.AuthError
	require.ErrorAs(t, err, &e)
	return e
}

func TestAgentKeyLogsIn(t *testing.T) {
	t.Parallel()
	k := sshxtest.NewKey(t)
	h := sshxtest.StartHost(t, sshtest.Options{}, k)
	target := sshxtest.Target(t, h)
	target.IdentityAgent = sshxtest.StartAgent(t, agent.AddedKey{PrivateKey: k.Private})
	c := sshxtest.Dial(t, sshxtest.NewDialer(t), target)
	assert.Equal(t, k.Fingerprint(), c.AuthKey())
}

func TestNamedKeysAreOfferedBeforeTheAgents(t *testing.T) {
	t.Parallel()
	named, other := sshxtest.NewKey(t), sshxtest.NewKey(t)
	h := sshxtest.StartHost(t, sshtest.Options{}, other)
	target := sshxtest.Target(t, h, named)
	target.IdentityAgent = sshxtest.StartAgent(t, agent.AddedKey{PrivateKey: other.Private})
	sshxtest.Dial(t, sshxtest.NewDialer(t), target)
	assert.Equal(t, []string{named.Fingerprint(), other.Fingerprint()}, offered(h))
}

func TestDefaultKeyFilesAreOfferedAfterTheAgents(t *testing.T) {
	t.Parallel()
	file, held := sshxtest.NewKey(t), sshxtest.NewKey(t)
	h := sshxtest.StartHost(t, sshtest.Options{}, file)
	target := sshxtest.Target(t, h, file)
	target.DefaultIdentities = true
	target.IdentityAgent = sshxtest.StartAgent(t, agent.AddedKey{PrivateKey: held.Private})
	sshxtest.Dial(t, sshxtest.NewDialer(t), target)
	assert.Equal(t, []string{held.Fingerprint(), file.Fingerprint()}, offered(h))
}

func TestIdentitiesOnlyHoldsTheAgentsOtherKeysBack(t *testing.T) {
	t.Parallel()
	named, other := sshxtest.NewKey(t), sshxtest.NewKey(t)
	h := sshxtest.StartHost(t, sshtest.Options{}, named)
	target := sshxtest.Target(t, h)
	// Only the public half is on this machine; the agent holds the other.
	public := filepath.Join(t.TempDir(), "id.pub")
	require.NoError(t, os.WriteFile(public, []byte(named.Line()), 0o644))
	target.IdentityFiles, target.IdentitiesOnly = []string{public}, true
	target.IdentityAgent = sshxtest.StartAgent(t, agent.AddedKey{PrivateKey: other.Private}, agent.AddedKey{PrivateKey: named.Private})
	sshxtest.Dial(t, sshxtest.NewDialer(t), target)
	assert.Equal(t, []string{named.Fingerprint()}, offered(h))
}

func TestNoMoreThanSixKeysAreOffered(t *testing.T) {
	t.Parallel()
	var keys []agent.AddedKey
	for range 20 {
		keys = append(keys, agent.AddedKey{PrivateKey: sshxtest.NewKey(t).Private})
	}
	named := sshxtest.NewKey(t)
	h := sshxtest.StartHost(t, sshtest.Options{}, named)
	target := sshxtest.Target(t, h)
	target.IdentityAgent = sshxtest.StartAgent(t, keys...)

	e := authError(t, sshxtest.NewDialer(t), target)
	assert.Len(t, offered(h), 6)
	require.ErrorContains(t, e, "14 more keys not tried")

	target.IdentityFiles = []string{named.File}
	sshxtest.Dial(t, sshxtest.NewDialer(t), target)
}

func TestEncryptedKeyIsAskedForOnceForAllHosts(t *testing.T) {
	t.Parallel()
	k := sshxtest.NewEncryptedKey(t, "open sesame")
	p := &sshxtest.User{Answers: []string{"wrong", "open sesame"}}
	d := sshxtest.NewDialer(t)
	d.Prompt = p.Prompt
	var dials sync.WaitGroup
	for range 4 {
		h := sshxtest.StartHost(t, sshtest.Options{}, k)
		dials.Go(func() {
			c, err := d.Dial(sshxtest.Deadline(t), sshxtest.Target(t, h, k))
			if assert.NoError(t, err) {
				assert.NoError(t, c.Close())
			}
		})
	}
	dials.Wait()
	require.Len(t, p.Questions(), 2)
	assert.Equal(t, "Passphrase for key "+k.File+": ", p.Questions()[0])
}

func TestEncryptedKeyIsNotAskedForWhenTheHostRefusesIt(t *testing.T) {
	t.Parallel()
	sealed, plain := sshxtest.NewEncryptedKey(t, "open sesame"), sshxtest.NewKey(t)
	h := sshxtest.StartHost(t, sshtest.Options{}, plain)
	p := &sshxtest.User{Answers: []string{"open sesame"}}
	d := sshxtest.NewDialer(t)
	d.Prompt = p.Prompt
	sshxtest.Dial(t, d, sshxtest.Target(t, h, sealed, plain))
	assert.Empty(t, p.Questions())
	assert.Equal(t, []string{sealed.Fingerprint(), plain.Fingerprint()}, offered(h))
}

func TestPromptsDoNotCountTowardsTheHandshakeTimeout(t *testing.T) {
	t.Parallel()
	k := sshxtest.NewEncryptedKey(t, "open sesame")
	h := sshxtest.StartHost(t, sshtest.Options{}, k)
	d := sshxtest.NewDialer(t)
	d.HandshakeTimeout = 3 * time.Second // more than all the rest takes on a busy machine, decrypting the key included
	d.Prompt = (&sshxtest.User{Answers: []string{"open sesame"}}).AnswerAfter(t, 3200*time.Millisecond)
	sshxtest.Dial(t, d, sshxtest.Target(t, h, k))
}

func TestErrorNamesEncryptedKeysWithoutATerminal(t *testing.T) {
	t.Parallel()
	k := sshxtest.NewEncryptedKey(t, "open sesame")
	h := sshxtest.StartHost(t, sshtest.Options{}, k)
	e := authError(t, sshxtest.NewDialer(t), sshxtest.Target(t, h, k))
	require.ErrorContains(t, e, k.File+": encrypted, and kis cannot ask")
	assert.Empty(t, offered(h))
}

func TestAWrongPassphraseLeavesTheOtherKeys(t *testing.T) {
	t.Parallel()
	sealed, plain := sshxtest.NewEncryptedKey(t, "open sesame"), sshxtest.NewKey(t)
	h := sshxtest.StartHost(t, sshtest.Options{}, sealed, plain)
	p := &sshxtest.User{Answers: []string{"wrong"}}
	d := sshxtest.NewDialer(t)
	d.Prompt = p.Prompt
	c := sshxtest.Dial(t, d, sshxtest.Target(t, h, sealed, plain))
	assert.Equal(t, plain.Fingerprint(), c.AuthKey())
	assert.Len(t, p.Questions(), 3)
}

func TestUnusableKeyFilesAreNamed(t *testing.T) {
	t.Parallel()
	good := sshxtest.NewKey(t)
	open := sshxtest.NewKey(t)
	require.NoError(t, os.Chmod(open.File, 0o644))
	spaced := filepath.Join(filepath.Dir(open.File), "my key's")
	require.NoError(t, os.Link(open.File, spaced))
	text := filepath.Join(t.TempDir(), "text")
	require.NoError(t, os.WriteFile(text, []byte("hello"), 0o600))
	for _, c := range []struct{ name, file, want string }{
		{"others can read it", open.File, open.File + ": others can read it (mode 0644); run: chmod 600 " + open.File},
		{"others can read it, with spaces in its name", spaced, `run: chmod 600 '` + filepath.Dir(spaced) + `/my key'\''s'`},
		{"missing", "/no/such/key", "/no/such/key: no such file"},
		{"a folder", filepath.Dir(text), filepath.Dir(text) + ": is a directory, not a key"},
		{"not a key", text, text + ": not a private key"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			h := sshxtest.StartHost(t, sshtest.Options{}, good)
			target := sshxtest.Target(t, h)
			target.IdentityFiles = []string{c.file}
			assert.ErrorContains(t, authError(t, sshxtest.NewDialer(t), target), c.want)
		})
	}
}

func TestMissingDefaultKeysAreNotReported(t *testing.T) {
	t.Parallel()
	h := sshxtest.StartHost(t, sshtest.Options{})
	target := sshxtest.Target(t, h)
	target.IdentityFiles, target.DefaultIdentities = []string{"/no/such/key"}, true
	e := authError(t, sshxtest.NewDialer(t), target)
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
	held, file := sshxtest.NewKey(t), sshxtest.NewKey(t)
	ring, ok := agent.NewKeyring().(agent.ExtendedAgent)
	require.True(t, ok)
	require.NoError(t, ring.Add(agent.AddedKey{PrivateKey: held.Private}))
	h := sshxtest.StartHost(t, sshtest.Options{}, held, file)
	target := sshxtest.Target(t, h, file)
	target.DefaultIdentities = true
	target.IdentityAgent = sshxtest.ServeAgent(t, refusing{ring})
	c := sshxtest.Dial(t, sshxtest.NewDialer(t), target)
	assert.Equal(t, file.Fingerprint(), c.AuthKey())
}

func TestAnAgentThatIsGoneIsNamed(t *testing.T) {
	t.Parallel()
	h := sshxtest.StartHost(t, sshtest.Options{})
	target := sshxtest.Target(t, h)
	target.IdentityAgent = "/no/such/agent"
	assert.ErrorContains(t, authError(t, sshxtest.NewDialer(t), target), "agent /no/such/agent: cannot connect")
}

func TestPasswordsArePromptedFor(t *testing.T) {
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
			h := sshxtest.StartHost(t, sshtest.Options{Password: "secret"})
			target := sshxtest.Target(t, h)
			target.PreferredAuthentications = []string{c.method}
			p := &sshxtest.User{Answers: []string{"secret"}}
			d := sshxtest.NewDialer(t)
			d.Prompt = p.Prompt
			client := sshxtest.Dial(t, d, target)
			assert.Empty(t, client.AuthKey())
			require.Len(t, p.Questions(), 1)
			assert.Equal(t, strings.TrimSpace(c.want), strings.TrimSpace(p.Questions()[0]))
		})
	}
}

func TestBatchModeDisablesPrompts(t *testing.T) {
	t.Parallel()
	h := sshxtest.StartHost(t, sshtest.Options{Password: "secret"})
	target := sshxtest.Target(t, h)
	target.BatchMode = true
	p := &sshxtest.User{Answers: []string{"secret"}}
	d := sshxtest.NewDialer(t)
	d.Prompt = p.Prompt
	e := authError(t, d, target)
	assert.Empty(t, p.Questions())
	assert.ErrorContains(t, e, "the host accepts password")
}

func TestDisabledMethodsAreNotTried(t *testing.T) {
	t.Parallel()
	k := sshxtest.NewKey(t)
	h := sshxtest.StartHost(t, sshtest.Options{Password: "secret"}, k)
	target := sshxtest.Target(t, h, k)
	target.NoPublicKey, target.NoPassword, target.NoKeyboardInteractive = true, true, true
	d := sshxtest.NewDialer(t)
	d.Prompt = (&sshxtest.User{Answers: []string{"secret"}}).Prompt
	require.Error(t, authError(t, d, target))
	for _, a := range h.Record().Auths {
		assert.Equal(t, "none", a.Method)
	}
}

func TestRefusedLoginsListTheAttempts(t *testing.T) {
	t.Parallel()
	k, missing := sshxtest.NewKey(t), filepath.Join(t.TempDir(), "missing")
	h := sshxtest.StartHost(t, sshtest.Options{}, sshxtest.NewKey(t))
	target := sshxtest.Target(t, h, k)
	target.IdentityFiles = append(target.IdentityFiles, missing)
	e := authError(t, sshxtest.NewDialer(t), target)
	assert.Equal(t, "web1: authentication: login as deploy refused (ssh-ed25519 "+k.Fingerprint()+" from "+k.File+
		": refused; "+missing+": no such file; the host accepts publickey)", e.Error())
}
