package sshx

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/keep-it-simple/kis/internal/safetext"
	"github.com/keep-it-simple/kis/sshx/userauth"
)

// ErrConnectionLost says that the connection ended before the answer: what the host did is unknown.
var ErrConnectionLost = errors.New("connection lost")

// ErrNoExitStatus says that the host closed a process without an exit status, as RFC 4254 section
// 6.10 allows: what the host did is unknown.
var ErrNoExitStatus = errors.New("closed without an exit status")

// ErrNoSFTP says that the host has no usable SFTP subsystem. The error that wraps it has the
// reason.
var ErrNoSFTP = errors.New("no sftp on this host")

// ErrUnresponsive says that the host did not answer keep-alives. It wraps ErrConnectionLost.
var ErrUnresponsive = fmt.Errorf("%w: no answer to keep-alives", ErrConnectionLost)

// ErrCommand says that a command has characters that login shells interpret differently; nothing
// was sent.
var ErrCommand = errors.New("command is not portable between login shells")

// Phase is a part of Dial, for messages such as "no answer within 10s".
type Phase string

// The phases in order.
const (
	PhaseConnect      Phase = "connect"        // name resolution and TCP
	PhaseHandshake    Phase = "handshake"      // versions, key exchange, host key
	PhaseAuthenticate Phase = "authentication" // RFC 4252
)

// DialError is any error of Dial but a *HostKeyError, an *AuthError and a *JumpError. Err
// distinguishes a refused connection (syscall.ECONNREFUSED), a deadline (context.DeadlineExceeded),
// a name that does not resolve (*net.DNSError) and others.
type DialError struct {
	Name  string        // Target.Name
	Addr  string        // host:port
	Via   string        // name of the jump host, "ProxyCommand", or ""
	Phase Phase         // in which it failed
	After time.Duration // the timeout that expired, or 0
	Said  string        // what the server sent instead of an SSH version, or ""
	// Command is how a ProxyCommand ended and what it printed, or "".
	Command string
	// Awaited is what the host did not do within After, or "". Asked is the time spent on prompts
	// and Offered the number of keys offered before the host closed the connection.
	Awaited string
	Asked   time.Duration
	Offered int
	Err     error
}

// Error is one line: the host, the phase, the cause.
func (e *DialError) Error() string {
	where := e.Addr
	if e.Via != "" {
		where += " through " + e.Via
	}
	cause := dialCause(e)
	if e.Command != "" {
		cause = e.Command
	}
	if e.Said != "" {
		cause += fmt.Sprintf("; the server said \"%s\"", e.Said) // it is spelled out already
	}
	return fmt.Sprintf("%s: %s: %s: %s", e.Name, e.Phase, where, cause)
}

// Unwrap returns the cause.
func (e *DialError) Unwrap() error { return e.Err }

func dialCause(e *DialError) string {
	var dns *net.DNSError
	var open *ssh.OpenChannelError
	switch {
	case errors.Is(e.Err, context.DeadlineExceeded) || errors.Is(e.Err, os.ErrDeadlineExceeded):
		return timeoutCause(e)
	case errors.Is(e.Err, context.Canceled):
		return "interrupted"
	case errors.As(e.Err, &dns):
		if dns.IsNotFound {
			return fmt.Sprintf("cannot resolve %q: no such host", dns.Name)
		}
		return fmt.Sprintf("cannot resolve %q: %s", dns.Name, dns.Err)
	case errors.As(e.Err, &open):
		return "the jump host could not connect: " + safetext.Line(open.Message)
	case errors.Is(e.Err, syscall.ECONNREFUSED):
		return "connection refused"
	case errors.Is(e.Err, userauth.ErrClosedByHost) || isDropped(e.Err):
		return droppedCause(e)
	}
	if strings.Contains(e.Err.Error(), "overflow reading version string") { // x/crypto reads at most 1024 lines
		return "it sends text and no SSH version"
	}
	return safetext.Line(strings.TrimPrefix(e.Err.Error(), "ssh: handshake failed: "))
}

func timeoutCause(e *DialError) string {
	cause := "no answer in time"
	if e.After > 0 {
		cause = "no answer within " + safetext.Duration(e.After)
	}
	if e.Awaited != "" {
		cause += " (waited for " + e.Awaited + ")"
	}
	return cause
}

// droppedCause guesses why a host closes the connection without a message during the login.
func droppedCause(e *DialError) string {
	cause := "the host closed the connection"
	if errors.Is(e.Err, syscall.ECONNRESET) {
		cause = "connection reset by the host"
	}
	switch {
	case e.Asked > time.Second:
		cause += fmt.Sprintf(" while kis waited %s for an answer of the user; LoginGraceTime in its sshd_config limits the time of a login (default 2m)", safetext.Duration(e.Asked))
	case e.Offered > 0:
		cause += fmt.Sprintf(" after %d keys; name the right one with IdentityFile and set IdentitiesOnly yes", e.Offered)
	}
	return cause
}

// JumpError says that a jump host failed; of a chain, the first one that did. All hosts behind it
// get the same text, so that callers can report it once.
type JumpError struct {
	Name string // the jump host
	Err  error  // the Dial error of the jump host
}

// Error names the jump host and its error.
func (e *JumpError) Error() string { return "jump host " + e.Err.Error() }

// Unwrap returns the Dial error of the jump host.
func (e *JumpError) Unwrap() error { return e.Err }

// ExitError says that a process ended with a status other than 0, or by a signal.
type ExitError struct {
	Status int    // 1 to 255
	Signal string // without SIG, or ""
}

// Error is the status, or the signal.
func (e *ExitError) Error() string {
	if e.Signal != "" {
		return "killed by signal " + safetext.Line(e.Signal)
	}
	return fmt.Sprintf("exit status %d", e.Status)
}
