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
)

// ErrConnectionLost says that the connection ended before an answer came: what
// the host did is unknown.
var ErrConnectionLost = errors.New("connection lost")

// ErrNoExitStatus says that the host closed a process without telling how it
// ended (RFC 4254 6.10 allows that): what the host did is unknown.
var ErrNoExitStatus = errors.New("closed without an exit status")

// ErrNoSFTP says that the host has no usable SFTP subsystem. The error that
// wraps it tells why.
var ErrNoSFTP = errors.New("no sftp on this host")

// ErrUnresponsive says that the host stopped answering keep-alives. It is a
// lost connection too: errors.Is holds for ErrConnectionLost.
var ErrUnresponsive = fmt.Errorf("%w: no answer to keep-alives", ErrConnectionLost)

// ErrCommand says that a command holds characters which login shells read
// differently; nothing was sent.
var ErrCommand = errors.New("command not fit for every login shell")

// ErrUnsupported says that a setting matters for reaching the host and cannot
// be honored. The error that wraps it names the setting and a remedy.
var ErrUnsupported = errors.New("not supported")

// Phase is a part of Dial, for messages such as "no answer within 10s".
type Phase string

// The phases in the order in which they happen.
const (
	PhaseConnect      Phase = "connect"        // name resolution and TCP
	PhaseHandshake    Phase = "handshake"      // versions, key exchange, host key
	PhaseAuthenticate Phase = "authentication" // RFC 4252
)

// DialError is every error of Dial that is neither a *HostKeyError nor an
// *AuthError. Err tells refused (syscall.ECONNREFUSED), a deadline
// (context.DeadlineExceeded), names (*net.DNSError) and the rest apart.
type DialError struct {
	Name  string        // Target.Name
	Addr  string        // host:port that was tried
	Via   string        // name of the jump host, "ProxyCommand", or ""
	Phase Phase         // where it ended
	After time.Duration // the limit that ran out, or 0
	Said  string        // what the server sent instead of an SSH version, or ""
	// Command tells how a ProxyCommand ended and what it printed, or is "".
	Command string
	// Awaited is what the host did not do within After, or ""; Asked is for how
	// long a person was asked before the host closed the connection; Offered is
	// how many keys it had seen by then.
	Awaited string
	Asked   time.Duration
	Offered int
	Err     error
}

// Error is one line: who, which phase, why.
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

// Unwrap gives the cause.
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
		return "the jump host could not connect: " + printable(open.Message)
	case errors.Is(e.Err, syscall.ECONNREFUSED):
		return "connection refused"
	case errors.Is(e.Err, errGone) || isDropped(e.Err):
		return droppedCause(e)
	}
	if strings.Contains(e.Err.Error(), "overflow reading version string") { // x/crypto reads 1024 lines at most
		return "it sends text and no SSH version"
	}
	return printable(strings.TrimPrefix(e.Err.Error(), "ssh: handshake failed: "))
}

func timeoutCause(e *DialError) string {
	cause := "no answer in time"
	if e.After > 0 {
		cause = fmt.Sprintf("no answer within %s", e.After)
	}
	if e.Awaited != "" {
		cause += " (waited for " + e.Awaited + ")"
	}
	return cause
}

// droppedCause guesses why a host hangs up without a word while somebody logs in.
func droppedCause(e *DialError) string {
	cause := "the host closed the connection"
	if errors.Is(e.Err, syscall.ECONNRESET) {
		cause = "connection reset by the host"
	}
	switch {
	case e.Asked > time.Second:
		cause += fmt.Sprintf(" while a person was asked, for %s; it allows a login only so long (LoginGraceTime in its sshd_config, 2m unless set)", e.Asked.Round(time.Second))
	case e.Offered > 0:
		cause += fmt.Sprintf(" after it had seen %d keys; name the right one with IdentityFile and set IdentitiesOnly yes", e.Offered)
	}
	return cause
}

// JumpError says that a jump host could not be used; of a chain, the first that
// could not. All hosts behind it get the same text, so that callers can report
// it once.
type JumpError struct {
	Name string // the jump host
	Err  error  // the Dial error of the jump host
}

// Error names the jump host and its trouble.
func (e *JumpError) Error() string { return "jump host " + e.Err.Error() }

// Unwrap gives the Dial error of the jump host.
func (e *JumpError) Unwrap() error { return e.Err }

// AuthError says that the host key was accepted and the login was not.
type AuthError struct {
	Name, User string
	// Tried has one line per key or method: what was offered, what was held
	// back, and why.
	Tried []string
	// Accepts are the methods that the host named last, as in RFC 4252 5.1;
	// empty when it hung up instead.
	Accepts []string
	// TooManyTries says that the host hung up because of its MaxAuthTries.
	TooManyTries bool
	Err          error
}

// Error lists what was tried, because "permission denied" alone helps nobody.
func (e *AuthError) Error() string {
	tried := "no key and nobody to ask"
	if len(e.Tried) > 0 {
		tried = strings.Join(e.Tried, "; ")
	}
	return fmt.Sprintf("%s: authentication: login as %s refused (%s)", e.Name, e.User, tried)
}

// Unwrap gives the protocol's error.
func (e *AuthError) Unwrap() error { return e.Err }

// ExitError says that a process ended with a status other than 0 or by a signal.
type ExitError struct {
	Status int    // 1 to 255
	Signal string // without SIG, or ""
}

// Error is the status, or the signal.
func (e *ExitError) Error() string {
	if e.Signal != "" {
		return "killed by signal " + printable(e.Signal)
	}
	return fmt.Sprintf("exit status %d", e.Status)
}

// printable is text that a host or a file chose as a terminal may show it.
func printable(s string) string { return safetext.Line(s) }
