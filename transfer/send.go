package transfer

import (
	"context"
	"errors"
	"io"
	"sync"

	"github.com/pkg/sftp"
)

const (
	// block is the size that every SFTP server takes in one request.
	block = 32 << 10
	// parallel requests at most: one at a time would move one block per round
	// trip, 0.6 MB/s over 50 ms.
	parallel = 64
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

	counting sync.Mutex
	done     int64
	err      error // the first
}

// send returns when no request is under way any more.
func send(w *watchdog, f *sftp.File, src io.Reader, size int64, report func(int64)) error {
	s := &sender{f: f, watchdog: w, report: report, size: size, src: src}
	var workers sync.WaitGroup
	for range min(parallel, size/block+1) {
		workers.Go(s.work)
	}
	workers.Wait()
	return s.err
}

func (s *sender) work() {
	buf := make([]byte, block)
	for {
		n, offset, err := s.next(buf)
		if err != nil {
			s.fail(&stepError{step: "read", created: true, err: err})
			return
		}
		if n == 0 {
			return
		}
		if _, err := s.f.WriteAt(buf[:n], offset); err != nil {
			s.fail(&stepError{step: "write", created: true, err: err})
			return
		}
		s.acknowledged(int64(n))
	}
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
