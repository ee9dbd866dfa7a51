package sshx_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/sshtest"
	"github.com/keep-it-simple/kis/internal/testenv/proxytest"
	"github.com/keep-it-simple/kis/sshx"
	"github.com/keep-it-simple/kis/sshx/internal/sshxtest"
)

// connect gives a client of a host with the options.
func connect(t *testing.T, o sshtest.Options) (*sshtest.Host, *sshx.Client) {
	t.Helper()
	k := sshxtest.NewKey(t)
	h := sshxtest.StartHost(t, o, k)
	return h, sshxtest.Dial(t, sshxtest.NewDialer(t), sshxtest.Target(t, h, k))
}

// connectThrough gives a client of a host behind a proxy.
func connectThrough(t *testing.T, o sshtest.Options, change func(*sshx.Target)) (*proxytest.Proxy, *sshx.Client) {
	t.Helper()
	k := sshxtest.NewKey(t)
	h := sshxtest.StartHost(t, o, k)
	p, err := proxytest.New(h.Addr())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, p.Close()) })
	target := sshxtest.Target(t, h, k)
	target.Port = p.Port()
	target.HostKeyAlias = "alias"
	target.UserKnownHostsFiles = []string{sshxtest.KnownHosts(t, "alias "+strings.SplitN(h.KnownHostsLine(), " ", 2)[1])}
	if change != nil {
		change(&target)
	}
	return p, sshxtest.Dial(t, sshxtest.NewDialer(t), target)
}

func TestStartRunsACommandWithItsStreams(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	h, c := connect(t, sshtest.Options{Home: home, Env: []string{"PATH=/usr/bin:/bin", "COLOR=red"}})
	out, errs, err := sshxtest.Run(t, c, `echo $COLOR; pwd; echo oops >&2`)
	require.NoError(t, err)
	real, err := filepath.EvalSymlinks(home)
	require.NoError(t, err)
	assert.Equal(t, "red\n"+real+"\n", out)
	assert.Equal(t, "oops\n", errs)
	assert.Equal(t, []string{"exec /bin/sh -s"}, h.Record().Execs)
	assert.Equal(t, []string{"exec"}, h.Record().Requests)
}

func TestWaitReportsHowAProcessEnded(t *testing.T) {
	t.Parallel()
	_, c := connect(t, sshtest.Options{})
	for script, want := range map[string]*sshx.ExitError{
		"exit 3":                     {Status: 3},
		"/no/such/program":           {Status: 127},
		"kill -TERM $$; :":           {Status: 143, Signal: "TERM"},
		"exec /bin/sh -c 'exit 255'": {Status: 255},
	} {
		_, _, err := sshxtest.Run(t, c, script)
		var exit *sshx.ExitError
		require.ErrorAs(t, err, &exit, script)
		assert.Equal(t, want, exit, script)
	}
}

func TestStartRefusesCommandsThatShellsReadDifferently(t *testing.T) {
	t.Parallel()
	h, c := connect(t, sshtest.Options{})
	for _, command := range []string{
		"", "echo 'x'", "a;b", "a|b", "a&b", "a>b", "$HOME", "`id`", "a\nb", "~/x", "a*", "a?", "{a,b}", "!x", "a\\b", "é", "a\x00b", "[a]", "(a)", "#x", "%1", "^a",
	} {
		_, err := c.Start(sshxtest.Deadline(t), command)
		require.ErrorIs(t, err, sshx.ErrCommand, "%q", command)
	}
	assert.Empty(t, h.Record().Channels)
}

func TestAProcessWithoutExitStatusHasNoOutcome(t *testing.T) {
	t.Parallel()
	_, c := connect(t, sshtest.Options{Faults: sshtest.Faults{NoExitStatus: true}})
	_, _, err := sshxtest.Run(t, c, "exit 0")
	require.ErrorIs(t, err, sshx.ErrNoExitStatus)
	require.NotErrorIs(t, err, sshx.ErrConnectionLost)
}

func TestACutConnectionIsNoExitStatus(t *testing.T) {
	t.Parallel()
	proxy, c := connectThrough(t, sshtest.Options{}, nil)
	p, err := c.Start(sshxtest.Deadline(t), "cat")
	require.NoError(t, err)
	proxy.Cut()
	err = p.Wait()
	require.ErrorIs(t, err, sshx.ErrConnectionLost)
	require.NotErrorIs(t, err, sshx.ErrNoExitStatus)
	<-c.Done()
	require.ErrorIs(t, c.Err(), sshx.ErrConnectionLost)
	_, err = c.Start(sshxtest.Deadline(t), "true")
	require.ErrorIs(t, err, sshx.ErrConnectionLost)
	_, err = c.SFTP(sshxtest.Deadline(t))
	require.ErrorIs(t, err, sshx.ErrConnectionLost)
}

func TestCloseIsNotALoss(t *testing.T) {
	t.Parallel()
	_, c := connect(t, sshtest.Options{})
	require.NoError(t, c.Close())
	<-c.Done()
	require.NoError(t, c.Err())
	require.NoError(t, c.Close())
}

// A process that ignores the end of its input sees a closed pipe instead of being killed, which is
// what sshd does and what remote steps have to expect.
func TestClosingAProcessClosesItsPipes(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	_, c := connect(t, sshtest.Options{Home: home})
	p, err := c.Start(sshxtest.Deadline(t), "exec /bin/sh -s")
	require.NoError(t, err)
	_, err = io.WriteString(p.Stdin, "echo ready\nread line || echo end-of-file > seen\nread line || exit 0\n")
	require.NoError(t, err)
	ready := make([]byte, 6)
	_, err = io.ReadFull(p.Stdout, ready)
	require.NoError(t, err)
	require.NoError(t, p.Close())
	require.NoError(t, p.Close())
	require.Eventually(t, func() bool {
		found, err := filepath.Glob(filepath.Join(home, "seen"))
		return err == nil && len(found) == 1
	}, 10*time.Second, 5*time.Millisecond)
}

// The race detector is the judge: a write that is stuck and the closing of the input belong to two
// goroutines.
func TestClosingTheInputEndsAWriteThatIsStuck(t *testing.T) {
	t.Parallel()
	_, c := connect(t, sshtest.Options{})
	p, err := c.Start(sshxtest.Deadline(t), "exec sleep 1000")
	require.NoError(t, err)
	begun, ended := make(chan struct{}), make(chan error)
	go func() {
		block := make([]byte, 1<<20)
		var err error
		for i := 0; err == nil; i++ {
			if _, err = p.Stdin.Write(block); i == 0 {
				close(begun)
			}
		}
		ended <- err
	}()
	<-begun // a MiB went into the channel's window; the next ones do not fit
	require.NoError(t, p.Stdin.Close())
	select {
	case err := <-ended:
		require.Error(t, err)
	case <-sshxtest.Deadline(t).Done():
		t.Fatal("the write does not end")
	}
	require.NoError(t, p.Close())
}

func TestStartEndsWithItsContextWhenTheHostDoesNotAnswer(t *testing.T) {
	t.Parallel()
	_, c := connect(t, sshtest.Options{Faults: sshtest.Faults{SilentExec: true}})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := c.Start(ctx, "true")
	require.ErrorIs(t, err, context.DeadlineExceeded)
}

func TestRefusedSessionsNameMaxSessions(t *testing.T) {
	t.Parallel()
	_, c := connect(t, sshtest.Options{Faults: sshtest.Faults{RefuseSessions: true}})
	_, err := c.Start(sshxtest.Deadline(t), "true")
	require.ErrorContains(t, err, "MaxSessions")
	_, err = c.SFTP(sshxtest.Deadline(t))
	require.ErrorContains(t, err, "MaxSessions")
}

func TestAHostThatStopsAnsweringIsNoticed(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		faults sshtest.Faults
		stall  bool
	}{
		{"a cable is pulled", sshtest.Faults{}, true},
		{"keep-alives are ignored", sshtest.Faults{IgnoreKeepAlive: true}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			proxy, client := connectThrough(t, sshtest.Options{Faults: c.faults}, func(target *sshx.Target) {
				target.ServerAliveInterval, target.ServerAliveCountMax = 50*time.Millisecond, 3
			})
			p, err := client.Start(sshxtest.Deadline(t), "cat")
			require.NoError(t, err)
			if c.stall {
				proxy.Stall()
			}
			require.ErrorIs(t, p.Wait(), sshx.ErrConnectionLost)
			<-client.Done()
			require.ErrorIs(t, client.Err(), sshx.ErrUnresponsive)
		})
	}
}

func TestAnAnsweringHostIsKept(t *testing.T) {
	t.Parallel()
	k := sshxtest.NewKey(t)
	h := sshxtest.StartHost(t, sshtest.Options{}, k)
	target := sshxtest.Target(t, h, k)
	target.ServerAliveInterval, target.ServerAliveCountMax = 200*time.Millisecond, 3
	c := sshxtest.Dial(t, sshxtest.NewDialer(t), target)
	require.Eventually(t, func() bool { return len(h.Record().Globals) >= 5 }, 20*time.Second, 10*time.Millisecond)
	require.NoError(t, c.Err())
	assert.Subset(t, []string{"keepalive@openssh.com"}, h.Record().Globals)
}

// TestUnansweredChannelEndsWithTheConnection: x/crypto/ssh forgets one that is asked
// for while the connection ends. That takes a moment that no test can hit, so that what it comes to
// is played here.
func TestUnansweredChannelEndsWithTheConnection(t *testing.T) {
	t.Parallel()
	forgotten := make(chan struct{})
	t.Cleanup(func() { close(forgotten) })
	open := func() (int, error) {
		<-forgotten
		return 1, nil
	}
	proxy, client := connectThrough(t, sshtest.Options{}, func(*sshx.Target) {})
	proxy.Cut()
	_, err := sshx.OpenChannel(client, open)
	require.ErrorIs(t, err, sshx.ErrConnectionLost)
	require.NoError(t, client.Close())
	_, err = sshx.OpenChannel(client, open)
	require.Error(t, err)
}

func TestChannelsThatTheHostOpensAreRejected(t *testing.T) {
	t.Parallel()
	types := []string{"auth-agent@openssh.com", "x11", "forwarded-tcpip", "forwarded-streamlocal@openssh.com", "direct-tcpip", "session"}
	h, c := connect(t, sshtest.Options{Faults: sshtest.Faults{OpenChannels: types}})
	require.Eventually(t, func() bool { return len(h.Record().Opened) == len(types) }, 10*time.Second, 5*time.Millisecond)
	for _, o := range h.Record().Opened {
		assert.False(t, o.Accepted, o.Type)
	}
	_, _, err := sshxtest.Run(t, c, "exit 0")
	require.NoError(t, err)
	assert.Equal(t, []string{"session"}, h.Record().Channels)
	assert.Equal(t, []string{"exec"}, h.Record().Requests)
	assert.Empty(t, h.Record().Globals)
}

func TestExitErrorsAreReadable(t *testing.T) {
	t.Parallel()
	assert.Equal(t, "exit status 3", (&sshx.ExitError{Status: 3}).Error())
	assert.Equal(t, "killed by signal KILL", fmt.Sprint(&sshx.ExitError{Status: 137, Signal: "KILL"}))
}

func TestLostReturnsTheReasonAfterAnEndOfFile(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		fault func(*proxytest.Proxy)
		says  string
	}{
		"cut":     {(*proxytest.Proxy).Cut, "connection lost: "},
		"damaged": {func(p *proxytest.Proxy) { p.FlipAfter(20, proxytest.ToClient) }, "message authentication failed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			proxy, client := connectThrough(t, sshtest.Options{}, nil)
			p, err := client.Start(sshxtest.Deadline(t), "cat")
			require.NoError(t, err)
			require.NoError(t, client.Lost())
			c.fault(proxy)
			_, _ = io.WriteString(p.Stdin, "hello\n")
			_, err = io.ReadAll(p.Stdout)
			require.NoError(t, err, "an end of file is all that is seen here")
			require.ErrorIs(t, client.Lost(), sshx.ErrConnectionLost)
			require.ErrorContains(t, client.Lost(), c.says)
		})
	}
}

// TestNamesOfDirectoryServicesLogIn, at a host and at a jump host: the last @ separates the host.
func TestNamesOfDirectoryServicesLogIn(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"jane@corp.example", `CORP\jane`} {
		k := sshxtest.NewKey(t)
		jump, host := sshxtest.StartHost(t, sshtest.Options{Forward: true}, k), sshxtest.StartHost(t, sshtest.Options{}, k)
		known := sshxtest.KnownHosts(t, jump.KnownHostsLine(), host.KnownHostsLine())
		withSSH, without := sshxtest.Resolvers(t, "Host *\n IdentityFile "+k.File+"\n IdentityAgent none\n UserKnownHostsFile "+known+"\nHost web1\n User "+name+"\n ProxyJump "+name+"@"+jump.Addr()+"\n")
		for _, r := range []sshx.Resolver{withSSH, without} {
			for _, h := range []sshx.Host{{Name: "web1"}, {Name: "web1", User: name}, {Name: "web1", Jump: name + "@" + jump.Addr()}} {
				address, port, err := net.SplitHostPort(host.Addr())
				require.NoError(t, err)
				h.Address = address
				h.Port, err = strconv.Atoi(port)
				require.NoError(t, err)
				target, err := r.Resolve(t.Context(), h)
				require.NoError(t, err)
				sshxtest.Dial(t, sshxtest.NewDialer(t), target)
			}
		}
		for _, at := range []*sshtest.Host{jump, host} {
			assert.NotEmpty(t, at.Record().Auths)
			for _, login := range at.Record().Auths {
				assert.Equal(t, name, login.User)
			}
		}
	}
}
