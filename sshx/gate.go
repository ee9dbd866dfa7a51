package sshx

import (
	"context"
	"sync/atomic"
)

// gate limits the dials to one sshd. They run in parallel until the sshd drops one before
// authentication. From then on they run one at a time, because an sshd that has reached MaxStartups
// would drop parallel retries again.
type gate struct {
	throttled atomic.Bool
	turn      chan struct{}
}

// passGate waits until t may be dialed. The caller must call done afterwards and say whether the
// host dropped the connection.
func (d *Dialer) passGate(ctx context.Context, t Target) (done func(dropped bool), err error) {
	found, _ := d.state.gates.LoadOrStore(t.Addr(), &gate{turn: make(chan struct{}, 1)})
	g := found.(*gate)
	throttled := g.throttled.Load()
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
		if dropped {
			g.throttled.Store(true)
		}
	}, nil
}
