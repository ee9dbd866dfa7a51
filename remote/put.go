package remote

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"
)

// Bounds of an upload over the conversation. Its bytes are not acknowledged one by one, so that they are waited for as long as they may take.
const (
	stillWithin = 45 * time.Second // for one piece to be taken
	onTheWay    = 2 << 20          // bytes that sshd may have taken and the agent has not
	slowest     = 2 << 10          // bytes a second
)

var (
	errStill      = errors.New("the upload does not move")
	errUnfinished = errors.New("the upload was left unfinished")
)

// Put sends a file over the conversation itself, into the run's folder under the name part: for hosts without SFTP, and for those where the
// agent's user is not the login user. Exactly size bytes of r are sent, and no other command while they are. progress may be nil. After an
// error other than *Refused the conversation is over.
func (a *Agent) Put(ctx context.Context, part string, r io.Reader, size int64, progress func(done int64)) error {
	if err := a.takeTurn(ctx); err != nil {
		return &Lost{Cause: err}
	}
	// The turn is kept until the answer is here: a ping would wait behind all that is still on its way, longer than a ping is waited for.
	defer a.endTurn()
	err := errUnfinished // if r or progress panics
	defer func() {
		if _, refused := errors.AsType[*Refused](err); err != nil && !refused {
			a.end(err)
			_ = a.in.Close() // the host cannot tell bytes from commands any more
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
	bounded, cancel := context.WithTimeoutCause(ctx, stillWithin+time.Duration(min(size, onTheWay)/slowest)*time.Second, errStill)
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
	bounded, cancel := context.WithTimeoutCause(ctx, stillWithin, errStill)
	defer cancel()
	return a.write(bounded, data)
}
