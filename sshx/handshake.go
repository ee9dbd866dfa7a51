package sshx

import (
	"cmp"
	"context"
	"errors"
	"net"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/keep-it-simple/kis/internal/guard"
	"github.com/keep-it-simple/kis/sshx/hostkey"
	"github.com/keep-it-simple/kis/sshx/userauth"
)

// handshakeTimeout is the default of Dialer.HandshakeTimeout.
const handshakeTimeout = 20 * time.Second

// handshake is one key exchange and authentication.
type handshake struct {
	dialer   *Dialer
	target   Target
	via      *Client
	conn     *conn
	clock    *deadline
	verifier *hostkey.Verifier
	login    *userauth.Login

	accepted atomic.Bool                   // the host key is the host's
	refused  atomic.Pointer[hostkey.Error] // why it is not
}

// handshake performs key exchange and authentication on nc, which it owns. x/crypto has neither a
// context nor a timeout for this part, so the end of ctx closes nc. spent is the part of
// ConnectTimeout that connecting took; the rest limits the wait for the server's version, as in
// ssh. Key exchange and login have their own limit.
func (d *Dialer) handshake(ctx context.Context, t Target, via *Client, nc net.Conn, verifier *hostkey.Verifier, spent time.Duration) (*Client, error) {
	timeout := cmp.Or(d.HandshakeTimeout, handshakeTimeout)
	limited, clock := newDeadline(ctx, min(d.connectTimeout(t), timeout), spent)
	defer clock.stop()
	interval, count := t.KeepAlive()
	c := newConn(nc, interval*time.Duration(count), func() { clock.restart(timeout) })
	login := d.state.logins.Login(limited, d.loginSettings(t), userauth.Connection{Closed: c.readEnd, Pause: clock.pause, Restart: clock.restart, KeyExchange: c.keyExchange})
	defer login.Close()
	h := &handshake{dialer: d, target: t, via: via, conn: c, clock: clock, verifier: verifier, login: login}
	return h.run(limited)
}

func (h *handshake) run(ctx context.Context) (*Client, error) {
	t := h.target
	config := &ssh.ClientConfig{
		Config: ssh.Config{KeyExchanges: t.KexAlgorithms, Ciphers: t.Ciphers, MACs: t.MACs},
		HostKeyCallback: func(_ string, _ net.Addr, key ssh.PublicKey) error {
			return guard.Try(func() error { return h.verify(key) }) // x/crypto calls it on a goroutine of its own
		},
		HostKeyAlgorithms: h.verifier.Algorithms(),
		ClientVersion:     "SSH-2.0-kis",
	}
	h.login.Configure(ctx, config)
	stop := context.AfterFunc(ctx, guard.Func(func() { _ = h.conn.Close() }, h.conn.crashed))
	sc, channels, requests, err := ssh.NewClientConn(h.conn, t.Addr(), config)
	if !stop() && err == nil {
		_ = sc.Close()
		err = context.Cause(ctx)
	}
	if err == nil {
		return newClient(t, h.conn, ssh.NewClient(sc, channels, requests), h.login.Succeeded()), nil
	}
	_ = h.conn.Close()
	if bug := h.conn.bug.Load(); bug != nil {
		return nil, bug
	}
	if cause := context.Cause(ctx); cause != nil {
		err = cause // the end of ctx has closed the connection
	}
	return nil, h.failure(err)
}

// failure classifies an error of x/crypto, most of which are plain text, by the progress of the
// handshake.
func (h *handshake) failure(err error) error {
	if refused := h.refused.Load(); refused != nil {
		return refused
	}
	phase := PhaseHandshake
	if h.accepted.Load() {
		phase = PhaseAuthenticate
	}
	dropped := isDropped(err) || errors.Is(err, userauth.ErrClosedByHost)
	ended := errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
	if phase == PhaseAuthenticate && !dropped && !ended {
		return h.login.Refused(err)
	}
	e := h.dialer.failure(h.target, h.via, phase, h.clock.current(), err)
	switch {
	case phase == PhaseAuthenticate:
		e.Awaited, e.Asked, e.Offered = "an answer to the login", h.login.PromptTime(), h.login.Offered()
	case h.conn.hasVersion():
		e.Awaited = "the end of the key exchange"
	default:
		e.Awaited = "an SSH version"
		e.Said = h.conn.greeting()
	}
	return e
}

// verify verifies the host key. x/crypto calls it before the first authentication request, and sends
// none when it fails.
func (h *handshake) verify(key ssh.PublicKey) error {
	err := h.verifier.Verify(key)
	if refused, ok := errors.AsType[*hostkey.Error](err); ok {
		h.refused.Store(refused)
	}
	h.accepted.Store(err == nil)
	return err
}
