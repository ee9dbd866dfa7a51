package sshx

import (
	"context"
	"errors"
	"net"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/keep-it-simple/kis/sshx/hostkey"
	"github.com/keep-it-simple/kis/sshx/userauth"
)

// handshakeLimit is the default of Dialer.HandshakeTimeout.
const handshakeLimit = 20 * time.Second

// handshake runs key exchange and authentication on nc, which it owns. x/crypto
// has neither a context nor a timeout for this part: a server that accepts and
// stays silent would hold it for ever, so the end of ctx closes nc. spent is
// what connecting took of ConnectTimeout, which goes on until the server has
// sent its version, as in ssh; key exchange and login have their own limit.
func (d *Dialer) handshake(ctx context.Context, t Target, via *Client, nc net.Conn, hostKeys *hostkey.Verifier, spent time.Duration) (*Client, error) {
	limit := d.HandshakeTimeout
	if limit == 0 {
		limit = handshakeLimit
	}
	limited, clock := newDeadline(ctx, min(d.connectLimit(t), limit))
	defer clock.stop()
	clock.take(min(spent, d.connectLimit(t)))
	interval, count := t.KeepAlive()
	c := newConn(nc, interval*time.Duration(count), func() { clock.restart(limit) })

	l := d.state.logins.Login(limited, d.loginSettings(t), loginConnection(c, clock))
	defer l.Close()
	check := &hostKeyCheck{keys: hostKeys}
	config := &ssh.ClientConfig{
		Config:            ssh.Config{KeyExchanges: t.KexAlgorithms, Ciphers: t.Ciphers, MACs: t.MACs},
		HostKeyCallback:   check.callback,
		HostKeyAlgorithms: hostKeys.Algorithms(),
		ClientVersion:     "SSH-2.0-kis",
	}
	l.Configure(limited, config)
	stop := context.AfterFunc(limited, func() { _ = nc.Close() })
	sc, channels, requests, err := ssh.NewClientConn(c, t.Addr(), config)
	if !stop() && err == nil {
		_ = sc.Close()
		err = context.Cause(limited)
	}
	if err == nil {
		return newClient(t, c, ssh.NewClient(sc, channels, requests), l.Succeeded()), nil
	}
	_ = nc.Close()
	if cause := context.Cause(limited); cause != nil {
		err = cause // closing nc on time is what made it fail
	}
	return nil, d.handshakeFailure(t, via, check, c, clock, l, err)
}

// loginConnection is what a login needs of the connection and its clock.
func loginConnection(c *conn, clock *deadline) userauth.Connection {
	return userauth.Connection{Closed: c.gone, Pause: clock.pause, Restart: clock.restart}
}

// handshakeFailure sorts the errors of x/crypto, most of which are plain text,
// by what had been reached.
func (d *Dialer) handshakeFailure(t Target, via *Client, check *hostKeyCheck, c *conn, clock *deadline, l *userauth.Login, err error) error {
	if refused := check.refused.Load(); refused != nil {
		return refused
	}
	phase := PhaseHandshake
	if check.accepted.Load() {
		phase = PhaseAuthenticate
	}
	dropped := isDropped(err) || errors.Is(err, userauth.ErrClosedByHost)
	ended := errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
	if phase == PhaseAuthenticate && !dropped && !ended {
		return l.Refused(err)
	}
	e := d.failure(t, via, phase, clock.current(), err)
	switch {
	case phase == PhaseAuthenticate:
		e.Awaited, e.Asked, e.Offered = "an answer to the login", l.PromptTime(), l.Offered()
	case c.hasGreeted():
		e.Awaited = "the end of the key exchange"
	default:
		e.Awaited = "an SSH version"
		e.Said = c.said()
	}
	return e
}

// hostKeyCheck is the HostKeyCallback of one handshake. x/crypto calls it before
// it sends the first authentication request, and sends none when it fails.
type hostKeyCheck struct {
	keys     *hostkey.Verifier
	accepted atomic.Bool
	refused  atomic.Pointer[hostkey.Error]
}

func (h *hostKeyCheck) callback(_ string, _ net.Addr, key ssh.PublicKey) error {
	err := h.keys.Verify(key)
	if refused, ok := errors.AsType[*hostkey.Error](err); ok {
		h.refused.Store(refused)
	}
	h.accepted.Store(err == nil)
	return err
}
