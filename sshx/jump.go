package sshx

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// jump is the shared connection to one jump host, or the attempt to get it.
type jump struct {
	ready  chan struct{} // closed when client or err is set
	cancel context.CancelFunc
	client *Client
	err    error
	failed time.Time // when err was set
}

// errDialerClosed says that a Dialer was used after Close.
var errDialerClosed = errors.New("the dialer is closed")

// coolDown is how long the failure of a jump host answers for the hosts behind
// it that come later: 64 hosts must not knock at a dead bastion one by one.
const coolDown = 5 * time.Second

// jumpTo returns the connection to the last host of a chain, which is reached
// through those before it. All hosts behind the same chain share one: channels
// through it count neither against its MaxSessions nor against its MaxStartups,
// and it asks for one login instead of one per host. A connection that has ended,
// or has become silent, is replaced.
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

// sharedJump finds the attempt that is under way, has succeeded or has just
// failed, or starts one.
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
		if err == nil {
			j.client = client
			return
		}
		j.failed = time.Now()
		j.err = err // of a jump host before this one, which is the one to name
		if _, named := errors.AsType[*JumpError](err); !named {
			j.err = &JumpError{Name: t.Name, Err: err}
		}
	})
	return j, nil
}

// chainKey is equal for two chains that lead the same way under the same names.
func chainKey(chain []Target) string {
	var key strings.Builder
	for _, hop := range chain {
		fmt.Fprintf(&key, "%q %q %q %q\n", hop.Name, hop.User, hop.Addr(), hop.ProxyCommand)
	}
	return key.String()
}

// usable holds for an attempt under way, for a connection that lasts, and for a
// failure that is still news. A host key that a person has accepted meanwhile
// makes its failure old at once.
func (j *jump) usable() bool {
	select {
	case <-j.ready:
	default:
		return true
	}
	if j.err != nil {
		key, isKey := errors.AsType[*HostKeyError](j.err)
		return time.Since(j.failed) < coolDown && (!isKey || !key.Accepted())
	}
	select {
	case <-j.client.Done():
		return false
	default:
		return !j.client.silent.Load()
	}
}

// Close ends the shared connections to jump hosts. Clients behind them end too,
// so close those first. The Dialer cannot be used afterwards.
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
