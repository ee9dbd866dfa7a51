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

	"github.com/keep-it-simple/kis/internal/sshtest"
	"github.com/keep-it-simple/kis/internal/testenv/opensshtest"
	"github.com/keep-it-simple/kis/sshx"
	"github.com/keep-it-simple/kis/sshx/hostkey"
	"github.com/keep-it-simple/kis/sshx/internal/sshxtest"
)

// named is a target for h under a name of its own, logged in to as a user of that name.
func named(t *testing.T, name string, h *sshtest.Host, keys ...sshxtest.Key) sshx.Target {
	t.Helper()
	target := sshxtest.Target(t, h, keys...)
	target.Name, target.User = name, name
	return target
}

func TestAChainOfJumpHostsIsPassedInOrder(t *testing.T) {
	t.Parallel()
	ka, kb, kc := sshxtest.NewKey(t), sshxtest.NewKey(t), sshxtest.NewKey(t)
	a, b := sshxtest.StartHost(t, sshtest.Options{Forward: true}, ka), sshxtest.StartHost(t, sshtest.Options{Forward: true}, kb)
	d := sshxtest.NewDialer(t)
	for range 3 {
		h := sshxtest.StartHost(t, sshtest.Options{}, kc)
		target := sshxtest.Target(t, h, kc)
		target.Jump = []sshx.Target{named(t, "a", a, ka), named(t, "b", b, kb)}
		out, _, err := sshxtest.Run(t, sshxtest.Dial(t, d, target), "echo through")
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
	k := sshxtest.NewKey(t)
	a, b := sshxtest.StartHost(t, sshtest.Options{Forward: true}, k), sshxtest.StartHost(t, sshtest.Options{Forward: true}, k)
	h := sshxtest.StartHost(t, sshtest.Options{}, k)
	hosts := map[string]*sshtest.Host{"a": a, "b": b, "web1": h}
	for _, wrong := range []string{"a", "b", "web1"} {
		target := sshxtest.Target(t, h, k)
		target.Jump = []sshx.Target{named(t, "a", a, k), named(t, "b", b, k)}
		for _, hop := range []*sshx.Target{&target.Jump[0], &target.Jump[1], &target} {
			if hop.Name == wrong {
				hop.UserKnownHostsFiles = []string{sshxtest.KnownHosts(t, strings.Fields(hosts[wrong].KnownHostsLine())[0]+" "+sshxtest.NewKey(t).Line())}
			}
		}
		before := len(hosts[wrong].Record().Auths)
		_, err := sshxtest.NewDialer(t).Dial(sshxtest.Deadline(t), target)
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
	k := sshxtest.NewKey(t)
	b := sshxtest.StartHost(t, sshtest.Options{Forward: true}, k)
	dead := sshxtest.TargetAt("127.0.0.1:1")
	dead.Name = "a"
	target := sshxtest.TargetAt("127.0.0.1:2")
	target.Jump = []sshx.Target{dead, named(t, "b", b, k)}
	_, err := sshxtest.NewDialer(t).Dial(sshxtest.Deadline(t), target)
	require.EqualError(t, err, "jump host a: connect: 127.0.0.1:1: connection refused")
}

// Hosts that come after the failure learn of it without knocking again.
func TestADeadJumpHostIsNotTriedForEveryHost(t *testing.T) {
	t.Parallel()
	bastion := sshxtest.StartHost(t, sshtest.Options{Faults: sshtest.Faults{Drop: 1000}})
	jump := sshxtest.Target(t, bastion)
	jump.Name = "bastion"
	d := sshxtest.NewDialer(t)
	texts := map[string]bool{}
	for i := range 64 {
		target := sshxtest.TargetAt("127.0.0.1:1")
		target.Name = fmt.Sprintf("web%d", i)
		target.Jump = []sshx.Target{jump}
		_, err := d.Dial(sshxtest.Deadline(t), target)
		require.Error(t, err)
		texts[err.Error()] = true
	}
	assert.Equal(t, 3, bastion.Record().Connections)
	assert.Len(t, texts, 1)
}

// After a yes about the jump host's key it is dialed again at once.
func TestAJumpHostWhoseKeyWasAcceptedIsDialedAgain(t *testing.T) {
	t.Parallel()
	k := sshxtest.NewKey(t)
	bastion, h := sshxtest.StartHost(t, sshtest.Options{Forward: true}, k), sshxtest.StartHost(t, sshtest.Options{}, k)
	jump := named(t, "bastion", bastion, k)
	jump.UserKnownHostsFiles = []string{filepath.Join(t.TempDir(), "known_hosts")}
	target := sshxtest.Target(t, h, k)
	target.Jump = []sshx.Target{jump}
	d := sshxtest.NewDialer(t)
	_, err := d.Dial(sshxtest.Deadline(t), target)
	var e *sshx.HostKeyError
	require.ErrorAs(t, err, &e)
	_, again := d.Dial(sshxtest.Deadline(t), target)
	require.Same(t, err, again)
	require.NoError(t, e.Accept())
	sshxtest.Dial(t, d, target)
	assert.Equal(t, 2, bastion.Record().Connections)
}

// 64 hosts behind a bastion, which is as strict as its sshd can be made, as is the sshd that all 64
// names lead to: all logins succeed, and none is tried twice.
func TestOpenSSHWithTheStrictestMaxStartupsTakes64HostsBehindABastion(t *testing.T) {
	t.Parallel()
	strict := opensshtest.Options{Config: []string{"MaxStartups 3:50:6"}}
	bastion, web := opensshtest.Start(t, strict), opensshtest.Start(t, strict)
	jump := sshxtest.TargetOn(t, bastion)
	jump.Name = "bastion"
	d := sshxtest.NewDialer(t)
	var dials sync.WaitGroup
	for i := range 64 {
		target := sshxtest.TargetOn(t, web)
		target.Name = fmt.Sprintf("web%d", i)
		target.Jump = []sshx.Target{jump}
		dials.Go(func() {
			c, err := d.Dial(sshxtest.Deadline(t), target)
			if assert.NoError(t, err) {
				assert.NoError(t, c.Close())
			}
		})
	}
	dials.Wait()
	// The last line of a log can be written after the event.
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
	known := sshxtest.KnownHosts(t, a.HostKeyLine(t, 0), b.HostKeyLine(t, 0), web.HostKeyLine(t, 0))
	for name, s := range map[string]*opensshtest.Server{"a": a, "b": b, "web1": web} {
		fmt.Fprintf(&config, "Host %s\n HostName 127.0.0.1\n Port %d\n User %s\n IdentityFile %s\n", name, s.Port, s.User, s.UserKey)
	}
	fmt.Fprintf(&config, "Host b\n ProxyJump a\nHost web1\n ProxyJump b\nHost *\n IdentitiesOnly yes\n IdentityAgent none\n UserKnownHostsFile %s\n", known)
	withSSH, _ := sshxtest.Resolvers(t, "")
	require.NoError(t, os.WriteFile(withSSH.ConfigFile, []byte(config.String()), 0o600))
	// ssh gets there with the same file.
	assert.Equal(t, "through\n", opensshtest.Run(t, "ssh", "-F", withSSH.ConfigFile, "-o", "BatchMode=yes", "-o", "LogLevel=ERROR", "web1", "echo through"))
	target, err := withSSH.Resolve(t.Context(), sshx.Host{Name: "web1"})
	require.NoError(t, err)
	out, _, err := sshxtest.Run(t, sshxtest.Dial(t, sshxtest.NewDialer(t), target), "echo through")
	require.NoError(t, err)
	assert.Equal(t, "through\n", out)
	for _, s := range []*opensshtest.Server{a, b, web} {
		assert.Equal(t, 2, strings.Count(s.Log(), "Accepted publickey"))
	}
}

// A pinned host behind a jump host that is checked by known_hosts.
func TestAPinIsForItsHostOnly(t *testing.T) {
	t.Parallel()
	k := sshxtest.NewKey(t)
	bastion, h := sshxtest.StartHost(t, sshtest.Options{Forward: true}, k), sshxtest.StartHost(t, sshtest.Options{}, k)
	target := sshxtest.Target(t, h, k)
	target.UserKnownHostsFiles, target.HostKey = nil, hostkey.Pin{Fingerprint: ssh.FingerprintSHA256(h.HostKey())}
	jump := named(t, "bastion", bastion, k)
	target.Jump = []sshx.Target{jump}
	sshxtest.Dial(t, sshxtest.NewDialer(t), target)

	target.Jump[0].UserKnownHostsFiles = nil
	_, err := sshxtest.NewDialer(t).Dial(sshxtest.Deadline(t), target)
	require.ErrorContains(t, err, "jump host bastion: host key: unknown")
}
