package transfer

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"github.com/pkg/sftp"
)

const (
	// block is the size that every SFTP server takes in one request.
	block = 32 << 10
	// parallel requests at most: one at a time would move one block per round
	// trip, 0.6 MB/s over 50 ms.
	parallel = 64
	// first is the number of requests that a transfer begins with.
	first = 4
	// A block that is acknowledged quickly allows one more on its way, and one
	// that takes long allows half as many.
	quickly, slowly = 2 * time.Second, 5 * time.Second
)

// sender writes src to f with many requests under way. The sftp package could do
// the same, but would not tell when a block is acknowledged: a slow host and a
// dead one look alike without that, once the last block has been read.
type sender struct {
	f        *sftp.File
	watchdog *watchdog
	report   func(int64)
	size     int64

	reading sync.Mutex
	src     io.Reader
	offset  int64 // of the next block
	ended   bool  // nothing more is read

	flying  sync.Mutex
	landed  *sync.Cond // of flying: fewer blocks are on their way, or more may be
	onWay   int        // blocks
	allowed int        // blocks that may be on their way

	counting sync.Mutex
	done     int64
	err      error // the first
}

// send returns when no request is under way any more.
func send(w *watchdog, f *sftp.File, src io.Reader, size int64, report func(int64)) error {
	s := &sender{f: f, watchdog: w, report: report, size: size, src: src, allowed: first}
	s.landed = sync.NewCond(&s.flying)
	var workers sync.WaitGroup
	for range min(parallel, size/block+1) {
		workers.Go(s.work)
	}
	workers.Wait()
	return s.err
}

func (s *sender) work() {
	buf := make([]byte, block)
	for s.one(buf) {
	}
}

// one sends one block, and reports whether there may be more.
func (s *sender) one(buf []byte) bool {
	begin := s.depart()
	defer func() { s.land(time.Since(begin)) }()
	n, offset, err := s.next(buf)
	if err != nil {
		s.fail(&stepError{step: "read", created: true, err: err})
		return false
	}
	if n == 0 {
		return false
	}
	if _, err := s.f.WriteAt(buf[:n], offset); err != nil {
		s.fail(&stepError{step: "write", created: true, err: err})
		return false
	}
	s.acknowledged(int64(n))
	return true
}

// depart waits until another block may be on its way. What else is said to the
// host waits behind the blocks, and over a thin line must not wait for minutes:
// the host would take us for dead, and we the host.
func (s *sender) depart() time.Time {
	s.flying.Lock()
	defer s.flying.Unlock()
	for s.onWay >= s.allowed {
		s.landed.Wait()
	}
	s.onWay++
	return time.Now()
}

// land is the end of a block's way.
func (s *sender) land(took time.Duration) {
	s.flying.Lock()
	defer s.flying.Unlock()
	s.onWay--
	switch {
	case took < quickly:
		s.allowed = min(s.allowed+1, parallel)
	case took > slowly:
		s.allowed = max(s.allowed/2, 1)
	}
	s.landed.Broadcast()
}

// next reads one block. A source that is longer or shorter than it was when its
// size was taken is an error, because its digest is no longer the one announced.
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
		return 0, 0, &sourceError{err}
	case s.offset > s.size || end && s.offset < s.size:
		return 0, 0, &sizeError{want: s.size, got: s.offset}
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

func (s *sender) fail(err error) {
	s.reading.Lock()
	s.ended = true
	s.reading.Unlock()
	s.counting.Lock()
	defer s.counting.Unlock()
	if s.err == nil {
		s.err = err
	}
}
