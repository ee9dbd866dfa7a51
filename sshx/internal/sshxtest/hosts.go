// Package sshxtest has what the tests of sshx and of its parts share: keys, hosts, agents and a
// user who answers prompts.
package sshxtest

import (
	"context"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"

	"github.com/keep-it-simple/kis/internal/sshtest"
	"github.com/keep-it-simple/kis/internal/testenv/opensshtest"
	"github.com/keep-it-simple/kis/sshx"
)

// StartHost starts an in-process host that accepts keys.
func StartHost(t testing.TB, o sshtest.Options, keys ...Key) *sshtest.Host {
	t.Helper()
	if o.Home == "" {
		o.Home = t.TempDir()
	}
	for _, k := range keys {
		o.AuthorizedKeys = append(o.AuthorizedKeys, k.Signer.PublicKey())
	}
	h, err := sshtest.Start(o)
	require.NoError(t, err)
	t.Cleanup(func() { _ = h.Close() })
	return h
}

// KnownHosts writes a known_hosts file.
func KnownHosts(t testing.TB, lines ...string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "known_hosts")
	text := strings.Join(append(lines, ""), "\n")
	require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	return file
}

// Target is a target for h under the name web1, with its host key known.
func Target(t testing.TB, h *sshtest.Host, keys ...Key) sshx.Target {
	t.Helper()
	target := TargetAt(h.Addr())
	target.UserKnownHostsFiles = []string{KnownHosts(t, h.KnownHostsLine())}
	for _, k := range keys {
		target.IdentityFiles = append(target.IdentityFiles, k.File)
	}
	return target
}

// TargetAt is a target for an address under the name web1, without known_hosts files.
func TargetAt(addr string) sshx.Target {
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

// TargetOn is a target for a real sshd whose first host key is known.
func TargetOn(t testing.TB, s *opensshtest.Server) sshx.Target {
	t.Helper()
	target := TargetAt(s.Addr)
	target.User = s.User
	target.IdentityFiles = []string{s.UserKey}
	target.UserKnownHostsFiles = []string{KnownHosts(t, s.HostKeyLine(t, 0))}
	return target
}

// Resolvers returns resolvers of the same configuration with and without ssh, with a home directory
// of their own.
func Resolvers(t testing.TB, config string) (withSSH, without sshx.Resolver) {
	t.Helper()
	home := t.TempDir()
	file := filepath.Join(home, "config")
	require.NoError(t, os.WriteFile(file, []byte(config), 0o600))
	getenv := func(name string) string {
		return map[string]string{"SSH_AUTH_SOCK": "/run/agent", "KEYS": "/keys"}[name]
	}
	withSSH = sshx.Resolver{ConfigFile: file, Home: home, Getenv: getenv}
	without = withSSH
	without.SSH = "none"
	return withSSH, without
}

// NewDialer returns a dialer that is closed with the test.
func NewDialer(t testing.TB) *sshx.Dialer {
	t.Helper()
	d := &sshx.Dialer{HandshakeTimeout: time.Minute} // a busy machine is no reason to fail
	t.Cleanup(func() { require.NoError(t, d.Close()) })
	return d
}

// Dial connects or fails the test. The client is closed with the test.
func Dial(t testing.TB, d *sshx.Dialer, target sshx.Target) *sshx.Client {
	t.Helper()
	c, err := d.Dial(Deadline(t), target)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	return c
}

// Deadline is a context that keeps a hanging test from hanging for long.
func Deadline(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// RefusedHostKey dials a host that must be refused after one connection and before authentication.
func RefusedHostKey(t testing.TB, h *sshtest.Host, target sshx.Target) *sshx.HostKeyError {
	t.Helper()
	_, err := NewDialer(t).Dial(Deadline(t), target)
	var e *sshx.HostKeyError
	require.ErrorAs(t, err, &e)
	require.Empty(t, h.Record().Auths)
	require.Equal(t, 1, h.Record().Connections)
	return e
}

// Fingerprint is the fingerprint of the key of a host.
func Fingerprint(h *sshtest.Host) string { return ssh.FingerprintSHA256(h.HostKey()) }

// Run runs a script on the standard input of a shell, so that the command line stays plain.
func Run(t testing.TB, c *sshx.Client, script string) (stdout, stderr string, err error) {
	t.Helper()
	p, err := c.Start(Deadline(t), "exec /bin/sh -s")
	require.NoError(t, err)
	_, err = io.WriteString(p.Stdin, script)
	require.NoError(t, err)
	require.NoError(t, p.Stdin.Close())
	out, err := io.ReadAll(p.Stdout)
	require.NoError(t, err)
	errs, err := io.ReadAll(p.Stderr)
	require.NoError(t, err)
	return string(out), string(errs), p.Wait()
}
