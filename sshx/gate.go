package sshx

import "context"

// gate lets the dials of one sshd through. They run freely until that sshd drops
// one unseen; from then on they come one at a time, because an sshd that is
// throttled by MaxStartups would drop the ones that come back together again.
type gate struct {
	throttled bool
	turn      chan struct{}
}

// pass waits for the right to dial t, and returns what to call afterwards with
// whether the host dropped the connection.
func (d *Dialer) pass(ctx context.Context, t Target) (done func(dropped bool), err error) {
	key := t.Addr()
	d.state.mu.Lock()
	if d.state.gates == nil {
		d.state.gates = map[string]*gate{}
	}
	g := d.state.gates[key]
	if g == nil {
		g = &gate{turn: make(chan struct{}, 1)}
		d.state.gates[key] = g
	}
	throttled := g.throttled
	d.state.mu.Unlock()
	if throttled {
		select {
		case g.turn <- struct{}{}:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
	return func(dropped bool) {
		if throttled {
			<-g.turn
		}
		d.state.mu.Lock()
		defer d.state.mu.Unlock()
		g.throttled = g.throttled || dropped
	}, nil
}
