package sshx

import (
	"context"
	"fmt"

	"golang.org/x/crypto/ssh"
)

// Terminal is the terminal that a command gets: RFC 4254, section 6.2.
type Terminal struct {
	Type          string // as $TERM names it
	Columns, Rows int
}

// StartTerminal is Start with a terminal, on which standard error appears as well: Stderr is empty.
func (c *Client) StartTerminal(ctx context.Context, command string, t Terminal) (*Process, error) {
	return c.start(ctx, command, func(s *ssh.Session) error {
		if err := s.RequestPty(t.Type, t.Rows, t.Columns, ssh.TerminalModes{}); err != nil {
			return fmt.Errorf("the host gives no terminal; see PermitTTY in its sshd_config: %w", err)
		}
		return nil
	})
}

// Resize tells the host the size of the terminal.
func (p *Process) Resize(columns, rows int) error { return p.session.WindowChange(rows, columns) }
