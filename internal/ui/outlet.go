package ui

import (
	"errors"
	"io"
	"io/fs"
	"sync"
	"syscall"
)

// Outlet is standard output. Writing to it never fails, because an output that is closed or full
// must not change what happens on the hosts; Err reports at the end what could not be written.
type Outlet struct {
	w io.Writer

	mu     sync.Mutex
	failed error // the first
}

// Outlet returns an outlet in front of the printer's stream, and a printer that writes to it.
func (p Printer) Outlet() (*Outlet, Printer) {
	o := &Outlet{w: p.w}
	return o, Printer{o}
}

// Write writes, and records an error instead of returning it.
func (o *Outlet) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if _, err := o.w.Write(p); err != nil && o.failed == nil { //nolint:forbidigo // what a printer made
		o.failed = err
	}
	return len(p), nil
}

// Err returns why not everything was written. It is nil when the reader closed the pipe, as `|
// head` does.
func (o *Outlet) Err() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if errors.Is(o.failed, syscall.EPIPE) {
		return nil
	}
	if file, ok := errors.AsType[*fs.PathError](o.failed); ok {
		return file.Err // its name says nothing here
	}
	return o.failed
}
