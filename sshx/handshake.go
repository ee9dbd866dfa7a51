package sshx

import (
	"context"
	"errors"
	"net"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/keep-it-simple/kis/sshx/hostkey"
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
	interval, count := aliveSettings(t)
	c := newConn(nc, interval*time.Duration(count), func() { clock.restart(limit) })

	keys, note, hangUp := d.openAgent(limited, t, clock)
	defer hangUp()
	l := d.newLogin(limited, t, c, clock, keys)
	if note != "" {
		l.ids.notes = append(l.ids.notes, note)
	}
	check := &hostKeyCheck{keys: hostKeys}
	config := &ssh.ClientConfig{
		Config:            ssh.Config{KeyExchanges: t.KexAlgorithms, Ciphers: t.Ciphers, MACs: t.MACs},
		User:              t.User,
		Auth:              l.methods(limited),
		AuthCallback:      l.proceed,
		HostKeyCallback:   check.callback,
		HostKeyAlgorithms: hostKeys.Algorithms(),
		ClientVersion:     "SSH-2.0-kis",
	}
	stop := context.AfterFunc(limited, func() { _ = nc.Close() })
	sc, channels, requests, err := ssh.NewClientConn(c, t.addr(), config)
	if !stop() && err == nil {
		_ = sc.Close()
		err = context.Cause(limited)
	}
	if err == nil {
		l.settle(true, false)
		return newClient(t, c, ssh.NewClient(sc, channels, requests), l.key()), nil
	}
	_ = nc.Close()
	if cause := context.Cause(limited); cause != nil {
		err = cause // closing nc on time is what made it fail
	}
	err = d.handshakeFailure(t, via, check, l, err)
	var refused *AuthError
	l.settle(false, errors.As(err, &refused))
	return nil, err
}

// newLogin collects what can be offered and who can be asked.
func (d *Dialer) newLogin(ctx context.Context, t Target, c *conn, clock *deadline, keys []agentKey) *login {
	ask := d.prompt(t)
	l := &login{target: t, conn: c, clock: clock, ask: ask, say: d.warn, acct: d.state.accounts.of(t)}
	l.ids = d.collect(t, keys, ask != nil, func(k *keyFile) lazySigner {
		return lazySigner{ctx: ctx, key: k, ask: ask, tries: t.prompts(), wait: l.waitForPerson}
	})
	return l
}

// handshakeFailure sorts the errors of x/crypto, most of which are plain text,
// by what had been reached.
func (d *Dialer) handshakeFailure(t Target, via *Client, check *hostKeyCheck, l *login, err error) error {
	if refused := check.refused.Load(); refused != nil {
		return refused
	}
	phase := PhaseHandshake
	if check.accepted.Load() {
		phase = PhaseAuthenticate
	}
	dropped := isDropped(err) || errors.Is(err, errGone)
	ended := errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
	if phase == PhaseAuthenticate && !dropped && !ended {
		return &AuthError{Name: t.Name, User: t.User, Tried: l.account(err), Accepts: slices.Clone(l.allowed), TooManyTries: tooManyTries(err), Err: err}
	}
	e := d.failure(t, via, phase, l.clock.current(), err)
	switch {
	case phase == PhaseAuthenticate:
		e.Awaited, e.Asked, e.Offered = "an answer to the login", l.asked, l.offered()
	case l.conn.hasGreeted():
		e.Awaited = "the end of the key exchange"
	default:
		e.Awaited = "an SSH version"
		e.Said = l.conn.said()
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
