package sshx

import (
	"context"
	"sync"
	"time"

	"github.com/keep-it-simple/kis/internal/guard"
)

// deadline is the clock of a context that ends after a time limit. It can be paused, for the time
// in which the user is asked.
type deadline struct {
	limit  time.Duration
	cancel context.CancelCauseFunc

	mu      sync.Mutex
	left    time.Duration
	since   time.Time
	timer   *time.Timer
	pauses  int
	stopped bool
}

// newDeadline starts the clock. spent is the part of the limit that was spent before. The caller must
// call stop.
func newDeadline(ctx context.Context, limit, spent time.Duration) (context.Context, *deadline) {
	ctx, cancel := context.WithCancelCause(ctx)
	d := &deadline{limit: limit, cancel: cancel, left: limit - spent, since: time.Now()}
	d.timer = time.AfterFunc(max(d.left, 0), guard.Func(func() { cancel(context.DeadlineExceeded) }, func(p *guard.Panic) { cancel(p) }))
	return ctx, d
}

func (d *deadline) stop() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.stopped = true
	d.timer.Stop()
	d.cancel(nil)
}

// restart sets a new limit from now on.
func (d *deadline) restart(limit time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.limit, d.left, d.since = limit, limit, time.Now()
	if d.pauses == 0 && !d.stopped {
		d.timer.Reset(limit)
	}
}

// current is the current limit.
func (d *deadline) current() time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.limit
}

// pause stops the clock until resume is called.
func (d *deadline) pause() (resume func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.pauses++; d.pauses == 1 {
		d.timer.Stop()
		d.left -= time.Since(d.since)
	}
	return sync.OnceFunc(func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		if d.pauses--; d.pauses == 0 && !d.stopped {
			d.since = time.Now()
			d.timer.Reset(max(d.left, 0))
		}
	})
}
