package sshx_test

import (
	"bufio"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"

	"github.com/keep-it-simple/kis/internal/opensshtest"
	"github.com/keep-it-simple/kis/internal/sshtest"
	"github.com/keep-it-simple/kis/sshx"
)

// key is a key pair of a test.
type key struct {
	private ed25519.PrivateKey
	signer  ssh.Signer
	file    string // OpenSSH format, mode 0600
}

func (k key) fingerprint() string { return ssh.FingerprintSHA256(k.signer.PublicKey()) }

func (k key) line() string { return string(ssh.MarshalAuthorizedKey(k.signer.PublicKey())) }

func newKey(t testing.TB) key {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	signer, err := ssh.NewSignerFromKey(private)
	require.NoError(t, err)
	block, err := ssh.MarshalPrivateKey(private, "test")
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "id_test")
	require.NoError(t, os.WriteFile(file, pem.EncodeToMemory(block), 0o600))
	return key{private, signer, file}
}

// newSealedKey writes a key that is encrypted, with one round instead of the
// usual sixteen or more: each takes a second of a race detector's time.
func newSealedKey(t testing.TB, passphrase string) key {
	t.Helper()
	file := filepath.Join(t.TempDir(), "id_test")
	opensshtest.Keygen(t, file, "ed25519", "-N", passphrase, "-a", "1")
	require.NoError(t, os.Remove(file+".pub"))
	raw, err := ssh.ParseRawPrivateKeyWithPassphrase([]byte(readText(t, file)), []byte(passphrase))
	require.NoError(t, err)
	private, ok := raw.(*ed25519.PrivateKey)
	require.True(t, ok)
	signer, err := ssh.NewSignerFromKey(*private)
	require.NoError(t, err)
	return key{*private, signer, file}
}

// startHost starts an in-process host that lets k in, if there is one.
func startHost(t testing.TB, o sshtest.Options, keys ...key) *sshtest.Host {
	t.Helper()
	if o.Home == "" {
		o.Home = t.TempDir()
	}
	for _, k := range keys {
		o.AuthorizedKeys = append(o.AuthorizedKeys, k.signer.PublicKey())
	}
	h, err := sshtest.Start(o)
	require.NoError(t, err)
	t.Cleanup(func() { _ = h.Close() })
	return h
}

// knownHosts writes a known_hosts file.
func knownHosts(t testing.TB, lines ...string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "known_hosts")
	text := ""
	for _, l := range lines {
		text += l + "\n"
	}
	require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	return file
}

// targetOf is a target for h under the name web1, with its key known.
func targetOf(t testing.TB, h *sshtest.Host, keys ...key) sshx.Target {
	t.Helper()
	target := targetAt(h.Addr())
	target.UserKnownHostsFiles = []string{knownHosts(t, h.KnownHostsLine())}
	for _, k := range keys {
		target.IdentityFiles = append(target.IdentityFiles, k.file)
	}
	return target
}

func targetAt(addr string) sshx.Target {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		panic(err)
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		panic(err)
	}
	return sshx.Target{Name: "web1", HostName: host, Port: n, User: "deploy"}
}

func newDialer(t testing.TB) *sshx.Dialer {
	t.Helper()
	d := &sshx.Dialer{HandshakeTimeout: time.Minute} // a busy machine is no reason to fail
	t.Cleanup(func() { require.NoError(t, d.Close()) })
	return d
}

// dial connects or fails the test; the client is closed with the test.
func dial(t testing.TB, d *sshx.Dialer, target sshx.Target) *sshx.Client {
	t.Helper()
	c, err := d.Dial(deadline(t), target)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	return c
}

// deadline is a context that keeps a hanging test from hanging for long.
func deadline(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// startAgent serves an in-process agent on a socket and returns its path.
func startAgent(t testing.TB, keys ...agent.AddedKey) string {
	t.Helper()
	ring := agent.NewKeyring()
	for _, k := range keys {
		require.NoError(t, ring.Add(k))
	}
	return serveAgent(t, ring)
}

func serveAgent(t testing.TB, ring agent.Agent) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "kis") //nolint:usetesting // t.TempDir can be too long for a socket
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })
	path := filepath.Join(dir, "agent")
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "unix", path)
	require.NoError(t, err)
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			serving.Go(func() {
				_ = agent.ServeAgent(ring, c)
				_ = c.Close()
			})
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		serving.Wait()
	})
	return path
}

// person answers prompts and counts them.
type person struct {
	mu      sync.Mutex
	answers []string // used up in order; the last one is repeated
	asked   []string
}

func (p *person) prompt(_ context.Context, question string, _ bool) (string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked = append(p.asked, question)
	if len(p.answers) == 0 {
		return "", errors.New("nobody answers")
	}
	a := p.answers[0]
	if len(p.answers) > 1 {
		p.answers = p.answers[1:]
	}
	return a, nil
}

func (p *person) questions() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string(nil), p.asked...)
}

// slowly answers after a while, as people do.
func (p *person) slowly(t testing.TB, wait time.Duration) sshx.Prompt {
	t.Helper()
	return func(ctx context.Context, question string, echo bool) (string, error) {
		<-time.After(wait)
		return p.prompt(ctx, question, echo)
	}
}

// tick is a second; tests wait for ten of them at most.
const tick = time.Second

func fingerprintOf(h *sshtest.Host) string { return ssh.FingerprintSHA256(h.HostKey()) }

// startSSHAgent starts OpenSSH's own agent and returns its socket.
func startSSHAgent(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "kis") //nolint:usetesting // t.TempDir can be too long for a socket
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })
	program, err := exec.LookPath("ssh-agent")
	require.NoError(t, err, "run: make setup")
	socket := filepath.Join(dir, "agent")
	ctx, cancel := context.WithCancel(context.Background()) // until the test's clean-up
	cmd := exec.CommandContext(ctx, program, "-D", "-a", socket)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		cancel()
		_ = cmd.Wait() // killed, as wanted
	})
	_, err = bufio.NewReader(out).ReadString('\n') // it says where it listens
	require.NoError(t, err)
	return socket
}
