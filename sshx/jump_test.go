package sshx_test

import (
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/sshtest"
	"github.com/keep-it-simple/kis/internal/testenv/proxytest"
	"github.com/keep-it-simple/kis/sshx"
	"github.com/keep-it-simple/kis/sshx/hostkey"
	"github.com/keep-it-simple/kis/sshx/internal/sshxtest"
)

func TestHostsShareOneConnectionToTheirJumpHost(t *testing.T) {
	t.Parallel()
	k := sshxtest.NewKey(t)
	bastion := sshxtest.StartHost(t, sshtest.Options{Forward: true}, k)
	jump := sshxtest.Target(t, bastion, k)
	jump.Name = "bastion"
	d := sshxtest.NewDialer(t)
	var dials sync.WaitGroup
	for range 6 {
		h := sshxtest.StartHost(t, sshtest.Options{}, k)
		target := sshxtest.Target(t, h, k)
		target.Jump = []sshx.Target{jump}
		dials.Go(func() {
			c, err := d.Dial(sshxtest.Deadline(t), target)
			if assert.NoError(t, err) {
				assert.Equal(t, 1, h.Record().Connections)
				assert.NoError(t, c.Close())
			}
		})
	}
	dials.Wait()
	r := bastion.Record()
	assert.Equal(t, 1, r.Connections)
	assert.Len(t, r.Channels, 6)
	assert.Subset(t, []string{"direct-tcpip"}, r.Channels)
}

func TestAJumpHostIsCheckedUnderItsOwnName(t *testing.T) {
	t.Parallel()
	k := sshxtest.NewKey(t)
	bastion := sshxtest.StartHost(t, sshtest.Options{Forward: true}, k)
	h := sshxtest.StartHost(t, sshtest.Options{}, k)
	jump := sshxtest.Target(t, bastion, k)
	jump.Name = "bastion"
	jump.UserKnownHostsFiles = []string{sshxtest.KnownHosts(t, h.KnownHostsLine())} // knows the target only
	target := sshxtest.Target(t, h, k)
	target.Jump = []sshx.Target{jump}

	_, err := sshxtest.NewDialer(t).Dial(sshxtest.Deadline(t), target)

	var via *sshx.JumpError
	require.ErrorAs(t, err, &via)
	assert.Equal(t, "bastion", via.Name)
	var e *sshx.HostKeyError
	require.ErrorAs(t, err, &e)
	assert.Equal(t, "bastion", e.Host)
	assert.Zero(t, h.Record().Connections)
}

func TestTheTargetsHostKeyIsCheckedThroughTheJumpHost(t *testing.T) {
	t.Parallel()
	k := sshxtest.NewKey(t)
	bastion := sshxtest.StartHost(t, sshtest.Options{Forward: true}, k)
	h := sshxtest.StartHost(t, sshtest.Options{}, k)
	target := sshxtest.Target(t, h, k)
	target.UserKnownHostsFiles = nil
	target.Jump = []sshx.Target{sshxtest.Target(t, bastion, k)}
	e := sshxtest.RefusedHostKey(t, h, target)
	assert.Equal(t, hostkey.Unknown, e.Kind)
}

func TestAllHostsBehindADeadJumpHostGetOneError(t *testing.T) {
	t.Parallel()
	bastion := sshxtest.StartHost(t, sshtest.Options{Faults: sshtest.Faults{Drop: 100}})
	jump := sshxtest.Target(t, bastion)
	jump.Name = "bastion"
	d := sshxtest.NewDialer(t)
	errs := make([]error, 4)
	var dials sync.WaitGroup
	for i := range errs {
		target := sshxtest.TargetAt("127.0.0.1:1")
		target.Jump = []sshx.Target{jump}
		dials.Go(func() { _, errs[i] = d.Dial(sshxtest.Deadline(t), target) })
	}
	dials.Wait()
	assert.Equal(t, 3, bastion.Record().Connections)
	for _, err := range errs {
		assert.Same(t, errs[0], err)
	}
	assert.ErrorContains(t, errs[0], "jump host bastion: handshake")
}

func TestAHostThatTheJumpHostCannotReachIsNamed(t *testing.T) {
	t.Parallel()
	k := sshxtest.NewKey(t)
	bastion := sshxtest.StartHost(t, sshtest.Options{Forward: true}, k)
	jump := sshxtest.Target(t, bastion, k)
	jump.Name = "bastion"
	target := sshxtest.TargetAt("127.0.0.1:1")
	target.Jump = []sshx.Target{jump}
	_, err := sshxtest.NewDialer(t).Dial(sshxtest.Deadline(t), target)
	var e *sshx.DialError
	require.ErrorAs(t, err, &e)
	assert.Equal(t, sshx.PhaseConnect, e.Phase)
	assert.ErrorContains(t, err, "web1: connect: 127.0.0.1:1 through bastion: the jump host could not connect: ")
}

func TestALostJumpHostIsDialedAgain(t *testing.T) {
	t.Parallel()
	k := sshxtest.NewKey(t)
	bastion := sshxtest.StartHost(t, sshtest.Options{Forward: true}, k)
	proxy, err := proxytest.New(bastion.Addr())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, proxy.Close()) })
	jump := sshxtest.Target(t, bastion, k)
	jump.Port = proxy.Port()
	jump.HostKey = hostkey.Pin{Fingerprint: sshxtest.Fingerprint(bastion)}
	h := sshxtest.StartHost(t, sshtest.Options{}, k)
	target := sshxtest.Target(t, h, k)
	target.Jump = []sshx.Target{jump}
	d := sshxtest.NewDialer(t)
	c := sshxtest.Dial(t, d, target)

	proxy.Cut()

	<-c.Done()
	require.ErrorIs(t, c.Err(), sshx.ErrConnectionLost)
	require.Eventually(t, func() bool {
		c, err := d.Dial(sshxtest.Deadline(t), target)
		return err == nil && c.Close() == nil
	}, 10*time.Second, time.Second/100)
	assert.Equal(t, 2, bastion.Record().Connections)
}

// throughProxy is a host behind a jump host, which is reached through a proxy.
func throughProxy(t *testing.T) (sshx.Target, *proxytest.Proxy, *sshtest.Host) {
	t.Helper()
	k := sshxtest.NewKey(t)
	bastion, h := sshxtest.StartHost(t, sshtest.Options{Forward: true}, k), sshxtest.StartHost(t, sshtest.Options{}, k)
	proxy, err := proxytest.New(bastion.Addr())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, proxy.Close()) })
	jump := sshxtest.Target(t, bastion, k)
	jump.Name, jump.Port, jump.HostKey = "bastion", proxy.Port(), hostkey.Pin{Fingerprint: sshxtest.Fingerprint(bastion)}
	target := sshxtest.Target(t, h, k)
	target.Jump = []sshx.Target{jump}
	return target, proxy, bastion
}

// A firewall between has forgotten the connection: a new one works.
func TestAJumpHostThatIsSilentIsDialedAgain(t *testing.T) {
	t.Parallel()
	target, proxy, bastion := throughProxy(t)
	d := sshxtest.NewDialer(t)
	d.ConnectTimeout = time.Second
	c := sshxtest.Dial(t, d, target)

	proxy.Forget()

	_, err := d.Dial(sshxtest.Deadline(t), target)
	require.ErrorContains(t, err, "through bastion: no answer")
	require.Equal(t, 1, bastion.Record().Connections)
	again := sshxtest.Dial(t, d, target)
	out, _, err := sshxtest.Run(t, again, "echo through")
	require.NoError(t, err)
	assert.Equal(t, "through\n", out)
	assert.Equal(t, 2, bastion.Record().Connections)
	select {
	case <-c.Done():
		require.Fail(t, "who was there before is not hung up")
	default:
	}
}

// The host behind it is the one that is silent.
func TestAJumpHostThatAnswersIsNotDialedAgain(t *testing.T) {
	t.Parallel()
	k := sshxtest.NewKey(t)
	bastion := sshxtest.StartHost(t, sshtest.Options{Faults: sshtest.Faults{SilentForward: true}}, k)
	target := sshxtest.TargetAt("127.0.0.1:1")
	target.Jump = []sshx.Target{named(t, "bastion", bastion, k)}
	d := sshxtest.NewDialer(t)
	d.ConnectTimeout = time.Second
	for range 2 {
		_, err := d.Dial(sshxtest.Deadline(t), target)
		require.ErrorContains(t, err, "through bastion: no answer")
	}
	assert.Equal(t, 1, bastion.Record().Connections)
}

// A canceled dial through a silent jump host does not wait for it.
func TestClosingDoesNotWaitForASilentJumpHost(t *testing.T) {
	t.Parallel()
	target, proxy, _ := throughProxy(t)
	target.ServerAliveInterval, target.Jump[0].ServerAliveInterval = time.Hour, time.Hour // they do not end it
	d := sshxtest.NewDialer(t)
	c := sshxtest.Dial(t, d, target)
	p, err := c.Start(t.Context(), "cat")
	require.NoError(t, err)
	proxy.Stall()
	full := make(chan error, 1)
	go func() { // until nothing more goes in
		for {
			if _, err := p.Stdin.Write(make([]byte, 1<<20)); err != nil {
				full <- err
				return
			}
		}
	}()
	require.NoError(t, c.Close())
	require.Error(t, <-full)
	require.NoError(t, d.Close())
}
