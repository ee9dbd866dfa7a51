package sshx

import (
	"context"
	"fmt"
	"io"
	"net"

	"github.com/pkg/sftp"
	"golang.org/x/crypto/ssh"

	"github.com/keep-it-simple/kis/internal/guard"
	"github.com/keep-it-simple/kis/internal/safetext"
)

// SFTP opens the SFTP subsystem in a session of its own. The caller must Close the result, which
// returns at once, even when the host does not answer. The error wraps ErrNoSFTP, with the reason,
// when the host has no SFTP subsystem or when its login shell prints text before SFTP starts.
func (c *Client) SFTP(ctx context.Context) (*sftp.Client, error) {
	var in io.WriteCloser
	var out io.Reader
	refused := false
	sess, err := c.openSession(ctx, func(s *ssh.Session) (err error) {
		if in, err = s.StdinPipe(); err != nil {
			return err
		}
		if out, err = s.StdoutPipe(); err != nil {
			return err
		}
		err = s.RequestSubsystem("sftp")
		refused = err != nil && !c.conn.hasEnded()
		return err
	})
	if err != nil {
		if ctx.Err() == nil && refused {
			err = fmt.Errorf("%w: its sshd refuses the subsystem; add `Subsystem sftp internal-sftp` to its sshd_config", ErrNoSFTP)
		} else {
			err = c.sessionCause(err)
		}
		return nil, fmt.Errorf("%s: sftp: %w", c.name, err)
	}
	return c.startSFTP(ctx, sess, in, out)
}

// startSFTP performs the handshake of the SFTP protocol.
func (c *Client) startSFTP(ctx context.Context, sess *ssh.Session, in io.WriteCloser, out io.Reader) (*sftp.Client, error) {
	b := c.bridge(sess, in, out)
	stop := context.AfterFunc(ctx, guard.Func(func() { _ = b.Close() }, c.crashed))
	client, err := sftp.NewClientPipe(b, b)
	if !stop() && err == nil {
		_ = client.Close()
		err = context.Cause(ctx)
	}
	if err == nil {
		return client, nil
	}
	_ = b.Close()
	first := b.firstBytes()
	switch {
	case ctx.Err() != nil:
		err = fmt.Errorf("no answer from the sftp subsystem: %w", context.Cause(ctx))
	case c.conn.hasEnded():
		err = c.lostCauseOf(net.ErrClosed)
	case len(first) == 0:
		err = fmt.Errorf("%w: the subsystem ended without output; does the sftp-server in its sshd_config exist?", ErrNoSFTP)
	case !isVersionPacket(first):
		err = fmt.Errorf("%w: the login shell prints text before it starts (first bytes: \"%s\"); change its start-up files to print nothing without a terminal", ErrNoSFTP, safetext.Line(string(first)))
	default:
		err = fmt.Errorf("%w: %w", ErrNoSFTP, err)
	}
	return nil, fmt.Errorf("%s: sftp: %w", c.name, err)
}

// isVersionPacket recognizes the first packet of an SFTP server: type 2 after four bytes of length,
// draft-ietf-secsh-filexfer-02 section 4.
func isVersionPacket(b []byte) bool {
	return len(b) < 5 || b[0] == 0 && b[1] == 0 && b[4] == 2
}
