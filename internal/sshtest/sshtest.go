// Package sshtest is an SSH and SFTP host inside the process, for tests and for `kis demo`. It runs commands
// with /bin/sh in a directory, serves SFTP from the real file system, records what clients ask, and
// misbehaves on request.
//
// It is no sandbox: commands and file operations have the rights of the process. It therefore listens on
// 127.0.0.1 only, and accepts no login without one of the keys or the password it was given. It does not
// replace tests against a real sshd, whose shells, limits and signals it does not have.
package sshtest

import (
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"

	"github.com/keep-it-simple/kis/internal/guard"
)

// Options describe a Host. Faults are off by default.
type Options struct {
	// Home is the working directory of commands and of SFTP; it must exist.
	Home string
	// Env is the whole environment of commands; nil means PATH and HOME only.
	Env []string

	// HostKeys are the host's keys, certificates included; none means one fresh ed25519 key.
	HostKeys []ssh.Signer
	// AuthorizedKeys may log in, as any user.
	AuthorizedKeys []ssh.PublicKey
	// UserAuthorities sign certificates of users who may log in under the names their certificates list.
	UserAuthorities []ssh.PublicKey
	// Password logs in by the methods password and keyboard-interactive.
	Password string
	// Keyboard asks the questions of keyboard-interactive in place of Password; nil is success.
	Keyboard func(ask ssh.KeyboardInteractiveChallenge) error
	// MaxAuthTries is sshd_config(5)'s setting; zero is 6.
	MaxAuthTries int
	// Forward allows direct-tcpip channels to loopback addresses, as a jump host would.
	Forward bool

	Faults Faults
}

// Faults make a Host misbehave. They may be combined.
type Faults struct {
	// Silent accepts connections and never speaks.
	Silent bool
	// Greeting is sent as text before the SSH version (RFC 4253 4.2 allows lines), and the connection is then
	// closed.
	Greeting string
	// Drop closes that many connections before a byte is sent, as MaxStartups does.
	Drop int
	// AuthDelay holds every answer about a key back for so long.
	AuthDelay time.Duration
	// RefuseSessions refuses session channels, as MaxSessions 0 does.
	RefuseSessions bool
	// RefuseSubsystem refuses the sftp subsystem.
	RefuseSubsystem bool
	// NoiseBeforeSFTP is sent on the subsystem's stream first, as a login shell that prints does.
	NoiseBeforeSFTP string
	// SilentSFTP accepts the subsystem and never answers.
	SilentSFTP bool
	// SilentExec leaves exec requests unanswered.
	SilentExec bool
	// NoExitStatus closes processes without exit-status and exit-signal.
	NoExitStatus bool
	// SilentForward leaves requests for a way to another host unanswered, as when that one takes no
	// connection and a firewall drops its answer.
	SilentForward bool
	// IgnoreKeepAlive leaves global requests unanswered.
	IgnoreKeepAlive bool
	// OpenChannels are channel types that the host asks the client for, right after the login; Record.Opened
	// has the answers.
	OpenChannels []string
}

// Host is a running host. Its methods may be used by several goroutines.
type Host struct {
	options  Options
	config   *ssh.ServerConfig
	listener net.Listener
	record   record
	serving  guard.Group
	bug      atomic.Pointer[guard.Panic] // the first

	mu     sync.Mutex
	closed bool
	drop   int
	conns  map[net.Conn]struct{}
	groups map[int]struct{} // process groups that may still have members
}

// Start starts a host on a free port of 127.0.0.1. Close it.
func Start(o Options) (*Host, error) {
	if o.Home == "" {
		return nil, errors.New("sshtest: Home is not set")
	}
	if len(o.HostKeys) == 0 {
		_, private, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			return nil, fmt.Errorf("sshtest: host key: %w", err)
		}
		signer, err := ssh.NewSignerFromKey(private)
		if err != nil {
			return nil, fmt.Errorf("sshtest: host key: %w", err)
		}
		o.HostKeys = []ssh.Signer{signer}
	}
	listener, err := listenLoopback()
	if err != nil {
		return nil, fmt.Errorf("sshtest: %w", err)
	}
	h := &Host{
		options: o, listener: listener, drop: o.Faults.Drop,
		conns: map[net.Conn]struct{}{}, groups: map[int]struct{}{},
	}
	h.config = h.serverConfig()
	h.serving.Go(h.accept, h.crashed)
	return h, nil
}

// listenLoopback is the only way this package opens a port.
func listenLoopback() (net.Listener, error) {
	return net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
}

// Addr is the host's host:port.
func (h *Host) Addr() string { return h.listener.Addr().String() }

// Port is the port of Addr.
func (h *Host) Port() int { return h.listener.Addr().(*net.TCPAddr).Port }

// Home is the directory that commands start in.
func (h *Host) Home() string { return h.options.Home }

// HostKey is the first of the host's keys.
func (h *Host) HostKey() ssh.PublicKey { return h.options.HostKeys[0].PublicKey() }

// KnownHostsLine is the known_hosts(5) line of the first host key, without a line end.
func (h *Host) KnownHostsLine() string {
	return knownhosts.Line([]string{h.Addr()}, h.HostKey())
}

// Close cuts all connections, kills what is left of the commands and waits until nothing of the host runs.
func (h *Host) Close() error {
	h.mu.Lock()
	h.closed = true
	err := h.listener.Close()
	for c := range h.conns {
		_ = c.Close()
	}
	h.mu.Unlock()
	h.killAll()
	h.serving.Wait()
	if bug := h.bug.Load(); bug != nil {
		return bug
	}
	return err
}

// crashed cuts all connections because of a panic, which Close returns.
func (h *Host) crashed(p *guard.Panic) {
	h.bug.CompareAndSwap(nil, p)
	h.mu.Lock()
	defer h.mu.Unlock()
	for c := range h.conns {
		_ = c.Close()
	}
}

func (h *Host) accept() {
	for {
		c, err := h.listener.Accept()
		if err != nil {
			return // closed
		}
		if !h.adopt(c) {
			_ = c.Close()
			continue
		}
		h.serving.Go(func() {
			defer h.release(c)
			h.serve(c)
		}, h.crashed)
	}
}

// adopt counts the connection and reports whether to serve it.
func (h *Host) adopt(c net.Conn) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.record.connected()
	if h.closed {
		return false
	}
	if h.drop > 0 {
		h.drop--
		return false
	}
	h.conns[c] = struct{}{}
	return true
}

func (h *Host) release(c net.Conn) {
	_ = c.Close()
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.conns, c)
}
