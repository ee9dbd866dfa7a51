package hostkey_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/testenv/opensshtest"
	"github.com/keep-it-simple/kis/sshx"
	"github.com/keep-it-simple/kis/sshx/hostkey"
	"github.com/keep-it-simple/kis/sshx/internal/sshxtest"
)

// sshDecision asks the real client what it makes of a host key. It never gets past authentication:
// there is no key to offer.
func sshDecision(t *testing.T, s *opensshtest.Server, name string, options ...string) string {
	t.Helper()
	args := []string{
		"-F", "none", "-o", "BatchMode=yes", "-o", "IdentityFile=none", "-o", "IdentityAgent=none", "-o", "GlobalKnownHostsFile=none",
		"-o", "PreferredAuthentications=publickey", "-o", "ConnectTimeout=10", "-p", fmt.Sprint(s.Port),
	}
	for _, o := range options {
		args = append(args, "-o", o)
	}
	return sshDecides(t, append(args, "--", name, "true")...)
}

// sshDecides runs ssh and sorts what it says of the host key.
func sshDecides(t *testing.T, args ...string) string {
	t.Helper()
	return sshDecidesAs(t, func(*exec.Cmd) {}, args...)
}

// sshDecidesAs is sshDecides of a command that is changed first.
func sshDecidesAs(t *testing.T, change func(*exec.Cmd), args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, "ssh", args...)
	change(cmd)
	out, err := cmd.CombinedOutput()
	require.Error(t, err)
	text := string(out)
	switch {
	case strings.Contains(text, "Permission denied"):
		return "ok"
	case strings.Contains(text, "REVOKED HOST KEY DETECTED"):
		return string(hostkey.Revoked)
	case strings.Contains(text, "IDENTIFICATION HAS CHANGED"):
		return string(hostkey.Changed)
	case strings.Contains(text, "No ED25519 host key is known") || strings.Contains(text, "host key is known for") || strings.Contains(text, "Host key verification failed"):
		return string(hostkey.Unknown)
	}
	require.Fail(t, "ssh says something new", "%s", text)
	return ""
}

// ourDecision is the same question to kis.
func ourDecision(t *testing.T, target sshx.Target) string {
	t.Helper()
	c, err := sshxtest.NewDialer(t).Dial(sshxtest.Deadline(t), target)
	var key *sshx.HostKeyError
	var auth *sshx.AuthError
	switch {
	case err == nil:
		require.NoError(t, c.Close())
		return "ok"
	case errors.As(err, &key):
		return string(key.Kind)
	case errors.As(err, &auth):
		return "ok"
	}
	require.NoError(t, err)
	return ""
}

// Every known_hosts file gets the decision that ssh makes of it.
func TestHostKeyDecisionsAreSSHs(t *testing.T) {
	t.Parallel()
	s := opensshtest.Start(t, opensshtest.Options{HostKeyTypes: []string{"ed25519", "ecdsa", "rsa"}})
	certified := certifiedHost(t, "127.0.0.1")
	elsewhere := certifiedHost(t, "elsewhere.example.org")
	wildcard := certifiedHost(t, "127.0.0.*")
	ed, ec, rsa := s.PublicHostKey(t, 0), s.PublicHostKey(t, 1), s.PublicHostKey(t, 2)
	other := opensshtest.PublicKey(t, s.UserKey)
	at := fmt.Sprintf("[127.0.0.1]:%d ", s.Port)
	hashed := func(line string) string {
		file := sshxtest.KnownHosts(t, line)
		opensshtest.Run(t, "ssh-keygen", "-q", "-H", "-f", file)
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		return strings.TrimSpace(string(text))
	}
	for _, c := range []struct {
		name  string
		lines []string
		on    *certifiedServer // nil: s
	}{
		{"empty", nil, nil},
		{"ed25519 only", []string{at + ed}, nil},
		{"ecdsa only", []string{at + ec}, nil},
		{"rsa only", []string{at + rsa}, nil},
		{"hashed", []string{hashed(at + ed)}, nil},
		{"hashed, another key", []string{hashed(at + other)}, nil},
		{"another key", []string{at + other}, nil},
		{"another key and the right one", []string{at + other, at + ed}, nil},
		{"right rsa key and a changed ed25519 key", []string{at + rsa, at + other}, nil},
		{"changed ed25519 key and right ecdsa key", []string{at + other, at + ec}, nil},
		{"another port", []string{"[127.0.0.1]:1 " + ed}, nil},
		{"no port", []string{"127.0.0.1 " + ed}, nil},
		{"no port, hashed", []string{hashed("127.0.0.1 " + ed)}, nil},
		{"no port, another key", []string{"127.0.0.1 " + other}, nil},
		{"no port, rsa only", []string{"127.0.0.1 " + rsa}, nil},
		{"no port right, port changed", []string{"127.0.0.1 " + ed, at + other}, nil},
		{"star", []string{"* " + ed}, nil},
		{"star, another key", []string{"* " + other}, nil},
		{"wildcard without port", []string{"127.0.0.* " + ed}, nil},
		{"wildcard without port, another key", []string{"127.0.0.* " + other}, nil},
		{"wildcard with port", []string{"[127.0.0.*]:* " + ed}, nil},
		{"question mark", []string{"[127.0.0.?]:* " + ed}, nil},
		{"negated", []string{"*,![127.0.0.1]:* " + ed}, nil},
		{"several names", []string{"web9,[127.0.0.1]:" + fmt.Sprint(s.Port) + " " + ed}, nil},
		{"comment at the end", []string{at + ed + " someone's comment"}, nil},
		{"bad base64 before", []string{at + "ssh-ed25519 AAAA!!!!", at + ed}, nil},
		{"bad base64 only", []string{at + "ssh-ed25519 AAAA!!!!"}, nil},
		{"ssh-1 line before", []string{at + "2048 65537 1234567890", at + ed}, nil},
		{"unknown key type before", []string{at + "ssh-mldsa44-ed25519@openssh.com AAAA", at + ed}, nil},
		{"unknown marker", []string{"@nonsense " + at + ed}, nil},
		{"malformed hash", []string{"|1|x|y " + ed}, nil},
		{"revoked", []string{at + ed, "@revoked * " + ed}, nil},
		{"revoked for another host", []string{at + ed, "@revoked web9 " + ed}, nil},
		{"revoked only", []string{"@revoked * " + ed}, nil},
		{"another key revoked", []string{at + ed, "@revoked * " + other}, nil},
		{"authority for a host without certificate", []string{"@cert-authority * " + other}, nil},
		{"authority", []string{"@cert-authority * CA"}, certified},
		{"authority with port", []string{"@cert-authority AT CA"}, certified},
		{"authority without port", []string{"@cert-authority 127.0.0.1 CA"}, certified},
		{"authority of others", []string{"@cert-authority web9 CA"}, certified},
		{"another authority", []string{"@cert-authority * " + other}, certified},
		{"another authority, plain key known", []string{"@cert-authority * " + other, "AT KEY"}, certified},
		{"certificate, only the plain key known", []string{"AT KEY"}, certified},
		{"authority, certificate for another name", []string{"@cert-authority * CA"}, elsewhere},
		{"authority, certificate for another name, plain key known", []string{"@cert-authority * CA", "AT KEY"}, elsewhere},
		{"authority, certificate with a wildcard", []string{"@cert-authority * CA"}, wildcard},
		{"authority revoked", []string{"@cert-authority * CA", "@revoked * CA"}, certified},
		{"certified key revoked", []string{"@cert-authority * CA", "@revoked * KEY"}, certified},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			server, lines := s, c.lines
			if c.on != nil {
				server = c.on.Server
				lines = c.on.fill(t, lines)
			}
			file := sshxtest.KnownHosts(t, lines...)
			want := sshDecision(t, server, "127.0.0.1", "StrictHostKeyChecking=yes", "UserKnownHostsFile="+file)
			target := sshxtest.TargetOn(t, server)
			target.UserKnownHostsFiles = []string{file}
			assert.Equal(t, want, ourDecision(t, target))
		})
	}
}

func TestHostKeyAliasesAreSSHs(t *testing.T) {
	t.Parallel()
	s := opensshtest.Start(t, opensshtest.Options{})
	key := s.PublicHostKey(t, 0)
	for _, line := range []string{"alias " + key, "Alias " + key, fmt.Sprintf("[alias]:%d %s", s.Port, key), "127.0.0.1 " + key, s.HostKeyLine(t, 0)} {
		file := sshxtest.KnownHosts(t, line)
		want := sshDecision(t, s, "127.0.0.1", "HostKeyAlias=alias", "StrictHostKeyChecking=yes", "UserKnownHostsFile="+file)
		target := sshxtest.TargetOn(t, s)
		target.HostKeyAlias = "alias"
		target.UserKnownHostsFiles = []string{file}
		assert.Equal(t, want, ourDecision(t, target), line)
	}
}

// certifiedServer is an sshd whose host key an authority has signed.
type certifiedServer struct {
	*opensshtest.Server
	authority string
}

func certifiedHost(t *testing.T, principal string) *certifiedServer {
	t.Helper()
	dir := t.TempDir()
	ca, key := filepath.Join(dir, "ca"), filepath.Join(dir, "host")
	opensshtest.Keygen(t, ca, "ed25519")
	// Another type than the authority's: the two must not be mixed up.
	opensshtest.Keygen(t, key, "ecdsa")
	opensshtest.Run(t, "ssh-keygen", "-q", "-s", ca, "-h", "-I", "test", "-n", principal, key+".pub")
	s := opensshtest.Start(t, opensshtest.Options{HostKeyTypes: []string{"ecdsa"}, Overrides: []string{"HostKey " + key, "HostCertificate " + key + "-cert.pub"}})
	s.HostKeys = []string{key}
	return &certifiedServer{s, ca}
}

func (c *certifiedServer) fill(t *testing.T, lines []string) []string {
	t.Helper()
	r := strings.NewReplacer("CA", opensshtest.PublicKey(t, c.authority), "KEY", c.PublicHostKey(t, 0), "AT", fmt.Sprintf("[127.0.0.1]:%d", c.Port))
	var filled []string
	for _, l := range lines {
		if i := strings.Index(l, "ssh-ed25519 "); i >= 0 { // a real key may contain the words
			filled = append(filled, r.Replace(l[:i])+l[i:])
			continue
		}
		filled = append(filled, r.Replace(l))
	}
	return filled
}

func TestOpenSSHByIPv6Literal(t *testing.T) {
	t.Parallel()
	s := opensshtest.Start(t, opensshtest.Options{Overrides: []string{"ListenAddress ::1"}})
	key := s.PublicHostKey(t, 0)
	for _, line := range []string{fmt.Sprintf("[::1]:%d %s", s.Port, key), "::1 " + key, fmt.Sprintf("[0:0::1]:%d %s", s.Port, key)} {
		file := sshxtest.KnownHosts(t, line)
		want := sshDecision(t, s, "::1", "StrictHostKeyChecking=yes", "UserKnownHostsFile="+file)
		target := sshxtest.TargetOn(t, s)
		target.HostName, target.UserKnownHostsFiles = "::1", []string{file}
		assert.Equal(t, want, ourDecision(t, target), line)
	}
	// Through a jump host, too.
	bastion := opensshtest.Start(t, opensshtest.Options{})
	target := sshxtest.TargetOn(t, s)
	target.HostName, target.Jump = "::1", []sshx.Target{sshxtest.TargetOn(t, bastion)}
	target.UserKnownHostsFiles = []string{sshxtest.KnownHosts(t, fmt.Sprintf("[::1]:%d %s", s.Port, key))}
	sshxtest.Dial(t, sshxtest.NewDialer(t), target)
}
