package remote

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"
)

// Limits of an upload in the session. Its bytes are not acknowledged piece by piece, so the timeout
// allows for those in flight.
const (
	inFlight    = 2 << 20 // bytes that sshd may have read and the agent has not
	slowestRate = 2 << 10 // bytes a second
)

var (
	errStalled    = errors.New("the upload stalled")
	errUnfinished = errors.New("the upload was not completed")
)

// Put sends a file in the session, into the run's directory under the name part: for hosts without
// SFTP, and where the agent's user is not the login user. It sends exactly size bytes of r, and no
// other command meanwhile. progress may be nil. After an error other than
// *Refused the session is over.
func (a *Agent) Put(ctx context.Context, part string, r io.Reader, size int64, progress func(done int64)) error {
	if err := a.acquireWriter(ctx); err != nil {
		return &Lost{Cause: err}
	}
	// Keep the writer until the answer arrives: a ping would queue behind all bytes in flight, and
	// time out.
	defer a.releaseWriter()
	err := errUnfinished // if r or progress panics
	defer func() {
		if _, refused := errors.AsType[*Refused](err); err != nil && !refused {
			a.end(err)
			_ = a.in.Close() // the host can no longer tell bytes from commands
		}
	}()
	err = a.put(ctx, part, r, size, progress)
	if lost, known := errors.AsType[*Lost](err); known {
		err = lost.Cause
	}
	if _, refused := errors.AsType[*Refused](err); err == nil || refused {
		return err
	}
	return &Lost{Cause: err}
}

func (a *Agent) put(ctx context.Context, part string, r io.Reader, size int64, progress func(done int64)) error {
	c := &call{answer: make(chan frame, 1)}
	id, err := a.register(c)
	if err != nil {
		return err
	}
	defer a.forget(id)
	if err := a.send(ctx, id, opPut, putRequest{part, size}); err != nil {
		return err
	}
	if err := a.putBytes(ctx, r, size, progress); err != nil {
		return err
	}
	bounded, cancel := context.WithTimeoutCause(ctx, a.timeouts.Stall+time.Duration(min(size, inFlight)/slowestRate)*time.Second, errStalled)
	defer cancel()
	return a.await(bounded, c, nil)
}

func (a *Agent) putBytes(ctx context.Context, r io.Reader, size int64, progress func(int64)) error {
	buffer := make([]byte, 32<<10)
	for sent := int64(0); sent < size; {
		n, err := r.Read(buffer[:min(int64(len(buffer)), size-sent)])
		if n > 0 {
			if err := a.putPiece(ctx, buffer[:n]); err != nil {
				return err
			}
			sent += int64(n)
			if progress != nil {
				progress(sent)
			}
		}
		if err != nil && sent < size {
			return fmt.Errorf("%d of %d bytes: %w", sent, size, err)
		}
	}
	return nil
}

func (a *Agent) putPiece(ctx context.Context, data []byte) error {
	bounded, cancel := context.WithTimeoutCause(ctx, a.timeouts.Stall, errStalled)
	defer cancel()
	return a.write(bounded, data)
}
