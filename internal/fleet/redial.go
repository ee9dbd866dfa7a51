package fleet

import (
	"context"
	"errors"
	"time"

	"github.com/keep-it-simple/kis/sshx"
)

// The pauses between two attempts to reach a host again: each is twice the one before.
const (
	firstPause   = 500 * time.Millisecond
	longestPause = 8 * time.Second
)

// redial is how one host is dialed again in one run. Hosts count what comes from an address, and keep out who comes too often, for longer
// than any switch can wait: so a host that has said no is left alone, and one that has said nothing is dialed ever more rarely.
type redial struct {
	pause time.Duration // before the next attempt; zero before the first
	final error         // the host's no: it is not dialed any more
	why   error         // why the last attempt that came to its own end failed
}

// reach starts another conversation, and tries again until ctx ends or the host says no.
func (m *member) reach(ctx context.Context) (linker, error) {
	_ = m.conn.client.Close() // what is left of the old one; the host's agent sees the end of its input
	for m.again.final == nil {
		conn, err := m.run.fleet.converse(ctx, m.host)
		if err == nil {
			m.conn, m.again = conn, redial{}
			return conn.agent, nil
		}
		if isNo(err) {
			m.again.final = err
			break
		}
		if ctx.Err() == nil || m.again.why == nil { // an attempt that is cut short tells nothing of the host
			m.again.why = err
		}
		m.again.pause = min(max(2*m.again.pause, firstPause), longestPause)
		if wait(ctx, m.again.pause) != nil {
			return nil, m.again.why
		}
	}
	return nil, m.again.final
}

// isNo reports that the host has let nobody in and will not the next time either: each further attempt only counts against this address.
func isNo(err error) bool {
	var dial *sshx.DialError
	return hasLetNobodyIn(err) || errors.As(err, &dial) && banned(dial)
}

// hasLetNobodyIn reports that the host is there, and that it, or this machine, has refused the other.
func hasLetNobodyIn(err error) bool {
	var login *sshx.AuthError
	var key *sshx.HostKeyError
	return errors.As(err, &login) || errors.As(err, &key)
}
