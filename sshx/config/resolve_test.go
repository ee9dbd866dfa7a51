package config_test

import (
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/sshx"
	"github.com/keep-it-simple/kis/sshx/config"
	"github.com/keep-it-simple/kis/sshx/hostkey"
	"github.com/keep-it-simple/kis/sshx/internal/sshxtest"
)

// comparable drops what the two readers may say differently: sources, lists of algorithms, whose
// default is each one's own, and the default identities, of which each ssh has its own list.
func comparable(t sshx.Target) sshx.Target {
	t.Settings = nil
	t.KexAlgorithms, t.Ciphers, t.MACs = nil, nil, nil
	t.CASignatureAlgorithms = slices.Sorted(slices.Values(t.CASignatureAlgorithms))
	if t.DefaultIdentities {
		t.IdentityFiles = nil
	}
	for i := range t.Jump {
		t.Jump[i] = comparable(t.Jump[i])
	}
	return t
}

// Both readers come to the same settings, or the one without ssh refuses. It never silently says
// something else.
func TestBothReadersAgreeOrTheOneWithoutSSHRefuses(t *testing.T) {
	t.Parallel()
	both, onlySSH := true, false
	for _, c := range []struct {
		name, config string
		both         bool
	}{
		{"nothing", "", both},
		{"plain", "Host web1\n HostName 192.0.2.1\n Port 2222\n User deploy\n", both},
		{"first value wins", "Host web1\n User a\nHost *\n User b\n Port 2200\n", both},
		{"negation", "Host * !web1\n User a\nHost web*\n User b\n", both},
		{"equals signs", "Host=web1\n User=a\n Port = 2222\n", both},
		{"line ends of Windows", "Host web1\r\n User a\r\n", both},
		{"comments", "# top\nHost web1 # trailing\n User a # trailing\n", both},
		{"quoted values", "Host web1\n User \"a\"\n", both},
		{"upper case keywords", "HOST web1\n USER a\n", both},
		{"host name token", "Host web1\n HostName %h.example.org\n", both},
		{"upper case host name", "Host web1\n HostName WEB1.Example.ORG\n", both},
		{"times", "Host web1\n ConnectTimeout 1m30s\n ServerAliveInterval 20s\n ServerAliveCountMax 5\n", both},
		{"booleans", "Host web1\n IdentitiesOnly yes\n BatchMode true\n PasswordAuthentication no\n HashKnownHosts yes\n", both},
		{"known hosts", "Host web1\n UserKnownHostsFile /a /b\n GlobalKnownHostsFile none\n HostKeyAlias alias\n StrictHostKeyChecking accept-new\n", both},
		{"strict no", "Host web1\n StrictHostKeyChecking no\n", both},
		{"strict off", "Host web1\n StrictHostKeyChecking off\n", both},
		{"strict yes", "Host web1\n StrictHostKeyChecking yes\n", both},
		{"certificates", "Host web1\n CertificateFile /c/%h-cert.pub\n CertificateFile ~/c2\n", both},
		{"agent by path", "Host web1\n IdentityAgent ~/agent.sock\n", both},
		{"no agent", "Host web1\n IdentityAgent none\n", both},
		{"agent by variable", "Host web1\n IdentityAgent SSH_AUTH_SOCK\n", both},
		{"address family", "Host web1\n AddressFamily inet6\n", both},
		{"methods", "Host web1\n PreferredAuthentications password,publickey\n PubkeyAuthentication no\n KbdInteractiveAuthentication no\n", both},
		{"host key algorithms", "Host web1\n HostKeyAlgorithms rsa-sha2-512,ssh-ed25519\n", both},
		{"host key algorithms removed", "Host web1\n HostKeyAlgorithms -ssh-ed25519*\n", both},
		{"jump", "Host web1\n ProxyJump me@bastion:2200\nHost bastion\n HostName 192.0.2.9\n", both},
		{"jump none", "Host web1\n ProxyJump none\nHost *\n ProxyJump bastion\n", both},
		{"match all", "Match all\n User a\n", both},
		{"match host", "Match host web1\n User a\n", onlySSH},
		{"match final", "Match final all\n Port 2222\n", onlySSH},
		{"match exec", "Match exec true\n Port 2222\n", onlySSH},
		{"match user", "Match host web1 user nobody-has-this\n Port 2222\n", onlySSH},
		{"tab between patterns", "Host web0\tweb1\n User a\n", onlySSH},
		{"quoted pattern", "Host \"web1\"\n User a\n", onlySSH},
		{"question mark", "Host web1?\n User a\n", onlySSH},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			withSSH, without := sshxtest.Resolvers(t, c.config)
			want, err := withSSH.Resolve(t.Context(), sshx.Host{Name: "web1"})
			require.NoError(t, err)
			got, err := without.Resolve(t.Context(), sshx.Host{Name: "web1"})
			if !c.both {
				require.ErrorIs(t, err, config.ErrUnsupported)
				assert.ErrorContains(t, err, without.ConfigFile+":1: ")
				return
			}
			require.NoError(t, err)
			// ssh knows the real home only, so paths under ~ are compared apart.
			assert.Len(t, got.UserKnownHostsFiles, len(want.UserKnownHostsFiles))
			if c.name != "known hosts" {
				want.UserKnownHostsFiles, got.UserKnownHostsFiles = nil, nil
				for i := range want.Jump {
					want.Jump[i].UserKnownHostsFiles, got.Jump[i].UserKnownHostsFiles = nil, nil
				}
			}
			if c.name == "agent by path" {
				assert.Equal(t, "agent.sock", filepath.Base(want.IdentityAgent))
				assert.Equal(t, filepath.Join(without.Home, "agent.sock"), got.IdentityAgent)
				want.IdentityAgent, got.IdentityAgent = "", ""
			}
			assert.Equal(t, comparable(want), comparable(got))
		})
	}
}

func TestIncludesAreFollowedWithoutSSH(t *testing.T) {
	t.Parallel()
	_, without := sshxtest.Resolvers(t, "Include ~/.ssh/config.d/*.conf\nInclude more\nInclude missing\nHost web1\n User last\n Port 2201\n")
	dir := filepath.Join(without.Home, ".ssh", "config.d")
	require.NoError(t, os.MkdirAll(dir, 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "a.conf"), []byte("Host web1\n User first\n"), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "..", "more"), []byte("Host web1\n HostName 192.0.2.7\n"), 0o600))
	got, err := without.Resolve(t.Context(), sshx.Host{Name: "web1"})
	require.NoError(t, err)
	assert.Equal(t, "first", got.User)
	assert.Equal(t, "192.0.2.7", got.HostName)
	assert.Equal(t, 2201, got.Port)

	bad := filepath.Join(dir, "b.conf")
	require.NoError(t, os.WriteFile(bad, []byte("# one\nMatch user bob\n User x\n"), 0o600))
	_, err = without.Resolve(t.Context(), sshx.Host{Name: "web1"})
	require.ErrorIs(t, err, config.ErrUnsupported)
	assert.ErrorContains(t, err, bad+":2: Match user bob")
}

func TestTheInventoryOverridesSSHConfig(t *testing.T) {
	t.Parallel()
	k := sshxtest.NewKey(t)
	withSSH, without := sshxtest.Resolvers(t, "Host *\n User a\n Port 2200\n HostName 192.0.2.1\n ProxyCommand nc %h %p\n IdentityFile /other\n")
	for _, r := range []sshx.Resolver{withSSH, without} {
		got, err := r.Resolve(t.Context(), sshx.Host{
			Name: "web1", Address: "fe80::1%eth0", User: "deploy", Port: 22, IdentityFile: k.File, Jump: "none", HostKey: k.Fingerprint(),
		})
		require.NoError(t, err)
		assert.Equal(t, "fe80::1%eth0", got.HostName)
		assert.Equal(t, "deploy", got.User)
		assert.Equal(t, 22, got.Port)
		assert.Equal(t, []string{k.File}, got.IdentityFiles)
		assert.False(t, got.DefaultIdentities)
		assert.Equal(t, k.Fingerprint(), got.HostKey.Fingerprint)
		assert.Empty(t, got.Jump)
		assert.Contains(t, got.Settings, sshx.Setting{Name: "user", Value: "deploy", Source: "inventory"})
	}
}

func TestSettingsNameTheirSource(t *testing.T) {
	t.Parallel()
	withSSH, without := sshxtest.Resolvers(t, "Host *\n User a\n")
	got, err := withSSH.Resolve(t.Context(), sshx.Host{Name: "web1"})
	require.NoError(t, err)
	assert.Contains(t, got.Settings, sshx.Setting{Name: "user", Value: "a", Source: "ssh_config"})
	got, err = without.Resolve(t.Context(), sshx.Host{Name: "web1"})
	require.NoError(t, err)
	assert.Contains(t, got.Settings, sshx.Setting{Name: "user", Value: "a", Source: without.ConfigFile})
	assert.Contains(t, got.Settings, sshx.Setting{Name: "port", Value: "22", Source: "default"})
}

func TestDefaultsAreComplete(t *testing.T) {
	t.Parallel()
	withSSH, without := sshxtest.Resolvers(t, "")
	for _, r := range []sshx.Resolver{withSSH, without} {
		got, err := r.Resolve(t.Context(), sshx.Host{Name: "web1"})
		require.NoError(t, err)
		assert.Equal(t, "web1", got.HostName)
		assert.Equal(t, 22, got.Port)
		assert.NotEmpty(t, got.User)
		assert.True(t, got.DefaultIdentities)
		assert.Contains(t, got.IdentityFiles, filepath.Join(r.Home, ".ssh", "id_ed25519"))
		assert.Equal(t, "/run/agent", got.IdentityAgent)
		assert.Equal(t, hostkey.StrictAsk, got.StrictHostKeyChecking)
		assert.Equal(t, "ssh-ed25519-cert-v01@openssh.com", got.HostKeyAlgorithms[0])
		assert.NotContains(t, got.HostKeyAlgorithms, "ssh-rsa")
		assert.NotContains(t, got.KexAlgorithms, "diffie-hellman-group14-sha1")
	}
}

func TestIdentityFilesAreExpanded(t *testing.T) {
	t.Parallel()
	withSSH, without := sshxtest.Resolvers(t, "Host web1\n HostName h\n User u\n Port 2222\n IdentityFile ~/a\n IdentityFile %d/%n-%h-%p-%r%%\n IdentityFile ${KEYS}/k\n")
	for _, r := range []sshx.Resolver{withSSH, without} {
		got, err := r.Resolve(t.Context(), sshx.Host{Name: "web1"})
		require.NoError(t, err)
		assert.Equal(t, []string{r.Home + "/a", r.Home + "/web1-h-2222-u%", "/keys/k"}, got.IdentityFiles)
	}
}

func TestResolveRefusesByName(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, config, want string }{
		{"passed descriptors", "Host web1\n ProxyCommand nc -F %h %p\n ProxyUseFdpass yes\n", "web1: ProxyUseFdpass yes"},
		{"revoked host keys", "Host web1\n RevokedHostKeys /etc/ssh/revoked\n", "@revoked lines"},
		{"only old algorithms", "Host web1\n HostKeyAlgorithms ssh-rsa\n", "hostkeyalgorithms ssh-rsa: not supported"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			withSSH, without := sshxtest.Resolvers(t, c.config)
			for _, r := range []sshx.Resolver{withSSH, without} {
				_, err := r.Resolve(t.Context(), sshx.Host{Name: "web1"})
				require.ErrorIs(t, err, config.ErrUnsupported)
				assert.ErrorContains(t, err, c.want)
			}
		})
	}
}

// U+212A becomes k in lower case: kis would connect to another host than ssh, and compare another
// host's key.
func TestResolveRefusesLettersThatFoldToOthers(t *testing.T) {
	t.Parallel()
	withSSH, without := sshxtest.Resolvers(t, "Host web1\n HostName web\u212a\n")
	for _, r := range []sshx.Resolver{withSSH, without} {
		_, err := r.Resolve(t.Context(), sshx.Host{Name: "web1"})
		require.ErrorContains(t, err, "not a host name or an address")
		for _, h := range []sshx.Host{{Name: "web\u017f"}, {Name: "web1", Address: "\u212a"}} {
			_, err := r.Resolve(t.Context(), h)
			require.ErrorContains(t, err, "is not a host name")
		}
	}
}

func TestResolveReportsTheErrorOfSSH(t *testing.T) {
	t.Parallel()
	withSSH, _ := sshxtest.Resolvers(t, "Host web1\n Prot 22\n")
	_, err := withSSH.Resolve(t.Context(), sshx.Host{Name: "web1"})
	require.ErrorContains(t, err, withSSH.ConfigFile)
	require.ErrorContains(t, err, "line 2")
	assert.ErrorContains(t, err, "prot")
}

func TestResolveRefusesValuesThatCouldBeOptionsOrShell(t *testing.T) {
	t.Parallel()
	r, _ := sshxtest.Resolvers(t, "")
	for _, h := range []sshx.Host{
		{},
		{Name: "-oProxyCommand=x"},
		{Name: "a b"},
		{Name: "a;b"},
		{Name: "u@h"},
		{Name: "a\nb"},
		{Name: "web1", Address: "-x"},
		{Name: "web1", User: "-l"},
		{Name: "web1", User: "a b"},
		{Name: "web1", User: "$(id)"},
		{Name: "web1", Port: -1},
		{Name: "web1", Port: 65536},
		{Name: "web1", HostKey: "MD5:00"},
		{Name: "web1", HostKey: "SHA256:short"},
		{Name: "web1", Jump: "a:b:c@d:0"},
		{Name: "web1", Jump: "-oX"},
	} {
		_, err := r.Resolve(t.Context(), h)
		require.Error(t, err, "%+v", h)
	}
}

func TestAnIdentityFileOfTheInventoryHasToBeUsable(t *testing.T) {
	t.Parallel()
	open := sshxtest.NewKey(t)
	require.NoError(t, os.Chmod(open.File, 0o640))
	r, _ := sshxtest.Resolvers(t, "")
	for file, want := range map[string]string{
		open.File:   "others can read it (mode 0640)",
		"/no/such":  "no such file",
		t.TempDir(): "is a directory, not a key",
	} {
		_, err := r.Resolve(t.Context(), sshx.Host{Name: "web1", IdentityFile: file})
		require.ErrorContains(t, err, want)
		require.ErrorContains(t, err, "web1: identity file: ")
	}
}

func TestStrictNoIsAWarning(t *testing.T) {
	t.Parallel()
	r, _ := sshxtest.Resolvers(t, "Host *\n StrictHostKeyChecking no\n")
	got, err := r.Resolve(t.Context(), sshx.Host{Name: "web1"})
	require.NoError(t, err)
	assert.Equal(t, hostkey.StrictAsk, got.StrictHostKeyChecking)
	require.Len(t, got.Warnings, 1)
	assert.Contains(t, got.Warnings[0], "StrictHostKeyChecking no is ignored")
}

func TestAJumpHostLoopIsAnError(t *testing.T) {
	t.Parallel()
	withSSH, without := sshxtest.Resolvers(t, "Host *\n ProxyJump bastion\n")
	for _, r := range []sshx.Resolver{withSSH, without} {
		_, err := r.Resolve(t.Context(), sshx.Host{Name: "web1"})
		require.ErrorContains(t, err, "web1: ProxyJump")
	}
}

func TestTimesOfSSHConfig(t *testing.T) {
	t.Parallel()
	_, r := sshxtest.Resolvers(t, "Host web1\n ServerAliveInterval 1h2m3s\nHost web2\n ServerAliveInterval 2x\n")
	got, err := r.Resolve(t.Context(), sshx.Host{Name: "web1"})
	require.NoError(t, err)
	assert.Equal(t, time.Hour+2*time.Minute+3*time.Second, got.ServerAliveInterval)
	_, err = r.Resolve(t.Context(), sshx.Host{Name: "web2"})
	require.ErrorContains(t, err, "want a time")
}

// known_hosts has one spelling of an address, the one that ssh writes; ssh_config and the inventory
// may have any.
func TestAddressesBeginWithColonsAndHaveOneSpelling(t *testing.T) {
	t.Parallel()
	withSSH, without := sshxtest.Resolvers(t, "")
	for _, address := range []string{"::1", "0::1", "0:0:0:0:0:0:0:1"} {
		for _, r := range []sshx.Resolver{withSSH, without} {
			target, err := r.Resolve(t.Context(), sshx.Host{Name: "web1", Address: address})
			require.NoError(t, err, address)
			assert.Equal(t, "::1", target.HostName)
		}
	}
}

func TestChainsAreResolvedUnderTheirOwnNames(t *testing.T) {
	t.Parallel()
	withSSH, without := sshxtest.Resolvers(t, `Host web1
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

func TestLoopsOfJumpHostsAreRefused(t *testing.T) {
	t.Parallel()
	for _, config := range []string{
		"Host *\n ProxyJump bastion\n",
		"Host web1\n ProxyJump a\nHost a\n ProxyJump b\nHost b\n ProxyJump a\n",
		"Host web1\n ProxyJump a\nHost a\n ProxyJump web1\n",
	} {
		withSSH, without := sshxtest.Resolvers(t, config)
		for _, r := range []sshx.Resolver{withSSH, without} {
			_, err := r.Resolve(t.Context(), sshx.Host{Name: "web1"})
			require.ErrorContains(t, err, "web1: ", config)
			if r.SSH == "none" { // a newer ssh sees some circles itself
				require.ErrorContains(t, err, "is reached through itself")
			}
		}
	}
}

func TestIdentityAgentTakesATilde(t *testing.T) {
	t.Parallel()
	me, err := user.Current()
	require.NoError(t, err)
	config := filepath.Join(t.TempDir(), "config")
	require.NoError(t, os.WriteFile(config, []byte("IdentityAgent ~/agent.sock\n"), 0o600))
	for _, reader := range []string{"", "none"} { // ssh -G, and our own
		r := sshx.Resolver{ConfigFile: config, SSH: reader}
		target, err := r.Resolve(sshxtest.Deadline(t), sshx.Host{Name: "web1"})
		require.NoError(t, err)
		assert.Equal(t, filepath.Join(me.HomeDir, "agent.sock"), target.IdentityAgent)
	}
}

func TestPinsThatAreNoKeysAreRefused(t *testing.T) {
	t.Parallel()
	r, _ := sshxtest.Resolvers(t, "")
	k := sshxtest.NewKey(t)
	for _, pin := range []string{
		"MD5:00", "SHA256:short", "ssh-ed25519 AAAA", "ssh-rsa " + strings.Fields(k.Line())[1], "no-pty " + k.Line(), k.Line() + k.Line(), "web1 " + k.Line(),
	} {
		_, err := r.Resolve(t.Context(), sshx.Host{Name: "web1", HostKey: pin})
		require.ErrorContains(t, err, "web1: host key ", pin)
	}
	target, err := r.Resolve(t.Context(), sshx.Host{Name: "web1", HostKey: strings.TrimSpace(k.Line())})
	require.NoError(t, err)
	assert.Equal(t, k.Fingerprint(), target.HostKey.Fingerprint)
	assert.Contains(t, target.Settings, sshx.Setting{Name: "hostkey", Value: "ssh-ed25519 " + k.Fingerprint(), Source: "inventory"})
}
