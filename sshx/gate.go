package sshx

import "context"

// gate limits the dials to one sshd. They run in parallel until the sshd drops one before
// authentication. From then on they run one at a time, because an sshd that has reached MaxStartups
// would drop parallel retries again.
type gate struct {
	throttled bool
	turn      chan struct{}
}

// passGate waits until t may be dialed. The caller must call done afterwards and say whether the
// host dropped the connection.
func (d *Dialer) passGate(ctx context.Context, t Target) (done func(dropped bool), err error) {
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
