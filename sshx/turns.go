package sshx

import (
	"context"
	"sync"
)

// turns lets one through at a time. Unlike a mutex it can be left alone when the
// waiting takes too long. The zero value is ready for use.
type turns struct {
	once sync.Once
	slot chan struct{}
}

// enter waits until nobody is in or ctx ends. Call leave once, if there is
// no error.
func (t *turns) enter(ctx context.Context) (leave func(), err error) {
	t.once.Do(func() { t.slot = make(chan struct{}, 1) })
	select {
	case t.slot <- struct{}{}:
		return sync.OnceFunc(func() { <-t.slot }), nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}
