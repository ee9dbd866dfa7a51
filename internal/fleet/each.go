package fleet

import (
	"context"
	"time"

	"github.com/keep-it-simple/kis/internal/guard"
)

// Each runs work for 0 … n-1, at most limit at a time (0: no limit), and waits for all of them.
// Unlike errgroup it never stops early, because every host reports. A panic of work(i) goes to
// caught(i) and does not affect the others.
func Each(n, limit int, work func(i int), caught func(i int, p *guard.Panic)) {
	if limit <= 0 || limit > n {
		limit = n
	}
	slots := make(chan struct{}, max(limit, 1))
	var all guard.Group
	for i := range n {
		slots <- struct{}{}
		all.Go(func() {
			defer func() { <-slots }()
			work(i)
		}, func(p *guard.Panic) { caught(i, p) })
	}
	all.Wait()
}

// Wait waits, or returns early with the cause when ctx ends.
func Wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
