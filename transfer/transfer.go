// Package transfer uploads one file to one host over SFTP so that it is complete or absent. It does
// not choose the name, compare digests or rename the file: the caller passes a random name in a
// directory that only the user can access, and has the host compare the digest and rename the file
// afterwards.
package transfer

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"sync/atomic"
	"time"

	"github.com/pkg/sftp"

	"github.com/keep-it-simple/kis/internal/guard"
)

// Options tune Put. The zero value is right for most callers.
type Options struct {
	// Stall is how long a transfer may make no progress. Zero: 45 s.
	Stall time.Duration
	// Progress receives the number of bytes that the host has acknowledged. It is called by one
	// goroutine at a time, never with a smaller number than before, and with size at the end. It
	// may be nil.
	Progress func(done int64)
}

const (
	defaultStall = 45 * time.Second
	// cleanupTimeout bounds what is sent to the host after a failure: the host may be the cause.
	cleanupTimeout = 5 * time.Second
)

// Put writes exactly size bytes of src to the new file dst, an absolute path on the host, with mode
// 0600, and syncs it to disk if the host's SFTP server supports that. If Put returns nil, the file
// is complete. Otherwise Put has removed it, unless the connection is lost.
//
// dst must not exist: its name is random, so Put never removes a file that it finds there. When ctx
// ends, Put sends nothing more and removes the file. To abandon a host that does not answer, Put
// closes c, because nothing else ends a request: c is closed after an error whose Kind is Stalled
// or Lost, and usually open after Interrupted. Every error is an *Error, and no goroutine is left
// running.
func Put(ctx context.Context, c *sftp.Client, src io.Reader, size int64, dst string, o Options) error {
	if !path.IsAbs(dst) || path.Clean(dst) != dst {
		return &Error{Path: dst, Kind: Failed, Err: errors.New("not an absolute, clean path")}
	}
	if size < 0 {
		return &Error{Path: dst, Kind: Failed, Err: fmt.Errorf("size %d", size)}
	}
	w := watch(ctx, c, cmp.Or(o.Stall, defaultStall))
	defer w.stop()
	e := put(w, c, src, size, dst, o.Progress)
	if e == nil {
		return nil
	}
	w.explain(c, dst, e)
	if e.created && e.Kind != Lost && !w.closed.Load() {
		w.remove(c, dst)
	}
	return e
}

// put transfers the file; its errors name the step.
func put(w *watchdog, c *sftp.Client, src io.Reader, size int64, dst string, progress func(int64)) *Error {
	f, err := c.OpenFile(dst, os.O_WRONLY|os.O_CREATE|os.O_EXCL)
	if err != nil {
		return &Error{Step: "create", Err: err}
	}
	w.progress()
	if err := fill(w, f, src, size, progress); err != nil {
		// The file is removed anyway, and the first error is the cause.
		_ = f.Close()
		return err
	}
	if err := f.Close(); err != nil {
		return failedAt("close", err)
	}
	return nil
}

func fill(w *watchdog, f *sftp.File, src io.Reader, size int64, progress func(int64)) *Error {
	// The host's umask has determined the mode so far.
	if err := f.Chmod(0o600); err != nil {
		return failedAt("chmod", err)
	}
	if err := send(w, f, src, size, progress); err != nil {
		return err
	}
	info, err := f.Stat()
	if err != nil {
		return failedAt("stat", err)
	}
	if info.Size() != size {
		return failedAt("compare", fmt.Errorf("the host has %d of %d bytes", info.Size(), size))
	}
	w.progress()
	// A server may lack fsync@openssh.com; the caller's agent syncs then.
	if err := f.Sync(); err != nil && !isUnsupported(err) {
		return failedAt("sync", err)
	}
	return nil
}

// remove has a timeout of its own. A host that does not answer keeps the file, under a name that
// nothing uses.
func (w *watchdog) remove(c *sftp.Client, dst string) {
	timer := time.AfterFunc(cleanupTimeout, guard.Func(func() { _ = c.Close() }, w.panicked))
	defer timer.Stop()
	_ = c.Remove(dst)
}

// watchdog closes the client after Options.Stall without progress, and after cleanupTimeout once
// ctx has ended: until then, a host that still answers can remove the file.
type watchdog struct {
	ctx   context.Context //nolint:containedctx // it lives for one Put
	stall time.Duration

	bug     atomic.Pointer[guard.Panic] // in what a timer does
	closed  atomic.Bool                 // by a timer below
	stalled atomic.Bool
	timer   *time.Timer
	unwatch func() bool
	ctxDone chan struct{} // closed when the end of ctx has been handled
	stopped chan struct{} // closed by stop
}

func watch(ctx context.Context, c *sftp.Client, stall time.Duration) *watchdog {
	w := &watchdog{ctx: ctx, stall: stall, ctxDone: make(chan struct{}), stopped: make(chan struct{})}
	w.timer = time.AfterFunc(stall, guard.Func(func() {
		w.stalled.Store(true)
		w.closed.Store(true)
		_ = c.Close()
	}, w.panicked))
	w.unwatch = context.AfterFunc(ctx, guard.Func(func() {
		defer close(w.ctxDone)
		select {
		case <-time.After(cleanupTimeout):
			w.closed.Store(true)
			_ = c.Close()
		case <-w.stopped:
		}
	}, w.panicked))
	return w
}

// panicked makes a panic the reason why the transfer fails.
func (w *watchdog) panicked(p *guard.Panic) { w.bug.CompareAndSwap(nil, p) }

// progress is called whenever the host has acknowledged something.
func (w *watchdog) progress() {
	if !w.stalled.Load() {
		w.timer.Reset(w.stall)
	}
}

// stop ends the watchdog and waits for it.
func (w *watchdog) stop() {
	w.timer.Stop()
	close(w.stopped)
	if !w.unwatch() {
		<-w.ctxDone
	}
}
