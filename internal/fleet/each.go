package fleet

import (
	"context"
	"time"

	"github.com/keep-it-simple/kis/internal/guard"
)

// Each runs work for 0 … n-1, at most limit at a time (0: all at once), and waits for all of them. It never stops early:
// every host reports, which is why it is no errgroup. A panic of work(i) goes to caught(i) and keeps the others from nothing.
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

// Wait waits, or returns early with the reason why ctx has ended.
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
