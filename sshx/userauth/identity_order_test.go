package userauth_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"

	"github.com/keep-it-simple/kis/internal/sshtest"
	"github.com/keep-it-simple/kis/internal/testenv/opensshtest"
	"github.com/keep-it-simple/kis/sshx"
	"github.com/keep-it-simple/kis/sshx/internal/sshxtest"
)

// identityKeys is a directory of key files: a, b, x (ed25519), c (ECDSA), rsa; b has a certificate
// next to it, and c2-cert.pub is one for c that is not.
type identityKeys struct {
	dir   string
	names map[string]string // fingerprint to name
}

func newIdentityKeys(t *testing.T) identityKeys {
	t.Helper()
	k := identityKeys{dir: t.TempDir(), names: map[string]string{}}
	opensshtest.Keygen(t, k.path("ca"), "ed25519")
	for name, typ := range map[string]string{"a": "ed25519", "b": "ed25519", "c": "ecdsa", "x": "ed25519", "rsa": "rsa"} {
		opensshtest.Keygen(t, k.path(name), typ)
		k.remember(t, name, k.path(name)+".pub")
	}
	require.NoError(t, os.WriteFile(k.path("c2.pub"), []byte(sshxtest.ReadText(t, k.path("c.pub"))), 0o600))
	for _, name := range []string{"b", "c2"} {
		opensshtest.Run(t, "ssh-keygen", "-q", "-s", k.path("ca"), "-I", "test", "-n", "deploy", k.path(name+".pub"))
		k.remember(t, name+"-cert", k.path(name+"-cert.pub"))
	}
	return k
}

// path is the file of a key.
func (k identityKeys) path(name string) string { return filepath.Join(k.dir, name) }

// identityEnv is a host that accepts no key, an agent, and a configuration.
type identityEnv struct {
	identityKeys

	host   *sshtest.Host
	agent  string
	config string
}

// newIdentityEnv has the agent hold the keys named in held, in that order. In config, KEYS is the
// directory of the keys and SOCKET the agent's.
func newIdentityEnv(t *testing.T, keys identityKeys, held []string, config ...string) *identityEnv {
	t.Helper()
	w := &identityEnv{identityKeys: keys}
	ring := agent.NewKeyring()
	for _, name := range held {
		key := agent.AddedKey{PrivateKey: privateKey(t, w.path(strings.TrimSuffix(name, "-cert")))}
		if strings.HasSuffix(name, "-cert") {
			key.Certificate = certificateIn(t, w.path(name+".pub"))
		}
		require.NoError(t, ring.Add(key))
	}
	w.agent = sshxtest.ServeAgent(t, ring)
	w.host = sshxtest.StartHost(t, sshtest.Options{MaxAuthTries: 20})
	lines := []string{
		"Host web1", "HostName 127.0.0.1", fmt.Sprintf("Port %d", w.host.Port()), "User deploy", "BatchMode yes",
		"UserKnownHostsFile " + sshxtest.KnownHosts(t, w.host.KnownHostsLine()), "GlobalKnownHostsFile /dev/null",
	}
	text := strings.Join(append(lines, config...), "\n") + "\n"
	text = strings.NewReplacer("KEYS", w.dir, "SOCKET", w.agent).Replace(text)
	w.config = filepath.Join(t.TempDir(), "config")
	require.NoError(t, os.WriteFile(w.config, []byte(text), 0o600))
	return w
}

func (k identityKeys) remember(t *testing.T, name, public string) {
	t.Helper()
	key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(sshxtest.ReadText(t, public)))
	require.NoError(t, err)
	k.names[ssh.FingerprintSHA256(key)] = name
}

// seen names the keys that the host was asked about since the first n.
func (w *identityEnv) seen(n int) []string {
	var names []string
	for _, k := range offered(w.host)[n:] {
		names = append(names, w.names[k])
	}
	return names
}

// byKis and bySSH log in, in vain, and return what was offered.
func (w *identityEnv) byKis(t *testing.T, env map[string]string) []string {
	t.Helper()
	n := len(offered(w.host))
	r := sshx.Resolver{ConfigFile: w.config, Getenv: func(name string) string { return env[name] }}
	target, err := r.Resolve(sshxtest.Deadline(t), sshx.Host{Name: "web1"})
	require.NoError(t, err)
	require.Error(t, authError(t, sshxtest.NewDialer(t), target))
	return w.seen(n)
}

func (w *identityEnv) bySSH(t *testing.T, env map[string]string) []string {
	t.Helper()
	n := len(offered(w.host))
	program, err := exec.LookPath("ssh")
	require.NoError(t, err, "run: make setup")
	cmd := exec.CommandContext(sshxtest.Deadline(t), program, "-F", w.config, "web1", "true")
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + w.dir}
	for k, v := range env {
		cmd.Env = append(cmd.Env, k+"="+v)
	}
	var out bytes.Buffer
	cmd.Stderr = &out
	require.Error(t, cmd.Run())
	require.Contains(t, out.String(), "Permission denied")
	return w.seen(n)
}

func privateKey(t testing.TB, path string) any {
	t.Helper()
	k, err := ssh.ParseRawPrivateKey([]byte(sshxtest.ReadText(t, path)))
	require.NoError(t, err)
	return k
}

func certificateIn(t testing.TB, path string) *ssh.Certificate {
	t.Helper()
	k, _, _, _, err := ssh.ParseAuthorizedKey([]byte(sshxtest.ReadText(t, path)))
	require.NoError(t, err)
	cert, ok := k.(*ssh.Certificate)
	require.True(t, ok)
	return cert
}

func TestKeysAreOfferedInSSHsOrder(t *testing.T) {
	t.Parallel()
	keys := newIdentityKeys(t)
	for _, c := range []struct {
		name   string
		held   []string
		config []string
		env    string // SSH_AUTH_SOCK is the agent, when set
		want   string
	}{
		{"files as configured", nil, []string{"IdentityFile KEYS/c", "IdentityFile KEYS/a"}, "", "c a"},
		{"those in the agent first, as it lists them", []string{"c", "x", "a"}, []string{"IdentitiesOnly yes", "IdentityAgent SOCKET", "IdentityFile KEYS/a", "IdentityFile KEYS/rsa", "IdentityFile KEYS/c"}, "", "c a rsa"},
		{"the agent's others", []string{"x", "a"}, []string{"IdentityAgent SOCKET", "IdentityFile KEYS/a"}, "", "a x"},
		{"CertificateFile before everything", []string{"x", "a"}, []string{"IdentitiesOnly yes", "IdentityAgent SOCKET", "IdentityFile KEYS/a", "IdentityFile KEYS/c", "CertificateFile KEYS/c2-cert.pub"}, "", "c2-cert a c"},
		{"no neighbors with a CertificateFile", nil, []string{"IdentityFile KEYS/b", "IdentityFile KEYS/c", "CertificateFile KEYS/c2-cert.pub"}, "", "c2-cert b c"},
		{"the agent's certificate is another key", []string{"b-cert"}, []string{"IdentitiesOnly yes", "IdentityAgent SOCKET", "IdentityFile KEYS/a"}, "", "a"},
		{"IdentityAgent none", []string{"x"}, []string{"IdentityAgent none", "IdentityFile KEYS/a"}, "SSH_AUTH_SOCK", "a"},
		{"no IdentityAgent", []string{"x"}, []string{"IdentityFile KEYS/none"}, "SSH_AUTH_SOCK", "x"},
		{"IdentityAgent SSH_AUTH_SOCK", []string{"x"}, []string{"IdentityAgent SSH_AUTH_SOCK", "IdentityFile KEYS/none"}, "SSH_AUTH_SOCK", "x"},
		{"IdentityAgent with a variable", []string{"x"}, []string{"IdentityAgent $MY_AGENT", "IdentityFile KEYS/none"}, "MY_AGENT", "x"},
		{"IdentityAgent of a variable that is not set", []string{"x"}, []string{"IdentityAgent $NOT_SET", "IdentityFile KEYS/a"}, "SSH_AUTH_SOCK", "a"},
		{"PubkeyAcceptedAlgorithms", []string{"x", "rsa"}, []string{"IdentityAgent SOCKET", "IdentityFile KEYS/c", "IdentityFile KEYS/rsa", "PubkeyAcceptedAlgorithms ecdsa-sha2-nistp256,rsa-sha2-256"}, "", "rsa c"},
		{"RequiredRSASize", nil, []string{"IdentityFile KEYS/rsa", "IdentityFile KEYS/a", "RequiredRSASize 3072"}, "", "a"},
		{"a public key of the agent's", []string{"x", "a"}, []string{"IdentitiesOnly yes", "IdentityAgent SOCKET", "IdentityFile KEYS/x.pub"}, "", "x"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newIdentityEnv(t, keys, c.held, c.config...)
			env := map[string]string{}
			if c.env != "" {
				env[c.env] = w.agent
			}
			assert.Equal(t, c.want, strings.Join(w.bySSH(t, env), " "), "ssh")
			assert.Equal(t, c.want, strings.Join(w.byKis(t, env), " "), "kis")
		})
	}
}

func TestKeyOrderDiffersFromSSHsToSaveTries(t *testing.T) {
	t.Parallel()
	keys := newIdentityKeys(t)
	for _, c := range []struct {
		name     string
		held     []string
		config   []string
		ssh, kis string
	}{
		{"a named file before the agent's others", []string{"x"}, []string{"IdentityAgent SOCKET", "IdentityFile KEYS/a"}, "x a", "a x"},
		{"a certificate before its own key", nil, []string{"IdentityFile KEYS/b"}, "b b-cert", "b-cert b"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newIdentityEnv(t, keys, c.held, c.config...)
			assert.Equal(t, c.ssh, strings.Join(w.bySSH(t, nil), " "), "ssh")
			assert.Equal(t, c.kis, strings.Join(w.byKis(t, nil), " "), "kis")
		})
	}
}

func TestIdentityAgentTakesAVariableInBraces(t *testing.T) {
	w := newIdentityEnv(t, newIdentityKeys(t), []string{"x"}, "IdentityAgent ${KIS_TEST_AGENT}", "IdentityFile KEYS/none")
	t.Setenv("KIS_TEST_AGENT", w.agent) // ssh -G reads the real environment
	env := map[string]string{"KIS_TEST_AGENT": w.agent}
	assert.Equal(t, []string{"x"}, w.bySSH(t, env))
	assert.Equal(t, []string{"x"}, w.byKis(t, env))
}
