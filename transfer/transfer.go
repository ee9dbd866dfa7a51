// Package transfer puts one file on one host over SFTP so that it is whole or
// absent. It does not choose the name, compare digests or move the file into
// place: the caller gives a random name in a folder that is private to the
// login, and has the host compare the digest and rename the file afterwards.
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
)

// Options tune Put. The zero value is right for most callers.
type Options struct {
	// Stall ends a transfer that has made no progress for so long. Zero: 45 s.
	Stall time.Duration
	// Progress is told how many bytes the host has acknowledged. It is called
	// by one goroutine at a time, never with a smaller number than before, and
	// with size at the end. nil: nobody is told.
	Progress func(done int64)
}

const (
	defaultStall = 45 * time.Second
	// tidyUp bounds the removal of a file that came to nothing; the host may be
	// the very thing that is broken.
	tidyUp = 5 * time.Second
)

// Put writes exactly size bytes of src to the new file dst, an absolute path on
// the host, with mode 0600, and has the host flush it to disk where its SFTP
// server can. When Put returns nil, the file is whole; otherwise it has been
// removed, or could not be because the connection is gone.
//
// dst must not exist: its name is the caller's own and random, so a file there
// is somebody else's. When ctx ends, no more is sent, and the file is removed.
// A host that does not answer is given up by closing c, because nothing else
// ends a request: after an error whose Kind is Stalled or Lost, and mostly not
// after Interrupted, c is closed. Every error is an *Error, and no goroutine is
// left.
func Put(ctx context.Context, c *sftp.Client, src io.Reader, size int64, dst string, o Options) error {
	if !path.IsAbs(dst) || path.Clean(dst) != dst {
		return &Error{Path: dst, Kind: Failed, Err: errors.New("not an absolute, clean path")}
	}
	if size < 0 {
		return &Error{Path: dst, Kind: Failed, Err: fmt.Errorf("size %d", size)}
	}
	w := watch(ctx, c, cmp.Or(o.Stall, defaultStall))
	defer w.stop()
	err := put(w, c, src, size, dst, o.Progress)
	if err == nil {
		return nil
	}
	e := w.explain(c, dst, err)
	if e.created && e.Kind != Lost && !w.closed.Load() {
		remove(c, dst)
	}
	return e
}

// put does the transfer and tells at which step it failed.
func put(w *watchdog, c *sftp.Client, src io.Reader, size int64, dst string, progress func(int64)) error {
	f, err := c.OpenFile(dst, os.O_WRONLY|os.O_CREATE|os.O_EXCL)
	if err != nil {
		return &stepError{step: "create", err: err}
	}
	w.progress()
	if err := fill(w, f, src, size, progress); err != nil {
		// The file is removed anyway, and the error that counts is the first.
		_ = f.Close()
		return err
	}
	if err := f.Close(); err != nil {
		return &stepError{step: "close", created: true, err: err}
	}
	return nil
}

func fill(w *watchdog, f *sftp.File, src io.Reader, size int64, progress func(int64)) error {
	failed := func(step string, err error) error { return &stepError{step: step, created: true, err: err} }
	// The host's umask has decided about the mode so far.
	if err := f.Chmod(0o600); err != nil {
		return failed("chmod", err)
	}
	if err := send(w, f, src, size, progress); err != nil {
		return err
	}
	info, err := f.Stat()
	if err != nil {
		return failed("stat", err)
	}
	if info.Size() != size {
		return failed("compare", fmt.Errorf("the host has %d of %d bytes", info.Size(), size))
	}
	w.progress()
	// Servers without fsync@openssh.com say so; the caller's agent syncs then.
	if err := f.Sync(); err != nil && !isUnsupported(err) {
		return failed("sync", err)
	}
	return nil
}

// remove has its own short time: the one of the transfer may be used up. A host
// that does not answer keeps the file, under a name that nothing looks for.
func remove(c *sftp.Client, dst string) {
	timer := time.AfterFunc(tidyUp, func() { _ = c.Close() })
	defer timer.Stop()
	_ = c.Remove(dst)
}

// watchdog closes the client when nothing moves for too long: for Options.Stall,
// and for a shorter time once ctx has ended, so that a host that still answers
// can be rid of the file.
type watchdog struct {
	ctx   context.Context //nolint:containedctx // it lives for one Put
	stall time.Duration

	closed  atomic.Bool // by a timer below
	stalled atomic.Bool
	timer   *time.Timer
	unwatch func() bool
	hurry   chan struct{} // closed when the end of ctx has been seen to
	leave   chan struct{} // closed by stop
}

func watch(ctx context.Context, c *sftp.Client, stall time.Duration) *watchdog {
	w := &watchdog{ctx: ctx, stall: stall, hurry: make(chan struct{}), leave: make(chan struct{})}
	w.timer = time.AfterFunc(stall, func() {
		w.stalled.Store(true)
		w.closed.Store(true)
		_ = c.Close()
	})
	w.unwatch = context.AfterFunc(ctx, func() {
		defer close(w.hurry)
		select {
		case <-time.After(tidyUp):
			w.closed.Store(true)
			_ = c.Close()
		case <-w.leave:
		}
	})
	return w
}

// progress is called whenever the host has acknowledged something.
func (w *watchdog) progress() {
	if !w.stalled.Load() {
		w.timer.Reset(w.stall)
	}
}

// stop ends the watch and waits for it.
func (w *watchdog) stop() {
	w.timer.Stop()
	close(w.leave)
	if !w.unwatch() {
		<-w.hurry
	}
}
