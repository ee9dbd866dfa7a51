package sshx

import (
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"sync"

	"golang.org/x/crypto/ssh"

	"github.com/keep-it-simple/kis/internal/safetext"
)

// plainCommand has the characters that bash, dash, zsh, fish, tcsh and busybox ash all read as
// plain words.
var plainCommand = regexp.MustCompile(`^[A-Za-z0-9/._=:+ -]+$`)

// Process is a command that runs on a host. Read Stdout and Stderr to their
// ends, each in a goroutine of its own: a process blocks when its output is not read.
type Process struct {
	// Stdin is the process's input. Close sends end of file and ends a blocked write; any goroutine
	// can call it.
	Stdin io.WriteCloser
	// Stdout and Stderr end when all processes that hold them have ended, or when the connection
	// has.
	Stdout, Stderr io.Reader

	client  *Client
	command string
	session *ssh.Session
}

// Start runs command in the user's login shell on the host. As that can be any shell (sshd runs
// `$SHELL -c`), command must match ^[A-Za-z0-9/._=:+ -]+$; otherwise the error is ErrCommand and
// nothing is sent. ctx limits the start only: end a running process with Process.Close.
func (c *Client) Start(ctx context.Context, command string) (*Process, error) {
	return c.start(ctx, command, func(*ssh.Session) error { return nil })
}

// start is Start for a session that prepare has changed.
func (c *Client) start(ctx context.Context, command string, prepare func(*ssh.Session) error) (*Process, error) {
	if !plainCommand.MatchString(command) {
		return nil, fmt.Errorf("%s: start %q: %w: allowed are letters, digits, spaces and / . _ = : + -", c.name, command, ErrCommand)
	}
	p := &Process{client: c, command: command}
	sess, err := c.openSession(ctx, func(s *ssh.Session) (err error) {
		if err := prepare(s); err != nil {
			return err
		}
		if p.Stdin, err = s.StdinPipe(); err != nil {
			return err
		}
		if p.Stdout, err = s.StdoutPipe(); err != nil {
			return err
		}
		if p.Stderr, err = s.StderrPipe(); err != nil {
			return err
		}
		return s.Start(command)
	})
	if err != nil {
		return nil, fmt.Errorf("%s: start %q: %w", c.name, command, c.sessionCause(err))
	}
	p.session, p.Stdin = sess, &stdin{in: p.Stdin, session: sess}
	return p, nil
}

// stdin is a process's input that can be closed during a write: package ssh does not synchronize
// them.
type stdin struct {
	mu      sync.Mutex // held while writing
	in      io.WriteCloser
	session *ssh.Session
}

func (s *stdin) Write(data []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.in.Write(data)
}

// Close sends end of file. While a write is blocked, because the host does not read, Close closes
// the process's channel instead, which ends the write.
func (s *stdin) Close() error {
	if s.mu.TryLock() {
		defer s.mu.Unlock()
		return s.in.Close()
	}
	return s.session.Close()
}

// Wait waits for the end of the process. An *ExitError is the exit status from the host.
// ErrConnectionLost and ErrNoExitStatus mean that the outcome is unknown. Nil proves nothing: a
// login shell that exits early has status 0 too, so the caller needs proof that the work was done.
// Call it once.
func (p *Process) Wait() error {
	err := p.session.Wait()
	if err == nil {
		return nil
	}
	if exit, ok := errors.AsType[*ssh.ExitError](err); ok {
		return &ExitError{Status: exit.ExitStatus(), Signal: exit.Signal()}
	}
	why := ErrConnectionLost
	if _, missing := errors.AsType[*ssh.ExitMissingError](err); missing && !p.client.conn.hasEnded() {
		why = ErrNoExitStatus
	}
	return fmt.Errorf("%s: %q: %w", p.client.name, p.command, why)
}

// Close closes the process's channel: the process gets end of file on its input and SIGPIPE on its
// output, and is not killed (not every sshd delivers the signals of RFC 4254 section 6.9). It does
// not wait, and can be called more than once.
func (p *Process) Close() error {
	if err := p.session.Close(); err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("%s: close %q: %w", p.client.name, p.command, err)
	}
	return nil
}

// sessionCause explains the refusals that the user can do something about.
func (c *Client) sessionCause(err error) error {
	var open *ssh.OpenChannelError
	switch {
	case errors.As(err, &open):
		return fmt.Errorf("the host opens no more sessions on this connection (%s); see MaxSessions in its sshd_config", safetext.Line(open.Message))
	case errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded):
		return err
	case c.conn.hasEnded():
		return c.lostCauseOf(err)
	}
	return err
}

// lostCauseOf returns an error that wraps ErrConnectionLost, with the reason of the client or else with err.
func (c *Client) lostCauseOf(err error) error {
	if c.Lost() == nil { // closed on this side
		return fmt.Errorf("%w: %s", ErrConnectionLost, lostCause(err))
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}
