package sshx_test

import (
	"context"
	"errors"
	"io"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/sshtest"
	"github.com/keep-it-simple/kis/internal/testenv/hosttest"
	"github.com/keep-it-simple/kis/sshx"
	"github.com/keep-it-simple/kis/sshx/internal/sshxtest"
)

func TestDialLogsIn(t *testing.T) {
	t.Parallel()
	k := sshxtest.NewKey(t)
	h := sshxtest.StartHost(t, sshtest.Options{}, k)
	c := sshxtest.Dial(t, sshxtest.NewDialer(t), sshxtest.Target(t, h, k))
	assert.Equal(t, k.Fingerprint(), c.AuthKey())
	assert.NoError(t, c.Err())
}

func TestDialReportsRefusedConnections(t *testing.T) {
	t.Parallel()
	addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(hosttest.Port(t)))

	_, err := sshxtest.NewDialer(t).Dial(sshxtest.Deadline(t), sshxtest.TargetAt(addr))

	var e *sshx.DialError
	require.ErrorAs(t, err, &e)
	require.ErrorIs(t, err, syscall.ECONNREFUSED)
	assert.Equal(t, "web1: connect: "+addr+": connection refused", e.Error())
}

func TestDialReportsNamesThatDoNotResolve(t *testing.T) {
	t.Parallel()
	target := sshx.Target{Name: "web1", HostName: "no-such-host.invalid", Port: 22, User: "deploy"}
	_, err := sshxtest.NewDialer(t).Dial(sshxtest.Deadline(t), target)
	var dns *net.DNSError
	require.ErrorAs(t, err, &dns)
	assert.ErrorContains(t, err, `web1: connect: no-such-host.invalid:22: cannot resolve "no-such-host.invalid"`)
}

func TestDialEndsWhenTheHostNeverSpeaks(t *testing.T) {
	t.Parallel()
	h := sshxtest.StartHost(t, sshtest.Options{Faults: sshtest.Faults{Silent: true}})
	d := sshxtest.NewDialer(t)
	d.HandshakeTimeout = 50 * time.Millisecond

	_, err := d.Dial(sshxtest.Deadline(t), sshxtest.Target(t, h))

	var e *sshx.DialError
	require.ErrorAs(t, err, &e)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	assert.Equal(t, sshx.PhaseHandshake, e.Phase)
	assert.Equal(t, "web1: handshake: "+h.Addr()+": no answer within 50 ms (waited for an SSH version)", e.Error())
}

func TestDialReportsATimeoutOfTheLogin(t *testing.T) {
	t.Parallel()
	k := sshxtest.NewKey(t)
	h := sshxtest.StartHost(t, sshtest.Options{Faults: sshtest.Faults{AuthDelay: 6 * time.Second}}, k)
	d := sshxtest.NewDialer(t)
	d.HandshakeTimeout = 2 * time.Second // the key exchange takes less on a busy machine

	_, err := d.Dial(sshxtest.Deadline(t), sshxtest.Target(t, h, k))

	var e *sshx.DialError
	require.ErrorAs(t, err, &e)
	assert.Equal(t, sshx.PhaseAuthenticate, e.Phase)
	require.ErrorIs(t, err, context.DeadlineExceeded)
}

func TestDialEndsWithItsContext(t *testing.T) {
	t.Parallel()
	h := sshxtest.StartHost(t, sshtest.Options{Faults: sshtest.Faults{Silent: true}})
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	_, err := sshxtest.NewDialer(t).Dial(ctx, sshxtest.Target(t, h))
	require.ErrorIs(t, err, context.Canceled)
	assert.ErrorContains(t, err, "interrupted")
}

func TestDialRetriesWhenTheHostDropsTheConnection(t *testing.T) {
	t.Parallel()
	k := sshxtest.NewKey(t)
	h := sshxtest.StartHost(t, sshtest.Options{Faults: sshtest.Faults{Drop: 2}}, k)
	sshxtest.Dial(t, sshxtest.NewDialer(t), sshxtest.Target(t, h, k))
	assert.Equal(t, 3, h.Record().Connections)
}

func TestDialGivesUpAfterThreeDrops(t *testing.T) {
	t.Parallel()
	h := sshxtest.StartHost(t, sshtest.Options{Faults: sshtest.Faults{Drop: 100}})
	_, err := sshxtest.NewDialer(t).Dial(sshxtest.Deadline(t), sshxtest.Target(t, h))
	assert.Regexp(t, `the host closed the connection|connection reset by the host`, err.Error())
	assert.Equal(t, 3, h.Record().Connections)
}

func TestDialShowsWhatTheServerSaysInsteadOfSSH(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, greeting, want string
		connections          int
	}{
		{"a ban is final", "Not allowed at this time\r\n", `the server said "Not allowed at this time"`, 1},
		{"too many at once is tried again", "Exceeded MaxStartups\r\n", `the server said "Exceeded MaxStartups"`, 3},
		{"control characters are harmless", "\x1b]0;owned\x07\r\n", `the server said "\x1b]0;owned\a"`, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			h := sshxtest.StartHost(t, sshtest.Options{Faults: sshtest.Faults{Greeting: c.greeting}})
			_, err := sshxtest.NewDialer(t).Dial(sshxtest.Deadline(t), sshxtest.Target(t, h))
			require.ErrorContains(t, err, c.want)
			assert.Equal(t, c.connections, h.Record().Connections)
		})
	}
}

func TestDialNeverRepeatsARefusedLogin(t *testing.T) {
	t.Parallel()
	h := sshxtest.StartHost(t, sshtest.Options{}, sshxtest.NewKey(t))
	_, err := sshxtest.NewDialer(t).Dial(sshxtest.Deadline(t), sshxtest.Target(t, h, sshxtest.NewKey(t)))
	var e *sshx.AuthError
	require.ErrorAs(t, err, &e)
	assert.Equal(t, 1, h.Record().Connections)
}

func TestDialBoundsParallelHandshakes(t *testing.T) {
	t.Parallel()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	var now, most atomic.Int32
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			serving.Go(func() {
				// Held for a moment, so that dials without a limit would meet. The count goes down
				// before the client can know.
				for n := now.Add(1); n > most.Load(); {
					most.Store(n)
				}
				<-time.After(20 * time.Millisecond)
				now.Add(-1)
				_, _ = io.WriteString(c, "Not allowed at this time\r\n")
				_ = c.Close()
			})
		}
	})
	t.Cleanup(func() { _ = l.Close(); serving.Wait() })
	d := sshxtest.NewDialer(t)
	d.Limit = 2

	var dials sync.WaitGroup
	for range 8 {
		dials.Go(func() {
			_, err := d.Dial(sshxtest.Deadline(t), sshxtest.TargetAt(l.Addr().String()))
			assert.Error(t, err)
		})
	}
	dials.Wait()
	assert.EqualValues(t, 2, most.Load())
}

func TestDialErrorsUnwrap(t *testing.T) {
	t.Parallel()
	cause := errors.New("cause")
	require.ErrorIs(t, &sshx.DialError{Err: cause}, cause)
	require.ErrorIs(t, &sshx.JumpError{Err: cause}, cause)
	require.ErrorIs(t, &sshx.AuthError{Err: cause}, cause)
}
