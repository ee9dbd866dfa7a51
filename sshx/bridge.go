package sshx

import (
	"bytes"
	"errors"
	"io"
	"sync"

	"golang.org/x/crypto/ssh"

	"github.com/keep-it-simple/kis/internal/guard"
)

// bridge connects package sftp and a session, so that Close returns at once. Package sftp holds a
// lock while it writes, Close needs the lock, and Close waits for the reader: while a host stalls,
// neither ends before the keep-alives close the connection.
//
// Writes therefore never block: they append to a queue. It stays small, because package sftp sends
// at most 64 requests of 32 KiB ahead of their answers.
type bridge struct {
	*io.PipeReader // from the server

	mu     sync.Mutex
	filled *sync.Cond
	queue  []byte
	closed bool
	first  []byte // first bytes from the server, for messages
}

func (c *Client) bridge(sess *ssh.Session, in io.Writer, out io.Reader) *bridge {
	reader, fromServer := io.Pipe()
	b := &bridge{PipeReader: reader}
	b.filled = sync.NewCond(&b.mu)
	c.owned.Go(func() {
		b.pump(in)
		_ = sess.Close()
	}, c.crashed)
	c.owned.Go(func() {
		_, err := io.Copy(fromServer, io.TeeReader(out, (*firstWriter)(b)))
		if err == nil || errors.Is(err, io.ErrClosedPipe) {
			err = io.EOF
		}
		_ = fromServer.CloseWithError(err)
		b.stop() // a server that has ended does not read either
	}, func(p *guard.Panic) {
		_ = fromServer.CloseWithError(p)
		b.stop()
		c.crashed(p)
	})
	return b
}

// Write queues p for the server.
func (b *bridge) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return 0, io.ErrClosedPipe
	}
	b.queue = append(b.queue, p...)
	b.filled.Signal()
	return len(p), nil
}

// pump sends the queue until the bridge is closed or the channel ends.
func (b *bridge) pump(in io.Writer) {
	defer b.stop()
	var sending []byte
	for {
		b.mu.Lock()
		for len(b.queue) == 0 && !b.closed {
			b.filled.Wait()
		}
		if b.closed {
			b.mu.Unlock()
			return
		}
		sending, b.queue = b.queue, sending[:0]
		b.mu.Unlock()
		if _, err := in.Write(sending); err != nil {
			return
		}
	}
}

// Close ends both directions at once and drops the queue; the session closes later.
func (b *bridge) Close() error {
	b.stop()
	return b.PipeReader.Close()
}

func (b *bridge) stop() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	b.queue = nil
	b.filled.Signal()
}

func (b *bridge) firstBytes() []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	return bytes.Clone(b.first)
}

// firstWriter keeps the first bytes for messages.
type firstWriter bridge

// Write never fails.
func (f *firstWriter) Write(p []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	const limit = 80
	if n := limit - len(f.first); n > 0 {
		f.first = append(f.first, p[:min(n, len(p))]...)
	}
	return len(p), nil
}
