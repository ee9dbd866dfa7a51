package sshx

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/keep-it-simple/kis/internal/guard"
)

// jump is the shared connection to one jump host, or the attempt to open it.
type jump struct {
	ready  chan struct{} // closed when client or err is set
	cancel context.CancelFunc
	client *Client
	err    error
	failed time.Time // when err was set
}

// errDialerClosed says that a Dialer was used after Close.
var errDialerClosed = errors.New("the dialer is closed")

// failureLifetime is how long hosts behind a jump host share its failure, so that they do not dial
// an unreachable jump host one by one.
const failureLifetime = 5 * time.Second

// jumpTo returns the connection to the last host of a chain, which is reached through the hosts
// before it. All hosts behind the same chain share it: its channels count neither against the jump
// host's MaxSessions nor against its MaxStartups, and it needs one login. A connection that has
// ended or become unresponsive is replaced.
func (d *Dialer) jumpTo(ctx context.Context, chain []Target) (*Client, error) {
	last := chain[len(chain)-1]
	last.Jump = chain[:len(chain)-1]
	j, err := d.sharedJump(ctx, last)
	if err != nil {
		return nil, err
	}
	select {
	case <-j.ready:
		return j.client, j.err
	case <-ctx.Done():
		return nil, d.failure(last, nil, PhaseConnect, 0, context.Cause(ctx))
	}
}

// sharedJump returns the attempt that is in progress, has succeeded or has failed recently, or
// starts one.
func (d *Dialer) sharedJump(ctx context.Context, t Target) (*jump, error) {
	key := chainKey(append(slices.Clip(t.Jump), t))
	d.state.mu.Lock()
	defer d.state.mu.Unlock()
	if d.state.closed {
		return nil, errDialerClosed
	}
	if j := d.state.jumps[key]; j != nil {
		if j.usable() {
			return j, nil
		}
		d.state.replaced = append(d.state.replaced, j)
	}
	// All hosts behind the jump host share the attempt, so the end of the first one's ctx must not
	// cancel it; Close does.
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	j := &jump{ready: make(chan struct{}), cancel: cancel}
	if d.state.jumps == nil {
		d.state.jumps = map[string]*jump{}
	}
	d.state.jumps[key] = j
	d.state.owned.Go(func() {
		client, err := d.Dial(ctx, t)
		j.end(t, client, err)
	}, func(p *guard.Panic) { j.end(t, nil, p) })
	return j, nil
}

// end sets the result of the attempt.
func (j *jump) end(t Target, client *Client, err error) {
	defer close(j.ready)
	if err == nil {
		j.client = client
		return
	}
	j.failed = time.Now()
	j.err = err // names the first jump host that failed
	if _, named := errors.AsType[*JumpError](err); !named {
		j.err = &JumpError{Name: t.Name, Err: err}
	}
}

// chainKey identifies a chain by the names, addresses and users of its hosts.
func chainKey(chain []Target) string {
	var key strings.Builder
	for _, hop := range chain {
		fmt.Fprintf(&key, "%q %q %q %q\n", hop.Name, hop.User, hop.Addr(), hop.ProxyCommand)
	}
	return key.String()
}

// usable reports whether the attempt is in progress, the connection is alive, or the failure is
// recent. A failure because of an unknown host key ends when the user accepts the key.
func (j *jump) usable() bool {
	select {
	case <-j.ready:
	default:
		return true
	}
	if j.err != nil {
		key, isKey := errors.AsType[*HostKeyError](j.err)
		return time.Since(j.failed) < failureLifetime && (!isKey || !key.Accepted())
	}
	select {
	case <-j.client.Done():
		return false
	default:
		return !j.client.unresponsive.Load()
	}
}

// Close closes the shared connections to jump hosts. Close the clients first, because their
// connections end too. The Dialer cannot be used afterwards.
func (d *Dialer) Close() error {
	d.state.mu.Lock()
	d.state.closed = true
	jumps := slices.AppendSeq(d.state.replaced, maps.Values(d.state.jumps))
	for _, j := range jumps {
		j.cancel()
	}
	d.state.mu.Unlock()
	d.state.owned.Wait()
	var errs []error
	for _, j := range jumps {
		if j.client != nil {
			errs = append(errs, j.client.Close())
		}
	}
	return errors.Join(errs...)
}
