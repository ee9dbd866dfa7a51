package fleet

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/keep-it-simple/kis/remote"
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
			if err = m.sameRepository(conn.agent); err == nil {
				m.conn, m.again = conn, redial{}
				return conn.agent, nil
			}
			conn.close() // and try again: a host that has just booted may mount its volumes later than it lets anybody in
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

// sameRepository refuses to take what lies at the root now for what this run has seen there: a host that comes back without the volume of its
// packages has an empty folder, and the links on the volume are as they are.
func (m *member) sameRepository(a *remote.Agent) error {
	id := a.HostID()
	if m.repository == "" || id == m.repository {
		return nil
	}
	return &Failure{
		State: Unknown, Code: "other-repository",
		Message: fmt.Sprintf("the repository is not the one of before (host-id %s, now %s): is its volume mounted?", m.repository, cmp.Or(id, "none")),
		Hint:    fmt.Sprintf("see: findmnt -T %s; when it is mounted: kis status %s", m.facts.Root, m.run.stage),
	}
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
