package sshx

import (
	"cmp"
	"context"
	"errors"
	"net"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/ssh"
)

// handshake runs key exchange and authentication on nc, which it owns. x/crypto
// has neither a context nor a timeout for this part: a server that accepts and
// stays silent would hold it for ever, so the end of ctx closes nc.
func (d *Dialer) handshake(ctx context.Context, t Target, via *Client, nc net.Conn, known knownHosts) (*Client, error) {
	interval, count := aliveSettings(t)
	c := &conn{Conn: nc, writeLimit: interval * time.Duration(count)}
	limit := cmp.Or(d.HandshakeTimeout, 20*time.Second)
	limited, clock := newDeadline(ctx, limit)
	defer clock.stop()

	ask := d.prompt(t, clock)
	keys, note, hangUp := openAgent(limited, t)
	defer hangUp()
	l := &login{target: t, ids: d.collect(limited, t, keys, ask, clock), ask: ask}
	if note != "" {
		l.ids.notes = append(l.ids.notes, note)
	}
	check := &hostKeyCheck{dialer: d, target: t, known: known}
	config := &ssh.ClientConfig{
		Config:            ssh.Config{KeyExchanges: t.KexAlgorithms, Ciphers: t.Ciphers, MACs: t.MACs},
		User:              t.User,
		Auth:              l.methods(limited),
		AuthCallback:      l.proceed,
		HostKeyCallback:   check.callback,
		HostKeyAlgorithms: known.orderHostKeys(t),
		ClientVersion:     "SSH-2.0-kis",
	}
	stop := context.AfterFunc(limited, func() { _ = nc.Close() })
	sc, channels, requests, err := ssh.NewClientConn(c, t.addr(), config)
	if !stop() && err == nil {
		_ = sc.Close()
		err = context.Cause(limited)
	}
	if err == nil {
		return newClient(t, c, ssh.NewClient(sc, channels, requests), l.key()), nil
	}
	_ = nc.Close()
	if cause := context.Cause(limited); cause != nil {
		err = cause // closing nc on time is what made it fail
	}
	return nil, d.handshakeFailure(t, via, c, check, l, limit, err)
}

// handshakeFailure sorts the errors of x/crypto, most of which are plain text,
// by what had been reached.
func (d *Dialer) handshakeFailure(t Target, via *Client, c *conn, check *hostKeyCheck, l *login, limit time.Duration, err error) error {
	if refused := check.refused.Load(); refused != nil {
		return refused
	}
	phase := PhaseHandshake
	if check.accepted.Load() {
		phase = PhaseAuthenticate
	}
	ended := isDropped(err) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
	if phase == PhaseAuthenticate && !ended {
		return &AuthError{Name: t.Name, User: t.User, Tried: l.account(), Err: err}
	}
	e := d.failure(t, via, phase, limit, err)
	if phase == PhaseHandshake {
		e.Said = c.said()
	}
	return e
}

// prompt is the Dialer's Prompt for one target: one question at a time over all
// hosts, with the handshake's clock standing still meanwhile. It is nil when
// there is nobody to ask.
func (d *Dialer) prompt(t Target, clock *deadline) Prompt {
	if d.Prompt == nil || t.BatchMode {
		return nil
	}
	return func(ctx context.Context, question string, echo bool) (string, error) {
		defer clock.pause()()
		d.state.prompting.Lock()
		defer d.state.prompting.Unlock()
		if err := context.Cause(ctx); err != nil {
			return "", err
		}
		return d.Prompt(ctx, question, echo)
	}
}

// hostKeyCheck is the HostKeyCallback of one handshake. x/crypto calls it before
// it sends the first authentication request, and sends none when it fails.
type hostKeyCheck struct {
	dialer   *Dialer
	target   Target
	known    knownHosts
	accepted atomic.Bool
	refused  atomic.Pointer[HostKeyError]
}

func (h *hostKeyCheck) callback(_ string, _ net.Addr, key ssh.PublicKey) error {
	if reason := h.target.weak(key); reason != "" {
		return errors.New("host key: " + reason)
	}
	e := h.known.decide(h.target, key, time.Now())
	if e != nil && e.Kind == HostKeyUnknown {
		e.forAccept(h.target)
		if h.target.StrictHostKeyChecking == StrictAcceptNew {
			e = h.dialer.acceptNew(e)
		}
	}
	if e != nil {
		h.refused.Store(e)
		return e
	}
	h.accepted.Store(true)
	return nil
}

// acceptNew writes an unknown key to known_hosts. A key that cannot be written
// is still accepted, as ssh does, with a warning.
func (d *Dialer) acceptNew(e *HostKeyError) *HostKeyError {
	d.state.accepting.Lock()
	defer d.state.accepting.Unlock()
	if err := e.Accept(); err != nil {
		d.warn(err.Error())
	}
	return nil
}
