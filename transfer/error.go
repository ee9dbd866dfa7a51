package transfer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"path"
	"slices"
	"time"

	"github.com/pkg/sftp"
)

// Kind tells what a caller can say or do about a failed transfer.
type Kind string

// The kinds.
const (
	Full        Kind = "disk full"           // no space or no inodes left, or a quota
	Permission  Kind = "permission denied"   // the login may not write there
	Exists      Kind = "exists already"      // dst was there before
	Lost        Kind = "connection lost"     // the file may be there in part
	Stalled     Kind = "stalled"             // nothing moved for Options.Stall
	Interrupted Kind = "interrupted"         // ctx ended
	Source      Kind = "source not readable" // src gave an error
	Size        Kind = "source changed"      // src has not size bytes
	Failed      Kind = "failed"              // anything else
)

// Error is every error of Put.
type Error struct {
	Path string // dst
	Step string // create, chmod, read, write, stat, compare, sync, close; or ""
	Kind Kind
	// Free tells the room that is left, where the host tells: "0 bytes, 14
	// inodes free".
	Free string
	Err  error

	created bool
}

// Error is one line.
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

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// Refused holds when the host has answered that it does not take the file, so
// that another way may be tried.
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

// sizeError says that src is not as long as it was.
type sizeError struct{ want, got int64 }

func (e *sizeError) Error() string {
	if e.got > e.want {
		return fmt.Sprintf("it has more than %d bytes", e.want)
	}
	return fmt.Sprintf("it ended after %d of %d bytes", e.got, e.want)
}

// explain sorts an error. Our own reasons come first: the error that a closed
// client gives is only their consequence.
func (w *watchdog) explain(c *sftp.Client, dst string, err error) *Error {
	e := &Error{Path: dst, Kind: Failed, Err: err}
	if step, ok := errors.AsType[*stepError](err); ok {
		e.Step, e.created, e.Err = step.step, step.created, step.err
	}
	var source *sourceError
	var size *sizeError
	switch {
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

// isFailure holds for SSH_FX_FAILURE, which says nothing: a full disk, missing
// inodes, a read-only file system and a file that exists all look like it.
func isFailure(err error) bool {
	var status *sftp.StatusError
	return errors.As(err, &status) && status.FxCode() == sftp.ErrSSHFxFailure
}

func isUnsupported(err error) bool {
	var status *sftp.StatusError
	return errors.As(err, &status) && status.FxCode() == sftp.ErrSSHFxOpUnsupported
}

// askHost finds out what a bare failure was, within a short time.
func (w *watchdog) askHost(c *sftp.Client, e *Error) {
	timer := time.AfterFunc(tidyUp, func() { _ = c.Close() })
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
	room := free.Bavail * free.Frsize
	// A block or two may be left over that no file gets.
	if room < 1<<20 || free.Files > 0 && free.Favail == 0 {
		e.Kind = Full
		e.Free = fmt.Sprintf("%d bytes, %d inodes free", room, free.Favail)
	}
}
