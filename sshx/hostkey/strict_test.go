package hostkey_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/testenv/opensshtest"
	"github.com/keep-it-simple/kis/sshx"
	"github.com/keep-it-simple/kis/sshx/hostkey"
	"github.com/keep-it-simple/kis/sshx/internal/sshxtest"
)

// byConfig is what ssh and kis decide with one and the same ssh_config.
func byConfig(t *testing.T, s *opensshtest.Server, options string) (theirs, ours string) {
	t.Helper()
	withSSH, _ := sshxtest.Resolvers(t, fmt.Sprintf("Host web1\n HostName 127.0.0.1\n Port %d\n User %s\n IdentityFile none\n IdentityAgent none\n GlobalKnownHostsFile /dev/null\n", s.Port, s.User))
	config, err := os.ReadFile(withSSH.ConfigFile)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(withSSH.ConfigFile, append([]byte("Host web1\n"+options), config...), 0o600))
	target, err := withSSH.Resolve(t.Context(), sshx.Host{Name: "web1"})
	require.NoError(t, err)
	ours = ourDecision(t, target) // first, because ssh may write down what it takes on trust
	return sshDecides(t, "-F", withSSH.ConfigFile, "-o", "BatchMode=yes", "-o", "PreferredAuthentications=publickey", "--", "web1", "true"), ours
}

func TestStrictHostKeyCheckingIsSSHsOrStricter(t *testing.T) {
	t.Parallel()
	s := opensshtest.Start(t, opensshtest.Options{})
	key, other := s.PublicHostKey(t, 0), opensshtest.PublicKey(t, s.UserKey)
	at := fmt.Sprintf("[127.0.0.1]:%d ", s.Port)
	for state, lines := range map[string][]string{
		"known": {at + key}, "unknown": {"web9 " + key}, "changed": {at + other}, "revoked": {at + key, "@revoked * " + key},
	} {
		for _, mode := range []string{"yes", "ask", "accept-new", "no", "off"} {
			t.Run(state+" "+mode, func(t *testing.T) {
				t.Parallel()
				theirs, ours := byConfig(t, s, fmt.Sprintf(" UserKnownHostsFile %s\n StrictHostKeyChecking %s\n", sshxtest.KnownHosts(t, lines...), mode))
				if mode == "no" || mode == "off" { // kis trusts no key that the user has not compared
					theirs = map[string]string{"known": "ok"}[state]
					if theirs == "" {
						theirs = state
					}
				}
				assert.Equal(t, theirs, ours)
			})
		}
	}
}

func TestSeveralKnownHostsFilesAreSSHs(t *testing.T) {
	t.Parallel()
	s := opensshtest.Start(t, opensshtest.Options{HostKeyTypes: []string{"ed25519", "ecdsa"}})
	key, ec, other := s.HostKeyLine(t, 0), s.HostKeyLine(t, 1), fmt.Sprintf("[127.0.0.1]:%d %s", s.Port, opensshtest.PublicKey(t, s.UserKey))
	for _, c := range []struct {
		name                string
		first, second, glob []string
	}{
		{"in the first", []string{key}, nil, nil},
		{"in the second", nil, []string{key}, nil},
		{"in the global one", nil, nil, []string{key}},
		{"another type in each", []string{ec}, nil, []string{key}},
		{"changed in the first, right in the second", []string{other}, []string{key}, nil},
		{"changed in the first, right in the global one", []string{other}, nil, []string{key}},
		{"right in the first, changed in the global one", []string{key}, nil, []string{other}},
		{"revoked in the second", []string{key}, []string{"@revoked * " + s.PublicHostKey(t, 0)}, nil},
		{"revoked in the global one", []string{key}, nil, []string{"@revoked * " + s.PublicHostKey(t, 0)}},
		{"in none", nil, nil, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			options := fmt.Sprintf(" UserKnownHostsFile %s %s\n GlobalKnownHostsFile %s\n StrictHostKeyChecking yes\n",
				sshxtest.KnownHosts(t, c.first...), sshxtest.KnownHosts(t, c.second...), sshxtest.KnownHosts(t, c.glob...))
			theirs, ours := byConfig(t, s, options)
			assert.Equal(t, theirs, ours)
		})
	}
}

// What accept-new writes is what ssh writes.
func TestAcceptedKeysAreWrittenAsSSHWritesThem(t *testing.T) {
	t.Parallel()
	s := opensshtest.Start(t, opensshtest.Options{})
	for _, hash := range []string{"no", "yes"} {
		dir := t.TempDir()
		var written [2]string
		for i := range written {
			file := filepath.Join(dir, fmt.Sprint(i), "known_hosts")
			options := fmt.Sprintf(" UserKnownHostsFile %s\n StrictHostKeyChecking accept-new\n HashKnownHosts %s\n BatchMode yes\n", file, hash)
			require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o700)) // ssh makes ~/.ssh only
			withSSH, _ := sshxtest.Resolvers(t, fmt.Sprintf("Host web1\n HostName 127.0.0.1\n Port %d\n IdentityFile none\n IdentityAgent none\n GlobalKnownHostsFile /dev/null\n%s", s.Port, options))
			if i == 0 {
				assert.Equal(t, "ok", sshDecides(t, "-F", withSSH.ConfigFile, "-o", "BatchMode=yes", "--", "web1", "true"))
			} else {
				target, err := withSSH.Resolve(t.Context(), sshx.Host{Name: "web1"})
				require.NoError(t, err)
				assert.Equal(t, "ok", ourDecision(t, target))
			}
			text, err := os.ReadFile(file)
			require.NoError(t, err)
			written[i] = string(text)
			if i == 1 {
				info, err := os.Stat(file)
				require.NoError(t, err)
				assert.Equal(t, os.FileMode(0o600), info.Mode().Perm())
			}
		}
		if hash == "no" {
			assert.Equal(t, written[0], written[1])
			continue
		}
		name := fmt.Sprintf("[127.0.0.1]:%d", s.Port)
		for i, text := range written {
			assert.True(t, strings.HasPrefix(text, "|1|"))
			found := opensshtest.Run(t, "ssh-keygen", "-F", name, "-f", filepath.Join(dir, fmt.Sprint(i), "known_hosts"))
			assert.Contains(t, found, strings.Fields(s.HostKeyLine(t, 0))[2])
		}
	}
}

func TestUnacceptableKeysHaveAReason(t *testing.T) {
	t.Parallel()
	s := opensshtest.Start(t, opensshtest.Options{})
	for _, c := range []struct {
		name, want string
		change     func(*sshx.Target)
	}{
		{"StrictHostKeyChecking yes", "StrictHostKeyChecking is yes", func(target *sshx.Target) { target.StrictHostKeyChecking = hostkey.StrictYes }},
		{"BatchMode", "BatchMode is yes", func(target *sshx.Target) { target.BatchMode = true }},
		{"no file", "UserKnownHostsFile is none", func(target *sshx.Target) { target.UserKnownHostsFiles = nil }},
		{"no regular file", "/dev/null is not a regular file", func(target *sshx.Target) { target.UserKnownHostsFiles = []string{"/dev/null"} }},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			target := sshxtest.TargetOn(t, s)
			target.UserKnownHostsFiles = []string{filepath.Join(t.TempDir(), "known_hosts")}
			c.change(&target)
			_, err := sshxtest.NewDialer(t).Dial(sshxtest.Deadline(t), target)
			var e *sshx.HostKeyError
			require.ErrorAs(t, err, &e)
			assert.False(t, e.Acceptable())
			assert.Contains(t, e.Hint(), c.want)
			require.ErrorContains(t, e.Accept(), c.want)
			for _, file := range target.UserKnownHostsFiles {
				if file != "/dev/null" {
					assert.NoFileExists(t, file)
				}
			}
		})
	}
}

func TestAcceptWritesAKeyOnce(t *testing.T) {
	t.Parallel()
	s := opensshtest.Start(t, opensshtest.Options{})
	file := filepath.Join(t.TempDir(), "ssh", "known_hosts")
	for range 2 { // two hosts of a run may have one name
		target := sshxtest.TargetOn(t, s)
		target.UserKnownHostsFiles = []string{filepath.Join(filepath.Dir(file), "other"), file}
		target.HashKnownHosts = true
		_, err := sshxtest.NewDialer(t).Dial(sshxtest.Deadline(t), target)
		var e *sshx.HostKeyError
		if err == nil {
			break
		}
		require.ErrorAs(t, err, &e)
		assert.Equal(t, target.UserKnownHostsFiles[0], e.File())
		require.NoError(t, e.Accept())
		require.NoError(t, e.Accept())
	}
	text, err := os.ReadFile(filepath.Join(filepath.Dir(file), "other"))
	require.NoError(t, err)
	assert.Equal(t, 1, strings.Count(string(text), "\n"))
	assert.NoFileExists(t, file)
}

// The hint is a command that the user can run.
func TestTheHintForAnUnknownKeyIsExact(t *testing.T) {
	t.Parallel()
	s := opensshtest.Start(t, opensshtest.Options{})
	target := sshxtest.TargetOn(t, s)
	target.UserKnownHostsFiles = []string{filepath.Join(t.TempDir(), "known_hosts")}
	_, err := sshxtest.NewDialer(t).Dial(sshxtest.Deadline(t), target)
	var e *sshx.HostKeyError
	require.ErrorAs(t, err, &e)
	scan := fmt.Sprintf("ssh-keyscan -p %d 127.0.0.1", s.Port)
	assert.Contains(t, e.Hint(), scan+" >> "+target.UserKnownHostsFiles[0])
	scanned := opensshtest.Run(t, "ssh-keyscan", "-p", fmt.Sprint(s.Port), "127.0.0.1")
	assert.Contains(t, scanned, e.Line)
	assert.Contains(t, e.Hint(), fmt.Sprintf("ssh: {host_key: %q}", e.Fingerprint))

	target.HostKeyAlias = "alias"
	_, err = sshxtest.NewDialer(t).Dial(sshxtest.Deadline(t), target)
	require.ErrorAs(t, err, &e)
	assert.NotContains(t, e.Hint(), "ssh-keyscan", "it knows no alias")

	target.HostKeyAlias = ""
	target.Jump = []sshx.Target{sshxtest.TargetOn(t, s)}
	_, err = sshxtest.NewDialer(t).Dial(sshxtest.Deadline(t), target)
	require.ErrorAs(t, err, &e)
	assert.NotContains(t, e.Hint(), "ssh-keyscan", "it cannot go through a jump host")
}
