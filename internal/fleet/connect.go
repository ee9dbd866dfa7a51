package fleet

import (
	"context"
	"errors"
	"slices"

	"github.com/keep-it-simple/kis/internal/guard"
	"github.com/keep-it-simple/kis/inventory"
	"github.com/keep-it-simple/kis/sshx"
)

// Progress are callbacks about each of the hosts that ConnectAll connects to. Many goroutines call
// them.
type Progress struct {
	Begin    func(i int) bool // false: skip this host
	End      func(i int, s *Session, err error)
	Accepted func(*sshx.HostKeyError) // the user has accepted this key
	Caught   func(i int, p *guard.Panic)
}

// ConnectAll starts a session with every host. Hosts with unknown keys wait until all others are
// connected or have failed; then the user is asked once about all of them, and they are dialed a
// second time. The connection on which a key was received is closed by then, and nothing about the
// user was sent over it. The keys of hosts behind a jump host are known only after the jump host
// was accepted, so there may be a second question.
func (f *Fleet) ConnectAll(ctx context.Context, hosts []inventory.Host, p Progress) {
	begun := make([]bool, len(hosts))
	Each(len(hosts), f.Limit(), func(i int) { begun[i] = p.Begin(i) }, p.Caught)
	var dial []int
	for i := range hosts {
		if begun[i] {
			dial = append(dial, i)
		}
	}
	asked := map[string]bool{}
	for len(dial) > 0 {
		unknown := f.dialRound(ctx, hosts, dial, asked, p)
		dial = f.acceptKeys(ctx, unknown, asked, p)
	}
}

// unknownHost is a host whose key the user can be asked about.
type unknownHost struct {
	i   int
	key *sshx.HostKeyError
	err error
}

// dialRound dials some of the hosts. It returns those whose key the user can be asked about; all
// others have ended.
func (f *Fleet) dialRound(ctx context.Context, hosts []inventory.Host, dial []int, asked map[string]bool, p Progress) []unknownHost {
	found := make([]unknownHost, len(dial))
	Each(len(dial), f.Limit(), func(n int) {
		i := dial[n]
		session, err := f.Connect(ctx, hosts[i])
		if key := f.askable(err, asked); key != nil {
			found[n] = unknownHost{i: i, key: key, err: err}
			return
		}
		p.End(i, session, err)
	}, func(n int, bug *guard.Panic) { p.Caught(dial[n], bug) })
	return slices.DeleteFunc(found, func(u unknownHost) bool { return u.key == nil })
}

// askable returns the host key in an error if the user can decide about it and was not asked yet.
func (f *Fleet) askable(err error, asked map[string]bool) *sshx.HostKeyError {
	key, ok := errors.AsType[*sshx.HostKeyError](err)
	if !ok || f.AskKeys == nil || !key.Acceptable() || asked[keyIdentity(key)] {
		return nil
	}
	return key
}

// keyIdentity is equal for two errors about the same key of the same host.
func keyIdentity(key *sshx.HostKeyError) string { return key.Lookup + " " + key.Fingerprint }

// acceptKeys asks about unknown keys, each once, and adds them to known_hosts if the answer is yes.
// It returns the hosts to dial a second time; the others end with their error.
func (f *Fleet) acceptKeys(ctx context.Context, unknown []unknownHost, asked map[string]bool, p Progress) []int {
	var keys []*sshx.HostKeyError
	for _, u := range unknown {
		if id := keyIdentity(u.key); !asked[id] {
			asked[id] = true
			keys = append(keys, u.key)
		}
	}
	yes := len(keys) > 0 && f.AskKeys(ctx, keys) && ctx.Err() == nil
	if yes {
		for _, key := range keys {
			if key.Accept() == nil {
				p.Accepted(key)
			}
		}
	}
	var redial []int
	for _, u := range unknown {
		err := u.err
		if yes {
			err = u.key.Accept() // nil without effect, unless writing it failed
		}
		if err != nil {
			p.End(u.i, nil, err)
			continue
		}
		redial = append(redial, u.i)
	}
	return redial
}
