package main

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"sync"
	"syscall"

	"github.com/keep-it-simple/kis/internal/event"
)

// outlet is standard output. Writing to it never fails, because an output that is closed or full must not change what happens on the hosts;
// what could not be written is told when all is over.
type outlet struct {
	w io.Writer

	mu     sync.Mutex
	failed error // the first
}

func (o *outlet) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if _, err := o.w.Write(p); err != nil && o.failed == nil { //nolint:forbidigo // what a printer has made
		o.failed = err
	}
	return len(p), nil
}

// cut is why not all was written; nil too when who read it had enough, as `| head` has.
func (o *outlet) cut() error {
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

// executeAll is execute, and an error when not all of the output could be written: a program would take what has arrived for the whole. Where
// something may have changed on a host, the exit status goes on telling that.
func executeAll(ctx context.Context, a *app, args []string) int {
	out := &outlet{w: a.Out.w}
	a.Out = printer{out}
	status := execute(ctx, a, args)
	err := out.cut()
	if err == nil {
		return status
	}
	a.Err.printf("kis: cannot write the output: %s\n", err)
	if a.changes || status == event.Interrupted.Exit() || status == event.ExitBug {
		return status
	}
	return 2
}
