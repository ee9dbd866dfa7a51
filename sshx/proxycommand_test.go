package sshx_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/sshtest"
	"github.com/keep-it-simple/kis/internal/testenv/opensshtest"
	"github.com/keep-it-simple/kis/sshx"
	"github.com/keep-it-simple/kis/sshx/config"
	"github.com/keep-it-simple/kis/sshx/internal/sshxtest"
)

func TestProxyCommandLeadsToTheHost(t *testing.T) {
	t.Parallel()
	k := sshxtest.NewKey(t)
	h := sshxtest.StartHost(t, sshtest.Options{}, k)
	target := sshxtest.Target(t, h, k)
	target.HostName, target.Port = "unresolvable.invalid", 22
	target.UserKnownHostsFiles = []string{sshxtest.KnownHosts(t, "unresolvable.invalid "+strings.SplitN(h.KnownHostsLine(), " ", 2)[1])}
	target.ProxyCommand = []string{sshxtest.RelayScript(t), strconv.Itoa(h.Port())}
	c := sshxtest.Dial(t, sshxtest.NewDialer(t), target)
	out, _, err := sshxtest.Run(t, c, "echo through")
	require.NoError(t, err)
	assert.Equal(t, "through\n", out)
}

// The real thing: ssh -W through a bastion, as it stands in many ssh_configs.
func TestOpenSSHThroughProxyCommand(t *testing.T) {
	t.Parallel()
	bastion, web := opensshtest.Start(t, opensshtest.Options{}), opensshtest.Start(t, opensshtest.Options{})
	known := sshxtest.KnownHosts(t, bastion.HostKeyLine(t, 0), web.HostKeyLine(t, 0))
	inner := filepath.Join(t.TempDir(), "inner")
	require.NoError(t, os.WriteFile(inner, fmt.Appendf(nil, "Host bastion\n HostName 127.0.0.1\n Port %d\n User %s\n IdentityFile %s\n IdentitiesOnly yes\n"+
		" UserKnownHostsFile %s\n StrictHostKeyChecking yes\n", bastion.Port, bastion.User, bastion.UserKey, known), 0o600))
	withSSH, without := sshxtest.Resolvers(t, fmt.Sprintf("Host web1\n HostName 127.0.0.1\n Port %d\n User %s\n IdentityFile %s\n IdentitiesOnly yes\n IdentityAgent none\n"+
		" UserKnownHostsFile %s\n ProxyCommand ssh -F %s -W [%%h]:%%p bastion\n", web.Port, web.User, web.UserKey, known, inner))
	for _, r := range []sshx.Resolver{withSSH, without} {
		target, err := r.Resolve(t.Context(), sshx.Host{Name: "web1"})
		require.NoError(t, err)
		out, _, err := sshxtest.Run(t, sshxtest.Dial(t, sshxtest.NewDialer(t), target), "echo through")
		require.NoError(t, err)
		assert.Equal(t, "through\n", out)
	}
	assert.Contains(t, bastion.Log(), "Accepted publickey for "+bastion.User)
}

// Tokens, quotes and the shell are those that ssh has for the same text.
func TestProxyCommandGetsTheWordsThatSSHGivesIt(t *testing.T) {
	t.Parallel()
	for i, words := range []string{
		`%h %p %r %n %%`,
		`"%h a" 'b  c' \$HOME $HOME`,
		`a"b"c %h:%p  d`,
		`[%h]:%p # no comment`,
		`"a # b" x`,
	} {
		t.Run(strconv.Itoa(i), func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(t.TempDir(), "words")
			record := sshxtest.Script(t, fmt.Sprintf("#!/bin/sh\nfor w in \"$@\"; do printf '<%%s>' \"$w\"; done > %s.new\nmv %s.new %s\n", file, file, file))
			withSSH, without := sshxtest.Resolvers(t, fmt.Sprintf("Host web1\n HostName 192.0.2.1\n Port 2222\n User deploy\n ProxyCommand %s %s\n", record, words))
			said := func() string {
				text, err := os.ReadFile(file)
				require.NoError(t, err)
				require.NoError(t, os.Remove(file))
				return string(text)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			cmd := exec.CommandContext(ctx, "ssh", "-F", withSSH.ConfigFile, "--", "web1", "true")
			cmd.Env = append(os.Environ(), "SHELL=/bin/sh")
			require.Error(t, cmd.Run())
			want := said()
			for _, r := range []sshx.Resolver{withSSH, without} {
				target, err := r.Resolve(t.Context(), sshx.Host{Name: "web1"})
				if errors.Is(err, config.ErrUnsupported) && r.SSH == "none" {
					continue // named, not guessed
				}
				require.NoError(t, err)
				_, err = sshxtest.NewDialer(t).Dial(sshxtest.Deadline(t), target)
				require.Error(t, err)
				assert.Equal(t, want, said(), "%s with %q", words, r.SSH)
			}
		})
	}
}

func TestFailedProxyCommandsAreReportedWithTheirOutput(t *testing.T) {
	t.Parallel()
	count := filepath.Join(t.TempDir(), "count")
	target := sshxtest.TargetAt("127.0.0.1:1")
	target.ProxyCommand = []string{"/bin/sh", "-c", fmt.Sprintf("echo x >> %s; printf 'first\\n\\033[31mno route\\n' >&2; exit 3", count)}
	_, err := sshxtest.NewDialer(t).Dial(sshxtest.Deadline(t), target)
	var e *sshx.DialError
	require.ErrorAs(t, err, &e)
	assert.Contains(t, err.Error(), "web1: handshake: 127.0.0.1:1 through ProxyCommand: `echo x")
	assert.Contains(t, err.Error(), "` ended: exit status 3; its output: first; \\x1b[31mno route")
	text, err := os.ReadFile(count)
	require.NoError(t, err)
	assert.Equal(t, "x\n", string(text), "it may have logged in somewhere, so it is not repeated")
}

func TestAProxyCommandThatDoesNotExistIsNamed(t *testing.T) {
	t.Parallel()
	target := sshxtest.TargetAt("127.0.0.1:1")
	target.ProxyCommand = []string{"/no/such/shell", "-c", "exec x"}
	_, err := sshxtest.NewDialer(t).Dial(sshxtest.Deadline(t), target)
	require.ErrorContains(t, err, "web1: connect: 127.0.0.1:1 through ProxyCommand: ProxyCommand: fork/exec /no/such/shell")
}

func TestSilentProxyCommandsTimeOut(t *testing.T) {
	t.Parallel()
	target := sshxtest.TargetAt("127.0.0.1:1")
	target.ProxyCommand = []string{"/bin/sh", "-c", "echo waiting >&2; exec sleep 1000"}
	d := sshxtest.NewDialer(t)
	d.HandshakeTimeout = 300 * time.Millisecond
	_, err := d.Dial(sshxtest.Deadline(t), target)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.ErrorContains(t, err, "no answer within 0.3 s")
}

// The command and what it has started end with the connection, also when they mind neither the end
// of their input nor a polite signal.
func TestClosingEndsTheProxyCommandWithItsGroup(t *testing.T) {
	t.Parallel()
	k := sshxtest.NewKey(t)
	h := sshxtest.StartHost(t, sshtest.Options{}, k)
	pids := filepath.Join(t.TempDir(), "pids")
	target := sshxtest.Target(t, h, k)
	target.ProxyCommand = []string{"/bin/sh", "-c", fmt.Sprintf("trap '' TERM HUP; (trap '' TERM HUP; while :; do sleep 1; done) </dev/null >/dev/null 2>&1 & echo $! $$ > %s; %s %d; wait",
		pids, sshxtest.RelayScript(t), h.Port())}
	d := sshxtest.NewDialer(t)
	c, err := d.Dial(sshxtest.Deadline(t), target)
	require.NoError(t, err)
	require.NoError(t, c.Close())
	text, err := os.ReadFile(pids)
	require.NoError(t, err)
	require.Len(t, strings.Fields(string(text)), 2)
	for field := range strings.FieldsSeq(string(text)) {
		pid, err := strconv.Atoi(field)
		require.NoError(t, err)
		require.Eventually(t, func() bool { return ended(pid) }, 10*time.Second, 5*time.Millisecond, field)
	}
}

// ended holds for a process that is gone, or dead and not yet reaped by init.
func ended(pid int) bool {
	if errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
		return true
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err != nil || strings.Contains(string(stat), ") Z ")
}

// A terminal's ^C reaches every process of its foreground group; a connection must not end by it in
// the middle of a switch.
func TestAProxyCommandHasASessionOfItsOwn(t *testing.T) {
	t.Parallel()
	k := sshxtest.NewKey(t)
	h := sshxtest.StartHost(t, sshtest.Options{}, k)
	file := filepath.Join(t.TempDir(), "pid")
	target := sshxtest.Target(t, h, k)
	target.ProxyCommand = []string{"/bin/sh", "-c", fmt.Sprintf("echo $$ > %s; exec %s %d", file, sshxtest.RelayScript(t), h.Port())}
	sshxtest.Dial(t, sshxtest.NewDialer(t), target)
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	stat, err := os.ReadFile("/proc/" + strings.TrimSpace(string(text)) + "/stat")
	require.NoError(t, err)
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	assert.Equal(t, strings.TrimSpace(string(text)), fields[3], "session")
}

func TestNamesWithShellCharactersAreRefusedInProxyCommand(t *testing.T) {
	t.Parallel()
	withSSH, without := sshxtest.Resolvers(t, "Host web1\n User \"a;b\"\n ProxyCommand nc %h %p\n")
	for _, r := range []sshx.Resolver{withSSH, without} {
		_, err := r.Resolve(t.Context(), sshx.Host{Name: "web1"})
		require.ErrorContains(t, err, "the shell of the command would interpret")
	}
}
