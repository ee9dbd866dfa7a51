package fleet

import (
	"context"
	"errors"

	"github.com/keep-it-simple/kis/inventory"
	"github.com/keep-it-simple/kis/sshx"
)

// connect reaches every host of the run.
func (r *run) connect(ctx context.Context) bool {
	ends := make([]func(error) bool, len(r.members))
	return r.timed(ctx, "connect", func() {
		r.fleet.reachAll(ctx, r.plan.Hosts, reaching{
			begin: func(i int) bool {
				if ctx.Err() != nil {
					return false
				}
				ends[i] = r.members[i].begin(StepConnect)
				return true
			},
			accepted: func(e *sshx.HostKeyError) {
				r.notice(e.Host, "its host key is known from now on: "+e.KeyType+" "+e.Fingerprint)
			},
			end: func(i int, conn *conversation, err error) {
				m := r.members[i]
				m.conn = conn
				if err == nil && conn.agent.Noise() != "" {
					r.notice(m.host.Name, "the login shell prints text without a terminal: "+conn.agent.Noise())
				}
				ends[i](err)
			},
		})
	})
}

// reaching is what is done about each of several hosts that are reached at once. The functions are called by many goroutines.
type reaching struct {
	begin    func(i int) bool // false: leave this host out
	end      func(i int, conn *conversation, err error)
	accepted func(*sshx.HostKeyError) // a person has said yes
}

// reachAll starts a conversation with every host. Those whose key nobody knows wait until all others are reached or have failed; then a person
// is asked once about all of them, and they are tried again. The connection on which a key was seen is gone by then, with nothing sent to
// the host about us. A jump host has to be asked about before the hosts behind it show their keys, so there may be a second question.
func (f *Fleet) reachAll(ctx context.Context, hosts []inventory.Host, work reaching) {
	waiting := make([]int, 0, len(hosts))
	for i := range hosts {
		waiting = append(waiting, i)
	}
	asked := map[string]bool{}
	for again := false; len(waiting) > 0; again = true {
		unknown := make([]error, len(hosts))
		each(len(waiting), f.forks(), func(n int) {
			i := waiting[n]
			if !again && !work.begin(i) {
				return
			}
			conn, err := f.converse(ctx, hosts[i])
			if key := f.askable(err, asked); key != nil {
				unknown[i] = err
				return
			}
			work.end(i, conn, err)
		})
		waiting = waiting[:0]
		for i, err := range f.introduce(ctx, unknown, asked, work.accepted) {
			switch {
			case unknown[i] == nil:
			case err != nil:
				work.end(i, nil, err)
			default:
				waiting = append(waiting, i)
			}
		}
	}
}

// askable returns the host key in an error that a person can decide about, if there is one and it has not been asked about.
func (f *Fleet) askable(err error, asked map[string]bool) *sshx.HostKeyError {
	key, ok := errors.AsType[*sshx.HostKeyError](err)
	if !ok || f.AskKeys == nil || !key.Acceptable() || asked[identity(key)] {
		return nil
	}
	return key
}

// identity tells whether two errors are about the same key of the same host.
func identity(key *sshx.HostKeyError) string { return key.Lookup + " " + key.Fingerprint }

// introduce asks about the keys in the errors, each key once, and makes them known if the answer is yes. It returns what is left of each error.
func (f *Fleet) introduce(ctx context.Context, unknown []error, asked map[string]bool, accepted func(*sshx.HostKeyError)) []error {
	left := make([]error, len(unknown))
	var keys []*sshx.HostKeyError
	for i, err := range unknown {
		left[i] = err
		if key := f.askable(err, asked); key != nil {
			asked[identity(key)] = true
			keys = append(keys, key)
		}
	}
	if len(keys) == 0 || !f.AskKeys(ctx, keys) || ctx.Err() != nil {
		return left
	}
	for _, key := range keys {
		if err := key.Accept(); err == nil {
			accepted(key)
		}
	}
	for i, err := range unknown {
		if key, ok := errors.AsType[*sshx.HostKeyError](err); ok {
			left[i] = key.Accept() // written already, unless that failed
		}
	}
	return left
}
