package fleet

import (
	"context"
	"errors"

	"github.com/keep-it-simple/kis/inventory"
	"github.com/keep-it-simple/kis/remote"
	"github.com/keep-it-simple/kis/sshx"
)

// Terminal runs a script, see remote.Agent.Terminal, at a terminal of its own on the session's connection.
// Close the session after the process has ended.
func (s *Session) Terminal(ctx context.Context, h inventory.Host, script string, t sshx.Terminal) (*sshx.Process, error) {
	client, ok := s.Connection.(*sshx.Client)
	if !ok {
		return nil, errors.New("this connection has no terminals")
	}
	return client.StartTerminal(ctx, remote.TerminalCommand(script, h.Become), t)
}
