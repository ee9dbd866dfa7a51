// Package fleet reaches the hosts of an inventory: it resolves the settings of each, asks about
// unknown host keys once for all of them, and starts a session with the agent on each.
package fleet

import (
	"context"

	"github.com/pkg/sftp"

	"github.com/keep-it-simple/kis/internal/timeouts"
	"github.com/keep-it-simple/kis/inventory"
	"github.com/keep-it-simple/kis/remote"
	"github.com/keep-it-simple/kis/sshx"
)

// Fleet is how hosts are reached.
type Fleet struct {
	Resolver sshx.Resolver
	Dialer   *sshx.Dialer      // closed by the caller
	Dir      string            // where relative paths of the inventory start
	Forks    int               // hosts that connect and prepare at the same time; default 64
	Timeouts timeouts.Timeouts // of runs, sessions and agents; the zero value stands for timeouts.Default
	// AskKeys asks the user, once for all of them, whether these unknown keys are those of these
	// hosts; yes adds them to known_hosts. Nil: no user can be asked, and the hosts are refused.
	AskKeys func(ctx context.Context, keys []*sshx.HostKeyError) bool
	// Watch is told when kis begins to connect to a host, and when nothing of it is awaited any more,
	// by many goroutines. Nil: nobody wants to know.
	Watch func(host string, busy bool)
	// Dial replaces SSH: it connects to a host and starts a shell as remote.Command says. Nil: SSH.
	Dial func(context.Context, inventory.Host) (Connection, remote.Streams, error)

	targets map[string]sshx.Target // by host, once Ready has resolved them
}

const defaultForks = 64

// Limit is the number of hosts that connect and prepare at the same time.
func (f *Fleet) Limit() int {
	if f.Forks > 0 {
		return f.Forks
	}
	return defaultForks
}

// Connection carries the streams of an agent: *sshx.Client, or that of a simulated host.
type Connection interface {
	Close() error
	AuthKey() string // fingerprint of the key that logged in, "" for none
	Lost() error     // why the connection ended; nil while it works
	SFTP(ctx context.Context) (*sftp.Client, error)
}

var _ Connection = (*sshx.Client)(nil)
