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

	created bool // the file was created, so that it may have to be removed
}

// failedAt is the error of a step after the creation of the file. An *Error keeps its Kind.
func failedAt(step string, err error) *Error {
	e, classified := errors.AsType[*Error](err)
	if !classified {
		e = &Error{Err: err}
	}
	e.Step, e.created = step, true
	return e
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

// explain completes an error: the path, and the Kind unless the source is the cause. Reasons on this side come
// first: the error that a closed client returns is their consequence.
func (w *watchdog) explain(c *sftp.Client, dst string, e *Error) {
	e.Path = dst
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
	case e.Kind != "": // Source or Size
	case errors.Is(e.Err, fs.ErrPermission):
		e.Kind = Permission
	case isLost(e.Err):
		e.Kind = Lost
	default:
		e.Kind = Failed
		if isFailure(e.Err) {
			w.askHost(c, e)
		}
	}
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
