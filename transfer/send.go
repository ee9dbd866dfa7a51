package transfer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/pkg/sftp"

	"github.com/keep-it-simple/kis/internal/guard"
)

const (
	// blockSize is what every SFTP server accepts in one request.
	blockSize = 32 << 10
	// maxWindow is the limit of outstanding requests. One at a time would move one block per round
	// trip, 0.6 MB/s over 50 ms.
	maxWindow = 64
	// initialWindow is the window that a transfer begins with.
	initialWindow = 4
	// A block that is acknowledged within fastAck widens the window, one that takes longer than
	// slowAck narrows it.
	fastAck, slowAck = 2 * time.Second, 5 * time.Second
)

// sender writes src to f with many outstanding requests. Their number is controlled by AIMD
// (additive increase, multiplicative decrease, as in TCP, RFC 5681), because everything else that
// is sent to the host queues behind the blocks: on a slow line a full window would delay the
// agent's keepalives by minutes, and each side would take the other for dead.
//
// The sftp package could send concurrently too, but it does not report when a block is
// acknowledged. Without that, a slow host cannot be distinguished from a dead one once the last
// block was read.
type sender struct {
	f        *sftp.File
	watchdog *watchdog
	report   func(int64)
	size     int64

	reading sync.Mutex
	src     io.Reader
	offset  int64 // of the next block
	ended   bool  // nothing more is read

	sending  sync.Mutex
	changed  *sync.Cond // of sending: inFlight or window changed
	inFlight int        // outstanding blocks
	window   int        // limit of inFlight

	counting sync.Mutex
	done     int64
	err      *Error // the first
}

// send returns when no request is outstanding.
func send(w *watchdog, f *sftp.File, src io.Reader, size int64, report func(int64)) *Error {
	s := newSender()
	s.f, s.watchdog, s.report, s.size, s.src = f, w, report, size, src
	var workers guard.Group
	for range min(maxWindow, size/blockSize+1) {
		workers.Go(s.work, func(p *guard.Panic) { s.fail(failedAt("write", p)) })
	}
	workers.Wait()
	return s.err
}

func newSender() *sender {
	s := &sender{window: initialWindow}
	s.changed = sync.NewCond(&s.sending)
	return s
}

func (s *sender) work() {
	buf := make([]byte, blockSize)
	for s.sendBlock(buf) {
	}
}

// sendBlock sends one block, and reports whether there may be more.
func (s *sender) sendBlock(buf []byte) bool {
	begin := s.acquire()
	defer func() { s.release(time.Since(begin)) }()
	n, offset, err := s.next(buf)
	if err != nil {
		s.fail(failedAt("read", err))
		return false
	}
	if n == 0 {
		return false
	}
	if _, err := s.f.WriteAt(buf[:n], offset); err != nil {
		s.fail(failedAt("write", err))
		return false
	}
	s.acknowledged(int64(n))
	return true
}

// acquire waits until the window allows another block.
func (s *sender) acquire() time.Time {
	s.sending.Lock()
	defer s.sending.Unlock()
	for s.inFlight >= s.window {
		s.changed.Wait()
	}
	s.inFlight++
	return time.Now()
}

// release takes a block out of the window, and adapts the window to the time it took.
func (s *sender) release(took time.Duration) {
	s.sending.Lock()
	defer s.sending.Unlock()
	s.inFlight--
	switch {
	case took < fastAck:
		s.window = min(s.window+1, maxWindow)
	case took > slowAck:
		s.window = max(s.window/2, 1)
	}
	s.changed.Broadcast()
}

// next reads one block. A source that is longer or shorter than the announced size is an error,
// because its digest differs from the announced one too.
func (s *sender) next(buf []byte) (n int, offset int64, err error) {
	s.reading.Lock()
	defer s.reading.Unlock()
	if s.ended {
		return 0, 0, nil
	}
	if err := context.Cause(s.watchdog.ctx); err != nil {
		s.ended = true
		return 0, 0, err
	}
	n, err = io.ReadFull(s.src, buf)
	offset = s.offset
	s.offset += int64(n)
	end := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
	s.ended = err != nil || s.offset > s.size
	switch {
	case err != nil && !end:
		return 0, 0, &Error{Kind: Source, Err: err}
	case s.offset > s.size:
		return 0, 0, &Error{Kind: Size, Err: fmt.Errorf("it has more than %d bytes", s.size)}
	case end && s.offset < s.size:
		return 0, 0, &Error{Kind: Size, Err: fmt.Errorf("it ended after %d of %d bytes", s.offset, s.size)}
	}
	return n, offset, nil
}

func (s *sender) acknowledged(n int64) {
	s.watchdog.progress()
	s.counting.Lock()
	defer s.counting.Unlock()
	s.done += n
	if s.report != nil {
		s.report(s.done)
	}
}

func (s *sender) fail(err *Error) {
	s.reading.Lock()
	s.ended = true
	s.reading.Unlock()
	s.counting.Lock()
	defer s.counting.Unlock()
	if s.err == nil {
		s.err = err
	}
}
