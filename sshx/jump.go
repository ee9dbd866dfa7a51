package sshx

import (
	"context"
	"errors"
	"fmt"
)

// jump is the shared connection to one jump host, or the attempt to get it.
type jump struct {
	ready  chan struct{} // closed when client or err is set
	cancel context.CancelFunc
	client *Client
	err    error
}

// errDialerClosed says that a Dialer was used after Close.
var errDialerClosed = errors.New("the dialer is closed")

// jumpTo returns the connection to a jump host. All hosts behind it share one:
// channels through it count neither against its MaxSessions nor against its
// MaxStartups, and it asks for one login instead of one per host. A connection
// that has ended is replaced.
func (d *Dialer) jumpTo(ctx context.Context, t Target) (*Client, error) {
	if len(t.Jump) > 0 {
		return nil, &JumpError{Name: t.Name, Err: fmt.Errorf("%s: ProxyJump: %w: more than one jump host; name one host that reaches the target directly", t.Name, ErrUnsupported)}
	}
	j, err := d.sharedJump(ctx, t)
	if err != nil {
		return nil, err
	}
	select {
	case <-j.ready:
		return j.client, j.err
	case <-ctx.Done():
		return nil, d.failure(t, nil, PhaseConnect, 0, context.Cause(ctx))
	}
}

// sharedJump finds the attempt that is under way or has succeeded, or starts one.
func (d *Dialer) sharedJump(ctx context.Context, t Target) (*jump, error) {
	key := fmt.Sprintf("%q %q %q", t.Name, t.User, t.addr())
	d.state.mu.Lock()
	defer d.state.mu.Unlock()
	if d.state.closed {
		return nil, errDialerClosed
	}
	if j := d.state.jumps[key]; j != nil && j.usable() {
		return j, nil
	}
	// The attempt serves every host behind the jump host, so the end of the one
	// that happened to come first must not end it; Close does.
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	j := &jump{ready: make(chan struct{}), cancel: cancel}
	if d.state.jumps == nil {
		d.state.jumps = map[string]*jump{}
	}
	d.state.jumps[key] = j
	d.state.owned.Go(func() {
		defer close(j.ready)
		client, err := d.Dial(ctx, t)
		if err != nil {
			j.err = &JumpError{Name: t.Name, Err: err}
			return
		}
		j.client = client
	})
	return j, nil
}

// usable holds for an attempt under way and for a connection that lasts.
func (j *jump) usable() bool {
	select {
	case <-j.ready:
	default:
		return true
	}
	if j.err != nil {
		return false
	}
	select {
	case <-j.client.Done():
		return false
	default:
		return true
	}
}

// Close ends the shared connections to jump hosts. Clients behind them end too,
// so close those first. The Dialer cannot be used afterwards.
func (d *Dialer) Close() error {
	d.state.mu.Lock()
	d.state.closed = true
	jumps := d.state.jumps
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
