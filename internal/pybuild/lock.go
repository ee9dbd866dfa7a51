package pybuild

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"
)

// errNoLocks means that the file system has no locks.
var errNoLocks = errors.New("the file system has no locks")

// lockPoll is how often a lock that is taken is tried again.
const lockPoll = 50 * time.Millisecond

// lock takes the exclusive flock(2) of an open file or directory. If another process holds it, lock
// calls waiting once and waits until the lock is free or ctx ends. The lock ends with unlock or
// with the process; the tools do not inherit it. unlock closes the file; after an error it is
// closed.
func lock(ctx context.Context, file *os.File, waiting func()) (unlock func(), err error) {
	defer func() {
		if err != nil {
			_ = file.Close() // nothing was written
		}
	}()
	// A context cannot interrupt flock(2), so it is polled.
	poll := time.NewTicker(lockPoll)
	defer poll.Stop()
	for {
		err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		switch {
		case err == nil:
			return func() { _ = file.Close() }, nil
		case errors.Is(err, syscall.EINTR):
			continue
		case !errors.Is(err, syscall.EWOULDBLOCK):
			return nil, fmt.Errorf("%w: %w", errNoLocks, err)
		}
		if waiting != nil {
			waiting()
			waiting = nil
		}
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-poll.C:
		}
	}
}
