package sshx_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"

	"github.com/keep-it-simple/kis/internal/opensshtest"
	"github.com/keep-it-simple/kis/internal/sshtest"
	"github.com/keep-it-simple/kis/sshx"
	"github.com/keep-it-simple/kis/sshx/hostkey"
)

// named is a target for h under a name of its own, logged in to as a user of that name.
func named(t *testing.T, name string, h *sshtest.Host, keys ...key) sshx.Target {
	t.Helper()
	target := targetOf(t, h, keys...)
	target.Name, target.User = name, name
	return target
}

func TestAChainOfJumpHostsIsPassedInOrder(t *testing.T) {
	t.Parallel()
	ka, kb, kc := newKey(t), newKey(t), newKey(t)
	a, b := startHost(t, sshtest.Options{Forward: true}, ka), startHost(t, sshtest.Options{Forward: true}, kb)
	d := newDialer(t)
	for range 3 {
		h := startHost(t, sshtest.Options{}, kc)
		target := targetOf(t, h, kc)
		target.Jump = []sshx.Target{named(t, "a", a, ka), named(t, "b", b, kb)}
		out, _, err := sh(t, dial(t, d, target), "echo through")
		require.NoError(t, err)
		assert.Equal(t, "through\n", out)
	}
	assert.Equal(t, 1, a.Record().Connections)
	assert.Equal(t, []string{"direct-tcpip"}, a.Record().Channels, "one way to b, for all hosts")
	assert.Equal(t, 1, b.Record().Connections)
	assert.Len(t, b.Record().Channels, 3)
	for name, h := range map[string]*sshtest.Host{"a": a, "b": b} {
		for _, auth := range h.Record().Auths {
			assert.Equal(t, name, auth.User)
		}
	}
}

// Each host of a chain is held to the keys that are known under its own name.
func TestEveryHostOfAChainIsChecked(t *testing.T) {
	t.Parallel()
	k := newKey(t)
	a, b := startHost(t, sshtest.Options{Forward: true}, k), startHost(t, sshtest.Options{Forward: true}, k)
	h := startHost(t, sshtest.Options{}, k)
	hosts := map[string]*sshtest.Host{"a": a, "b": b, "web1": h}
	for _, wrong := range []string{"a", "b", "web1"} {
		target := targetOf(t, h, k)
		target.Jump = []sshx.Target{named(t, "a", a, k), named(t, "b", b, k)}
		for _, hop := range []*sshx.Target{&target.Jump[0], &target.Jump[1], &target} {
			if hop.Name == wrong {
				hop.UserKnownHostsFiles = []string{knownHosts(t, strings.Fields(hosts[wrong].KnownHostsLine())[0]+" "+newKey(t).line())}
			}
		}
		before := len(hosts[wrong].Record().Auths)
		_, err := newDialer(t).Dial(deadline(t), target)
		var e *sshx.HostKeyError
		require.ErrorAs(t, err, &e)
		assert.Equal(t, wrong, e.Host)
		assert.Equal(t, hostkey.Changed, e.Kind)
		assert.Len(t, hosts[wrong].Record().Auths, before, "nothing was sent to %s", wrong)
	}
}

// The jump host that is down is the one that is named, whatever lies behind it.
func TestTheFirstDeadHostOfAChainIsNamed(t *testing.T) {
	t.Parallel()
	k := newKey(t)
	b := startHost(t, sshtest.Options{Forward: true}, k)
	dead := targetAt("127.0.0.1:1")
	dead.Name = "a"
	target := targetAt("127.0.0.1:2")
	target.Jump = []sshx.Target{dead, named(t, "b", b, k)}
	_, err := newDialer(t).Dial(deadline(t), target)
	require.EqualError(t, err, "jump host a: connect: 127.0.0.1:1: connection refused")
}

// Hosts that come after the failure learn of it without knocking again.
func TestADeadJumpHostIsNotTriedForEveryHost(t *testing.T) {
	t.Parallel()
	bastion := startHost(t, sshtest.Options{Faults: sshtest.Faults{Drop: 1000}})
	jump := targetOf(t, bastion)
	jump.Name = "bastion"
	d := newDialer(t)
	texts := map[string]bool{}
	for i := range 64 {
		target := targetAt("127.0.0.1:1")
		target.Name = fmt.Sprintf("web%d", i)
		target.Jump = []sshx.Target{jump}
		_, err := d.Dial(deadline(t), target)
		require.Error(t, err)
		texts[err.Error()] = true
	}
	assert.Equal(t, 3, bastion.Record().Connections)
	assert.Len(t, texts, 1)
}

// After a yes about the jump host's key it is dialed again at once.
func TestAJumpHostWhoseKeyWasAcceptedIsDialedAgain(t *testing.T) {
	t.Parallel()
	k := newKey(t)
	bastion, h := startHost(t, sshtest.Options{Forward: true}, k), startHost(t, sshtest.Options{}, k)
	jump := named(t, "bastion", bastion, k)
	jump.UserKnownHostsFiles = []string{filepath.Join(t.TempDir(), "known_hosts")}
	target := targetOf(t, h, k)
	target.Jump = []sshx.Target{jump}
	d := newDialer(t)
	_, err := d.Dial(deadline(t), target)
	var e *sshx.HostKeyError
	require.ErrorAs(t, err, &e)
	_, again := d.Dial(deadline(t), target)
	require.Same(t, err, again)
	require.NoError(t, e.Accept())
	dial(t, d, target)
	assert.Equal(t, 2, bastion.Record().Connections)
}

func TestChainsAreResolvedUnderTheirOwnNames(t *testing.T) {
	t.Parallel()
	withSSH, without := resolvers(t, `Host web1
 ProxyJump a,me@b:2200
Host a
 HostName 192.0.2.1
 ProxyJump c
 HostKeyAlias alias-of-a
Host b
 HostName 192.0.2.2
 IdentityFile /keys/b
 ProxyJump never
Host c
 Port 2022
 ProxyCommand nc %h %p
Host *
 User everybody
`)
	for _, r := range []sshx.Resolver{withSSH, without} {
		target, err := r.Resolve(t.Context(), sshx.Host{Name: "web1"})
		require.NoError(t, err)
		var way []string
		for _, j := range target.Jump {
			way = append(way, fmt.Sprintf("%s=%s@%s:%d", j.Name, j.User, j.HostName, j.Port))
			assert.Empty(t, j.Jump)
		}
		assert.Equal(t, []string{"c=everybody@c:2022", "a=everybody@192.0.2.1:22", "b=me@192.0.2.2:2200"}, way)
		assert.NotEmpty(t, target.Jump[0].ProxyCommand)
		assert.Equal(t, "alias-of-a", target.Jump[1].HostKeyAlias)
		assert.Equal(t, []string{"/keys/b"}, target.Jump[2].IdentityFiles)
		assert.Contains(t, target.Jump[2].Settings, sshx.Setting{Name: "user", Value: "me", Source: "ProxyJump"})
		assert.Equal(t, "everybody", target.User)
	}
}

func TestJumpHostsInACircleAreRefused(t *testing.T) {
	t.Parallel()
	for _, config := range []string{
		"Host *\n ProxyJump bastion\n",
		"Host web1\n ProxyJump a\nHost a\n ProxyJump b\nHost b\n ProxyJump a\n",
		"Host web1\n ProxyJump a\nHost a\n ProxyJump web1\n",
	} {
		withSSH, without := resolvers(t, config)
		for _, r := range []sshx.Resolver{withSSH, without} {
			_, err := r.Resolve(t.Context(), sshx.Host{Name: "web1"})
			require.ErrorContains(t, err, "web1: ", config)
			if r.SSH == "none" { // a newer ssh sees some circles itself
				require.ErrorContains(t, err, "is reached through itself")
			}
		}
	}
}

// 64 hosts behind a bastion, which is as strict as its sshd can be made, as is
// the sshd that all 64 names lead to: nobody is lost, and nobody tried to log in
// twice.
func TestOpenSSHWithTheStrictestMaxStartupsTakes64HostsBehindABastion(t *testing.T) {
	t.Parallel()
	strict := opensshtest.Options{Config: []string{"MaxStartups 3:50:6"}}
	bastion, web := opensshtest.Start(t, strict), opensshtest.Start(t, strict)
	jump := targetOn(t, bastion)
	jump.Name = "bastion"
	d := newDialer(t)
	var dials sync.WaitGroup
	for i := range 64 {
		target := targetOn(t, web)
		target.Name = fmt.Sprintf("web%d", i)
		target.Jump = []sshx.Target{jump}
		dials.Go(func() {
			c, err := d.Dial(deadline(t), target)
			if assert.NoError(t, err) {
				assert.NoError(t, c.Close())
			}
		})
	}
	dials.Wait()
	// The last line of a log may come after what it tells of.
	accepted := func(s *opensshtest.Server) int { return strings.Count(s.Log(), "Accepted publickey") }
	assert.Eventually(t, func() bool { return accepted(web) >= 64 && accepted(bastion) >= 1 }, 10*time.Second, 10*time.Millisecond)
	assert.Equal(t, 1, accepted(bastion))
	assert.Equal(t, 64, accepted(web))
	assert.NotContains(t, web.Log(), "Failed ")
}

func TestOpenSSHThroughAChain(t *testing.T) {
	t.Parallel()
	a, b, web := opensshtest.Start(t, opensshtest.Options{}), opensshtest.Start(t, opensshtest.Options{}), opensshtest.Start(t, opensshtest.Options{})
	var config strings.Builder
	known := knownHosts(t, a.HostKeyLine(t, 0), b.HostKeyLine(t, 0), web.HostKeyLine(t, 0))
	for name, s := range map[string]*opensshtest.Server{"a": a, "b": b, "web1": web} {
		fmt.Fprintf(&config, "Host %s\n HostName 127.0.0.1\n Port %d\n User %s\n IdentityFile %s\n", name, s.Port, s.User, s.UserKey)
	}
	fmt.Fprintf(&config, "Host b\n ProxyJump a\nHost web1\n ProxyJump b\nHost *\n IdentitiesOnly yes\n IdentityAgent none\n UserKnownHostsFile %s\n", known)
	withSSH, _ := resolvers(t, "")
	require.NoError(t, os.WriteFile(withSSH.ConfigFile, []byte(config.String()), 0o600))
	// ssh gets there with the same file.
	assert.Equal(t, "through\n", opensshtest.Run(t, "ssh", "-F", withSSH.ConfigFile, "-o", "BatchMode=yes", "-o", "LogLevel=ERROR", "web1", "echo through"))
	target, err := withSSH.Resolve(t.Context(), sshx.Host{Name: "web1"})
	require.NoError(t, err)
	out, _, err := sh(t, dial(t, newDialer(t), target), "echo through")
	require.NoError(t, err)
	assert.Equal(t, "through\n", out)
	for _, s := range []*opensshtest.Server{a, b, web} {
		assert.Equal(t, 2, strings.Count(s.Log(), "Accepted publickey"))
	}
}

// A pinned host behind a jump host that is checked by known_hosts.
func TestAPinIsForItsHostOnly(t *testing.T) {
	t.Parallel()
	k := newKey(t)
	bastion, h := startHost(t, sshtest.Options{Forward: true}, k), startHost(t, sshtest.Options{}, k)
	target := targetOf(t, h, k)
	target.UserKnownHostsFiles, target.HostKey = nil, hostkey.Pin{Fingerprint: ssh.FingerprintSHA256(h.HostKey())}
	jump := named(t, "bastion", bastion, k)
	target.Jump = []sshx.Target{jump}
	dial(t, newDialer(t), target)

	target.Jump[0].UserKnownHostsFiles = nil
	_, err := newDialer(t).Dial(deadline(t), target)
	require.ErrorContains(t, err, "jump host bastion: host key: unknown")
}
