package commit

import (
	"context"
	"errors"
	"time"

	"github.com/keep-it-simple/kis/internal/event"
	"github.com/keep-it-simple/kis/internal/fleet"
	"github.com/keep-it-simple/kis/sshx"
)

// lockPause is the pause between two attempts to take a lock again.
const lockPause = 500 * time.Millisecond

// The pauses between two attempts to reach a host again: exponential backoff.
const (
	firstPause   = 500 * time.Millisecond
	longestPause = 8 * time.Second
)

// redial is how one host is dialed again in one run. Hosts count what comes from an address and reject addresses that come
// too often, for longer than any switch can wait: so a host that has refused a login is left alone, and one that has not
// answered is dialed with exponential backoff.
type redial struct {
	pause time.Duration // before the next attempt; zero before the first
	final error         // the host's refusal: it is not dialed again
	why   error         // why the last attempt failed that was not cut short
}

// reach starts another session, and tries again until ctx ends or the host refuses the login.
func (p *Participant) reach(ctx context.Context, c *Coordinator) (*fleet.Session, error) {
	p.Session.HangUp()
	for p.redial.final == nil {
		session, err := p.Connect(ctx)
		if err == nil {
			if err = p.sameRepository(session, c); err == nil {
				p.redial = redial{}
				return session, nil
			}
			session.Close() // and try again: a host that has just booted may mount its volumes after it accepts logins
		}
		if refusedForGood(err) {
			p.redial.final = err
			break
		}
		if ctx.Err() == nil || p.redial.why == nil { // an attempt that was cut short says nothing about the host
			p.redial.why = err
		}
		p.redial.pause = min(max(2*p.redial.pause, firstPause), longestPause)
		if fleet.Wait(ctx, p.redial.pause) != nil {
			return nil, p.redial.why
		}
	}
	return nil, p.redial.final
}

// refusedForGood reports that the host has refused the login and will refuse the next one: each further attempt only counts
// against this address.
func refusedForGood(err error) bool {
	var dial *sshx.DialError
	return event.LoginRefused(err) || errors.As(err, &dial) && event.Banned(dial)
}
