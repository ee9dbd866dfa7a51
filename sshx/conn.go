package sshx

import (
	"bytes"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/keep-it-simple/kis/internal/safetext"
)

// conn watches a network connection: it bounds every write, because neither
// x/crypto nor TCP gives up on a peer that has stopped reading, counts what
// arrives, because that proves the peer alive, and keeps the first bytes,
// because a server that refuses us says so in place of its SSH version.
type conn struct {
	net.Conn

	writeLimit time.Duration // for one Write; 0: none
	received   atomic.Int64
	ended      atomic.Bool   // reading has failed: nothing more will arrive
	gone       chan struct{} // closed when ended becomes true
	onVersion  func()        // called once, when the server has sent its SSH version

	mu      sync.Mutex
	first   []byte
	line    []byte // the line that is being read, until the version is there
	greeted bool
}

// newConn watches nc. A write that takes longer than writeLimit fails; 0: none does.
func newConn(nc net.Conn, writeLimit time.Duration, onVersion func()) *conn {
	return &conn{Conn: nc, writeLimit: writeLimit, onVersion: onVersion, gone: make(chan struct{})}
}

// firstBytes is the length of the longest version line, RFC 4253 4.2.
const firstBytes = 255

func (c *conn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if n > 0 {
		if c.received.Add(int64(n)) <= firstBytes+int64(n) {
			c.keepFirst(b[:n])
		}
		if c.readVersion(b[:n]) {
			c.onVersion()
		}
	}
	if err != nil && c.ended.CompareAndSwap(false, true) {
		close(c.gone)
	}
	return n, err
}

func (c *conn) Write(b []byte) (int, error) {
	if c.writeLimit > 0 {
		// Connections through a jump host have no deadlines; the jump host's
		// own connection has.
		_ = c.SetWriteDeadline(time.Now().Add(c.writeLimit))
	}
	return c.Conn.Write(b)
}

func (c *conn) keepFirst(b []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.first = append(c.first, b[:min(len(b), firstBytes-len(c.first))]...)
}

// readVersion tells that b completes the server's version line, which other
// lines may precede (RFC 4253 4.2).
func (c *conn) readVersion(b []byte) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.greeted {
		return false
	}
	for _, char := range b {
		switch {
		case char != '\n' && len(c.line) < firstBytes:
			c.line = append(c.line, char)
		case char == '\n' && bytes.HasPrefix(c.line, []byte("SSH-")):
			c.greeted = true
			return true
		case char == '\n':
			c.line = c.line[:0]
		}
	}
	return false
}

// hasGreeted tells whether the server has sent its SSH version.
func (c *conn) hasGreeted() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.greeted
}

// broken tells whether the connection has ended for reading. It is true before
// any reader on top of the connection learns of the end.
func (c *conn) broken() bool { return c.ended.Load() }

// said is what the server sent if that was not an SSH version.
func (c *conn) said() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.first) == 0 || bytes.HasPrefix(c.first, []byte("SSH-")) || bytes.Contains(c.first, []byte("\nSSH-")) {
		return ""
	}
	return safetext.Line(string(bytes.TrimSpace(c.first)))
}

// isDropped tells an end by the peer from an error of our own.
func isDropped(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// lostCause words the end of an established connection.
func lostCause(err error) string {
	var missing *ssh.ExitMissingError
	switch {
	case err == nil || errors.Is(err, io.EOF) || errors.As(err, &missing):
		return "the host closed it"
	case errors.Is(err, syscall.ECONNRESET):
		return "reset by the host"
	case errors.Is(err, net.ErrClosed):
		return "closed on this side"
	}
	return safetext.Line(err.Error())
}
