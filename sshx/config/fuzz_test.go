package config

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/name"
)

// requireTarget requires of a target what its users rely on, and of an error that it can be
// printed.
func requireTarget(t *testing.T, target Target, err error) {
	t.Helper()
	if err != nil {
		for _, r := range err.Error() {
			require.True(t, unicode.IsPrint(r) || r == '\ufffd', "%q in %q", r, err)
		}
		return
	}
	_, err = name.ParseHost(target.HostName)
	require.NoError(t, err)
	require.True(t, target.Port >= 1 && target.Port <= 65535, "port %d", target.Port)
	require.GreaterOrEqual(t, target.ConnectTimeout, time.Duration(0))
	require.GreaterOrEqual(t, target.ServerAliveInterval, time.Duration(0))
	require.GreaterOrEqual(t, target.ServerAliveCountMax, 0)
	require.GreaterOrEqual(t, target.PasswordPrompts, 0)
	require.Contains(t, []int{0, 3}, len(target.ProxyCommand))
	for _, list := range [][]string{target.HostKeyAlgorithms, target.KexAlgorithms, target.Ciphers, target.MACs} {
		require.NotEmpty(t, list)
	}
	_, err = json.Marshal(target.Settings)
	require.NoError(t, err)
}

// The output of ssh is parsed without a panic, into a target that is valid or an error.
func FuzzParseSettings(f *testing.F) {
	f.Add("hostname web1.example.org\nport 22\nuser deploy\nidentityfile ~/.ssh/id_ed25519\nuserknownhostsfile /home/a b/known_hosts /x\n", "web1")
	f.Add("port 0\nconnecttimeout 1048576w\nserveraliveinterval 1w1w1w9w\n", "web1")
	f.Add("connecttimeout "+strings.Repeat("1048576w", 20), "web1")
	f.Add("ciphers +aes128-cbc,-*\nmacs ^"+strings.Repeat("*a", 30)+"b\nhostkeyalgorithms ,,\nkexalgorithms -"+strings.Repeat("*?", 40), "web1")
	f.Add("proxycommand nc %h %p %r %% %\nuser $(id)\nproxyjump none", "web1")
	f.Add("proxyjump a@[::1]:22,ssh://b@c:d,[,@,:", "web1")
	f.Add("identityagent $SSH_AUTH_SOCK\nidentityfile ${X}%d%u%i\x00\xff\nhostkeyalias \x1b[31m\nstricthostkeychecking \u2028", "::1")
	f.Add(" \n\t\nport\nrequiredrsasize 1e9\nnumberofpasswordprompts -1\nhostname -oProxyCommand=x\nrevokedhostkeys /x", "-")
	f.Fuzz(func(t *testing.T, text, host string) {
		h := Host{Name: host}
		if h.check() != nil {
			return
		}
		s := parseSettings(text)
		s.override(h, sourceInventory)
		b := builder{host: h, settings: s, local: localUser{name: "ann", home: "/home/ann", uid: "1000"}, getenv: func(string) string { return "" }}
		begin := time.Now()
		target, err := b.build()
		require.Less(t, time.Since(begin), 10*time.Second)
		requireTarget(t, target, err)
		if hop, err := parseJump(s.first("proxyjump")); err == nil {
			require.True(t, hop.Port >= 0 && hop.Port <= 65535)
		}
	})
}

// The files are read without a panic and in time when ssh is not installed.
func FuzzReadConfig(f *testing.F) {
	for _, text := range []string{
		"Host web* !web2\n  HostName %h.example.org\n  Port = 2222\n", "Host *\nUser a # b\nIdentityFile \"~/x y\"\n", "Match all\n Port 1\n", "Match exec x\n", "Include other\nInclude other\n", "Host\n", "Host \"\n",
		"Port\n", "=\n", "Host *\n\tPort=\n", "\xff\x00\n", "Host !\n", "Host [\n", "Host \\\n", "Host " + strings.Repeat("*a", 40) + "\n User b\n", "ProxyJump a\nProxyCommand b\n", "UserKnownHostsFile ~ %d ${X}\n",
		"Host web1\nProxyJump web1\n", strings.Repeat("Host web1\n", 2000), "#\n\n   #Host *\nPort 1\r\n", "CanonicalizeHostname yes\n", "HostName %%%h%n\n", "ConnectTimeout 1w1048576w\n",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if _, rest, some := strings.Cut(strings.ToLower(text), "include"); some && strings.ContainsAny(rest, "/~*?[") {
			return // any file of this machine
		}
		home := t.TempDir()
		require.NoError(t, os.Mkdir(filepath.Join(home, ".ssh"), 0o700))
		path := filepath.Join(home, ".ssh", "config")
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		require.NoError(t, os.WriteFile(filepath.Join(home, ".ssh", "other"), []byte("Include other\nInclude other\nInclude other\n"), 0o600))
		begin := time.Now()
		r := Resolver{ConfigFile: path, SSH: "none", Home: home, Getenv: func(string) string { return "" }}
		target, err := r.Resolve(t.Context(), Host{Name: "web1"})
		require.Less(t, time.Since(begin), 10*time.Second)
		requireTarget(t, target, err)
	})
}
