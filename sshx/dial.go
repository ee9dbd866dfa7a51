package sshx

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/keep-it-simple/kis/internal/safetext"
	"github.com/keep-it-simple/kis/sshx/hostkey"
	"github.com/keep-it-simple/kis/sshx/userauth"
)

// Dialer opens connections and owns what they share: jump hosts, decrypted
// keys, the limit of parallel handshakes. The zero value works. Fields must not
// change after the first Dial. Use one Dialer per run, and Close it after its
// clients.
type Dialer struct {
	// ConnectTimeout bounds name resolution, TCP and the wait for the server's
	// SSH version together, whatever the target says, as an option on ssh's
	// command line would. Zero: the target's.
	ConnectTimeout time.Duration
	// HandshakeTimeout bounds key exchange and authentication together; time
	// that a person takes to answer a Prompt, or an agent to sign, does not
	// count. Zero: 20 s.
	HandshakeTimeout time.Duration
	// AgentTimeout bounds each answer of an agent. Zero: 10 s for its list of
	// keys, 60 s for a signature, which somebody may have to confirm.
	AgentTimeout time.Duration
	// Prompt asks for passphrases and passwords; nil: there is nobody to ask.
	Prompt userauth.Prompt
	// Limit is the number of handshakes that may run at once, because sshd's
	// MaxStartups starts to drop connections at 10. Zero: 8.
	Limit int
	// Warn takes one-line warnings; nil: they are dropped. It is called from
	// several goroutines.
	Warn func(string)

	state dialerState
}

// dialerState is what the dials of one run share.
type dialerState struct {
	hostKeys hostkey.Store
	logins   userauth.Shared

	mu    sync.Mutex
	slots chan struct{} // one per handshake that may run
	jumps map[string]*jump
	// Connections that no new host goes through. Some may serve others still: a
	// silent one ends by its own keep-alives, when others would have hung up too.
	replaced []*jump
	gates    map[string]*gate
	warned   map[string]bool
	closed   bool

	resolver *net.Resolver  // nil: the system's
	owned    sync.WaitGroup // dials of jump hosts
}

// Dial connects, checks the host key, logs in and starts keep-alives. ctx covers
// all of it, not the life of the client. Errors are *HostKeyError, *AuthError,
// *JumpError or *DialError, or say that a known_hosts file cannot be read;
// nothing is left open when there is one. A host that drops the connection
// before authentication (MaxStartups) is tried three times, and from then on
// only one dial at a time goes to it; nothing after the first authentication
// request is ever repeated, because sshd counts failed logins against our
// address. A ProxyCommand that fails is not repeated either: it may have logged
// in to something.
func (d *Dialer) Dial(ctx context.Context, t Target) (*Client, error) {
	t = t.WithSupportedAlgorithms()
	var via *Client
	if len(t.Jump) > 0 {
		j, err := d.jumpTo(ctx, t.Jump)
		if err != nil {
			return nil, err
		}
		via = j
	}
	for _, w := range t.Warnings {
		d.warn(w)
	}
	keys, err := d.state.hostKeys.Verifier(hostKeyPolicy(t), d.warn)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", t.Name, err)
	}
	for try := 1; ; try++ {
		c, err := d.once(ctx, t, via, keys)
		if err == nil || try == dialTries || !retryable(err) {
			return c, err
		}
		// Hosts that were dropped together must not come back together.
		pause := time.Duration(try) * (200*time.Millisecond + rand.N(400*time.Millisecond)) //nolint:gosec // a pause needs no secret
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return nil, err
		}
	}
}

// dialTries is how often a host is dialed that drops the connection unseen.
const dialTries = 3

// retryable holds for a connection that the host dropped before authentication
// began and without a reason, or with sshd's own word for "too many at once".
func retryable(err error) bool {
	var e *DialError
	if !errors.As(err, &e) || e.Phase != PhaseHandshake || !isDropped(e.Err) || e.Command != "" {
		return false
	}
	return e.Said == "" || strings.Contains(e.Said, "MaxStartups")
}

// once makes one attempt. The slot is held until the login is over.
func (d *Dialer) once(ctx context.Context, t Target, via *Client, keys *hostkey.Verifier) (*Client, error) {
	done, err := d.pass(ctx, t)
	if err != nil {
		return nil, d.failure(t, via, PhaseConnect, 0, err)
	}
	release, err := d.slot(ctx)
	if err != nil {
		done(false)
		return nil, d.failure(t, via, PhaseConnect, 0, err)
	}
	defer release()
	began := time.Now()
	nc, err := d.connect(ctx, t, via)
	if err != nil {
		done(false)
		return nil, err
	}
	c, err := d.handshake(ctx, t, via, nc, keys, time.Since(began))
	if command, ok := nc.(*commandConn); ok && err != nil {
		err = command.explain(err)
	}
	done(err != nil && retryable(err))
	return c, err
}

// connect opens the TCP connection, or the channel through the jump host
// (RFC 4254 7.2), or starts the ProxyCommand. Of several addresses each is tried
// in turn.
func (d *Dialer) connect(ctx context.Context, t Target, via *Client) (net.Conn, error) {
	limit := d.connectLimit(t)
	limited, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	var nc net.Conn
	var err error
	switch {
	case via != nil:
		nc, err = via.tunnel(limited, t.Addr())
	case len(t.ProxyCommand) > 0:
		nc, err = startCommand(ctx, t.ProxyCommand)
	default:
		nc, err = d.dialTCP(limited, t)
	}
	if err == nil {
		return nc, nil
	}
	if ctx.Err() != nil {
		return nil, d.failure(t, via, PhaseConnect, 0, context.Cause(ctx))
	}
	if limited.Err() != nil {
		err = context.DeadlineExceeded
	}
	return nil, d.failure(t, via, PhaseConnect, limit, err)
}

// dialTCP connects from BindAddress, if there is one (ssh_config(5)).
func (d *Dialer) dialTCP(ctx context.Context, t Target) (net.Conn, error) {
	dialer := net.Dialer{Resolver: d.state.resolver}
	if t.BindAddress != "" {
		local, err := net.ResolveTCPAddr(network(t), net.JoinHostPort(t.BindAddress, "0"))
		if err != nil {
			return nil, fmt.Errorf("BindAddress %s: %w", safetext.Line(t.BindAddress), err)
		}
		dialer.LocalAddr = local
	}
	return dialer.DialContext(ctx, network(t), t.Addr())
}

func (d *Dialer) connectLimit(t Target) time.Duration {
	return cmp.Or(d.ConnectTimeout, t.ConnectTimeout, 10*time.Second)
}

func network(t Target) string {
	switch t.AddressFamily {
	case "inet":
		return "tcp4"
	case "inet6":
		return "tcp6"
	}
	return "tcp"
}

func (d *Dialer) failure(t Target, via *Client, phase Phase, limit time.Duration, err error) *DialError {
	e := &DialError{Name: t.Name, Addr: t.Addr(), Phase: phase, Err: err}
	if errors.Is(err, context.DeadlineExceeded) {
		e.After = limit
	}
	switch {
	case via != nil:
		e.Via = via.name
	case len(t.ProxyCommand) > 0:
		e.Via = "ProxyCommand"
	}
	return e
}

// slot waits for the right to start a handshake.
func (d *Dialer) slot(ctx context.Context) (release func(), err error) {
	d.state.mu.Lock()
	if d.state.slots == nil {
		d.state.slots = make(chan struct{}, cmp.Or(d.Limit, 8))
	}
	slots := d.state.slots
	d.state.mu.Unlock()
	select {
	case slots <- struct{}{}:
		return func() { <-slots }, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// warn passes a warning on, once per run: 64 hosts share one known_hosts file.
func (d *Dialer) warn(text string) {
	d.state.mu.Lock()
	defer d.state.mu.Unlock()
	if d.Warn == nil || d.state.warned[text] {
		return
	}
	if d.state.warned == nil {
		d.state.warned = map[string]bool{}
	}
	d.state.warned[text] = true
	d.Warn(text)
}

// Ready reports why a login as t could offer nothing: no key that can sign, and
// nobody to ask for a passphrase or a password. It contacts nobody but the agent.
func (d *Dialer) Ready(ctx context.Context, t Target) error {
	clock := func() func() { return func() {} } // only the agent is asked, which has a limit of its own
	l := d.state.logins.Login(ctx, d.loginSettings(t), userauth.Connection{Pause: clock})
	defer l.Close()
	if err := l.Ready(); err != nil {
		return fmt.Errorf("%s: %w", t.Name, err)
	}
	return nil
}
