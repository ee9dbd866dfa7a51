package transfer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/bits"
	"net"
	"path"
	"slices"
	"time"

	"github.com/pkg/sftp"

	"github.com/keep-it-simple/kis/internal/guard"
)

// Kind classifies a failed transfer by what a caller can do about it.
type Kind string

// The kinds.
const (
	Full        Kind = "disk full"         // no space or no inodes left, or a quota
	Permission  Kind = "permission denied" // the user may not write there
	Exists      Kind = "already exists"    // dst existed before
	Lost        Kind = "connection lost"   // the file may exist in part
	Stalled     Kind = "stalled"           // no progress for Options.Stall
	Interrupted Kind = "interrupted"       // ctx ended
	Source      Kind = "source unreadable" // src returned an error
	Size        Kind = "source changed"    // src does not have size bytes
	Bug         Kind = "bug"               // a panic on this machine
	Failed      Kind = "failed"            // anything else
)

// Error is every error of Put.
type Error struct {
	Path string // dst
	Step string // create, chmod, read, write, stat, compare, sync, close; or ""
	Kind Kind
	// Free is the free space of a full disk, if the host reports it: "0 bytes, 14 inodes free".
	Free string
	Err  error

	created bool
}

// Error returns one line.
func (e *Error) Error() string {
	text := fmt.Sprintf("upload %s: ", e.Path)
	if e.Step != "" {
		text += e.Step + ": "
	}
	text += string(e.Kind)
	if e.Free != "" {
		text += ": " + e.Free
	}
	return fmt.Sprintf("%s (%v)", text, e.Err)
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Refused reports whether the host answered that it does not accept the file, so that the caller
// may try another way.
func (e *Error) Refused() bool {
	return slices.Contains([]Kind{Full, Permission, Exists, Failed}, e.Kind)
}

// stepError carries the step out of the transfer.
type stepError struct {
	step    string
	created bool
	err     error
}

func (e *stepError) Error() string { return e.step + ": " + e.err.Error() }
func (e *stepError) Unwrap() error { return e.err }

// sourceError marks an error of src.
type sourceError struct{ err error }

func (e *sourceError) Error() string { return e.err.Error() }
func (e *sourceError) Unwrap() error { return e.err }

// sizeError says that src does not have the announced size.
type sizeError struct{ want, got int64 }

func (e *sizeError) Error() string {
	if e.got > e.want {
		return fmt.Sprintf("it has more than %d bytes", e.want)
	}
	return fmt.Sprintf("it ended after %d of %d bytes", e.got, e.want)
}

// explain classifies an error. Reasons on this side come first: the error that a closed client
// returns is their consequence.
func (w *watchdog) explain(c *sftp.Client, dst string, err error) *Error {
	e := &Error{Path: dst, Kind: Failed, Err: err}
	if step, ok := errors.AsType[*stepError](err); ok {
		e.Step, e.created, e.Err = step.step, step.created, step.err
	}
	var source *sourceError
	var size *sizeError
	if bug := w.bug.Load(); bug != nil {
		e.Err = bug
	}
	_, panicked := errors.AsType[*guard.Panic](e.Err)
	switch {
	case panicked:
		e.Kind = Bug
	case w.stalled.Load():
		e.Kind, e.Err = Stalled, fmt.Errorf("no progress for %s", w.stall)
	case w.ctx.Err() != nil:
		e.Kind, e.Err = Interrupted, context.Cause(w.ctx)
	case errors.As(err, &source):
		e.Kind = Source
	case errors.As(err, &size):
		e.Kind = Size
	case errors.Is(err, fs.ErrPermission):
		e.Kind = Permission
	case isLost(err):
		e.Kind = Lost
	case isFailure(err):
		w.askHost(c, e)
	}
	return e
}

func isLost(err error) bool {
	return errors.Is(err, sftp.ErrSSHFxConnectionLost) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, io.ErrClosedPipe) || errors.Is(err, net.ErrClosed)
}

// isFailure reports SSH_FX_FAILURE, the answer of SFTP version 3 to a full disk, missing inodes, a
// read-only file system and a file that exists.
func isFailure(err error) bool {
	var status *sftp.StatusError
	return errors.As(err, &status) && status.FxCode() == sftp.ErrSSHFxFailure
}

func isUnsupported(err error) bool {
	var status *sftp.StatusError
	return errors.As(err, &status) && status.FxCode() == sftp.ErrSSHFxOpUnsupported
}

// askHost queries the host for the cause of an SSH_FX_FAILURE.
func (w *watchdog) askHost(c *sftp.Client, e *Error) {
	timer := time.AfterFunc(cleanupTimeout, guard.Func(func() { _ = c.Close() }, w.panicked))
	defer timer.Stop()
	if !e.created {
		if _, err := c.Lstat(e.Path); err == nil {
			e.Kind = Exists
			return
		}
	}
	free, err := c.StatVFS(path.Dir(e.Path))
	if err != nil {
		return // the server lacks statvfs@openssh.com
	}
	// Some servers leave the size of a block out, and some file systems report more blocks than
	// fit.
	over, bytes := bits.Mul64(free.Bavail, free.Frsize)
	full := free.Frsize > 0 && over == 0 && bytes < 1<<20 // a few blocks may be free that no file gets
	if full || free.Files > 0 && free.Favail == 0 {
		e.Kind = Full
		e.Free = fmt.Sprintf("%d bytes, %d inodes free", bytes, free.Favail)
	}
}
