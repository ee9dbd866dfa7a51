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

	"github.com/keep-it-simple/kis/internal/guard"
	"github.com/keep-it-simple/kis/internal/safetext"
	"github.com/keep-it-simple/kis/sshx/hostkey"
	"github.com/keep-it-simple/kis/sshx/userauth"
)

// Dialer opens connections and owns what they share: connections to jump hosts, decrypted keys, the
// limit of parallel handshakes. The zero value is ready for use. Fields must not change after the
// first Dial. Use one Dialer for each run, and Close it after its clients.
type Dialer struct {
	// ConnectTimeout limits name resolution, TCP and the wait for the server's SSH version
	// together. It overrides the target's, as an option of ssh does. Zero: the target's.
	ConnectTimeout time.Duration
	// HandshakeTimeout limits key exchange and authentication together, without the time that the
	// user takes to answer a Prompt, or an agent to sign. Zero: 20 s.
	HandshakeTimeout time.Duration
	// AgentTimeout limits each answer of an agent. Zero: 10 s for its list of keys, 60 s for a
	// signature, which the user may have to confirm.
	AgentTimeout time.Duration
	// Prompt asks for passphrases and passwords; nil: the user cannot be asked.
	Prompt userauth.Prompt
	// Limit is the maximum number of parallel handshakes: sshd's MaxStartups drops connections from
	// 10 on. Zero: 8.
	Limit int
	// Warn takes one-line warnings; nil: they are dropped. Several goroutines call it.
	Warn func(string)

	state dialerState
}

// dialerState is the state that the dials of one run share.
type dialerState struct {
	hostKeys hostkey.Store
	logins   userauth.Shared

	mu    sync.Mutex
	slots chan struct{} // one for each parallel handshake
	jumps map[string]*jump
	// Connections to jump hosts that are not used for new hosts. Others may still use them: an
	// unresponsive one is closed by its keep-alives, no earlier than for any other host.
	replaced []*jump
	closed   bool

	gates  sync.Map // a *gate for each address
	warned sync.Map // the warnings that were passed on

	resolver *net.Resolver // nil: the system's
	owned    guard.Group   // dials of jump hosts
}

// Dial connects, verifies the host key, logs in and starts keep-alives. ctx limits Dial, not the
// life of the client. Errors are *HostKeyError, *AuthError, *JumpError or *DialError, or say that a
// known_hosts file cannot be read; nothing is left open then. When the host drops the connection
// before authentication (MaxStartups), Dial tries three times, and from then on dials the host one
// connection at a time. It never repeats anything after the first authentication request, because
// sshd counts failed logins of an address. It does not repeat a ProxyCommand that fails either,
// because the command may have logged in somewhere.
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
	verifier := d.state.hostKeys.Verifier(hostKeyPolicy(t), d.warn)
	for try := 1; ; try++ {
		c, err := d.attempt(ctx, t, via, verifier)
		if err == nil || try == dialTries || !retryable(err) {
			return c, err
		}
		// Connections that were dropped together must not be retried together.
		pause := time.Duration(try) * (200*time.Millisecond + rand.N(400*time.Millisecond)) //nolint:gosec // a pause needs no secure randomness
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return nil, err
		}
	}
}

// dialTries is the number of attempts while the host drops the connection before authentication.
const dialTries = 3

// retryable reports whether the host dropped the connection before authentication without a reason,
// or with sshd's message for MaxStartups.
func retryable(err error) bool {
	var e *DialError
	if !errors.As(err, &e) || e.Phase != PhaseHandshake || !isDropped(e.Err) || e.Command != "" {
		return false
	}
	return e.Said == "" || strings.Contains(e.Said, "MaxStartups")
}

// attempt dials once. It holds its slot until the login ends.
func (d *Dialer) attempt(ctx context.Context, t Target, via *Client, verifier *hostkey.Verifier) (*Client, error) {
	done, err := d.passGate(ctx, t)
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
	var c *Client
	err = guard.Try(func() (err error) {
		c, err = d.handshake(ctx, t, via, nc, verifier, time.Since(began))
		return err
	})
	if _, panicked := errors.AsType[*guard.Panic](err); panicked {
		_ = nc.Close()
	}
	if command, ok := nc.(*commandConn); ok && err != nil {
		err = command.explain(err)
	}
	done(err != nil && retryable(err))
	return c, err
}

// connect opens a TCP connection or a channel through the jump host (RFC 4254 section 7.2), or
// starts the ProxyCommand. It tries each address of a name.
func (d *Dialer) connect(ctx context.Context, t Target, via *Client) (net.Conn, error) {
	timeout := d.connectTimeout(t)
	limited, cancel := context.WithTimeout(ctx, timeout)
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
	return nil, d.failure(t, via, PhaseConnect, timeout, err)
}

// dialTCP connects from BindAddress, ssh_config(5), if it is set.
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

func (d *Dialer) connectTimeout(t Target) time.Duration {
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

func (d *Dialer) failure(t Target, via *Client, phase Phase, timeout time.Duration, err error) *DialError {
	e := &DialError{Name: t.Name, Addr: t.Addr(), Phase: phase, Err: err}
	if errors.Is(err, context.DeadlineExceeded) {
		e.After = timeout
	}
	switch {
	case via != nil:
		e.Via = via.name
	case len(t.ProxyCommand) > 0:
		e.Via = "ProxyCommand"
	}
	return e
}

// slot waits until fewer than Limit handshakes run.
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

// warn passes on each warning once in a run: many hosts share a known_hosts file.
func (d *Dialer) warn(text string) {
	if _, said := d.state.warned.LoadOrStore(text, true); !said && d.Warn != nil {
		d.Warn(text)
	}
}

// Ready returns an error when a login to t has nothing to offer: no key that can sign, and no
// prompt for a passphrase or a password. It connects to the agent only.
func (d *Dialer) Ready(ctx context.Context, t Target) error {
	clock := func() func() { return func() {} } // the agent has a timeout of its own
	l := d.state.logins.Login(ctx, d.loginSettings(t), userauth.Connection{Pause: clock})
	defer l.Close()
	if err := l.Ready(); err != nil {
		return fmt.Errorf("%s: %w", t.Name, err)
	}
	return nil
}
