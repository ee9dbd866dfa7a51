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

	"github.com/keep-it-simple/kis/internal/guard"
	"github.com/keep-it-simple/kis/internal/safetext"
	"github.com/keep-it-simple/kis/sshx/userauth"
)

// conn monitors a network connection. It limits the time of each write, because neither x/crypto
// nor TCP gives up on a peer that does not read. It counts received bytes, which prove that the
// peer is alive. It keeps the first bytes, because a server can send the reason for a refusal
// instead of its SSH version.
type conn struct {
	net.Conn

	writeTimeout time.Duration // of one Write; 0: none
	received     atomic.Int64
	readEnded    atomic.Bool   // reading has failed
	readEnd      chan struct{} // closed when readEnded becomes true
	onVersion    func()        // called once, after the server has sent its SSH version

	bug atomic.Pointer[guard.Panic] // in what x/crypto calls on its own goroutines

	mu    sync.Mutex
	first []byte
	kex   kexReply
}

// newConn owns nc.
func newConn(nc net.Conn, writeTimeout time.Duration, onVersion func()) *conn {
	return &conn{Conn: nc, writeTimeout: writeTimeout, onVersion: onVersion, readEnd: make(chan struct{})}
}

// firstBytes is how many bytes are kept: the maximum length of a version line, RFC 4253 section 4.2.
const firstBytes = 255

// Read reads from the host. x/crypto calls it on a goroutine of its own, so a panic is an error.
func (c *conn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if n > 0 {
		acknowledge(c.Conn)
		bug := guard.Try(func() error {
			if c.note(b[:n]) {
				c.onVersion()
			}
			return nil
		})
		if p, ok := errors.AsType[*guard.Panic](bug); ok {
			c.crashed(p)
			n, err = 0, p
		}
	}
	if err != nil && c.readEnded.CompareAndSwap(false, true) {
		close(c.readEnd)
	}
	return n, err
}

// note notes what has been received, and reports whether that completes the host's version line.
func (c *conn) note(b []byte) (version bool) {
	c.received.Add(int64(len(b)))
	c.mu.Lock()
	defer c.mu.Unlock()
	c.first = append(c.first, b[:min(len(b), firstBytes-len(c.first))]...)
	before := c.kex.version
	c.kex.feed(b)
	return c.kex.version && !before
}

// keyExchange is the host's part of the first key exchange.
func (c *conn) keyExchange() userauth.KeyExchange {
	c.mu.Lock()
	defer c.mu.Unlock()
	return userauth.KeyExchange{HostKey: c.kex.hostKey, Signature: c.kex.signed}
}

// crashed ends the connection because of a panic.
func (c *conn) crashed(p *guard.Panic) {
	c.bug.CompareAndSwap(nil, p)
	_ = guard.Try(c.Close)
}

func (c *conn) Write(b []byte) (int, error) {
	if c.writeTimeout > 0 {
		// A connection through a jump host has no deadline; that to the jump host has.
		_ = c.SetWriteDeadline(time.Now().Add(c.writeTimeout))
	}
	return c.Conn.Write(b)
}

// hasVersion reports whether the server has sent its SSH version.
func (c *conn) hasVersion() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.kex.version
}

// hasEnded reports whether reading has ended. It is true before any reader of the connection sees the
// end.
func (c *conn) hasEnded() bool { return c.readEnded.Load() }

// greeting is what the server sent instead of an SSH version, or "".
func (c *conn) greeting() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.first) == 0 || bytes.HasPrefix(c.first, []byte("SSH-")) || bytes.Contains(c.first, []byte("\nSSH-")) {
		return ""
	}
	return safetext.Line(string(bytes.TrimSpace(c.first)))
}

// isDropped reports whether the peer ended the connection.
func isDropped(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// lostCause describes the end of an established connection.
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
