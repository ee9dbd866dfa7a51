package commit

import (
	"context"
	"errors"
	"time"

	"github.com/keep-it-simple/kis/internal/event"
	"github.com/keep-it-simple/kis/internal/fleet"
	"github.com/keep-it-simple/kis/sshx"
)

// The pauses between two attempts to reconnect: exponential backoff.
const (
	firstPause   = 500 * time.Millisecond
	longestPause = 8 * time.Second
)

// redial is the state of reconnecting to one host in one run. Hosts count failed logins by address
// and reject addresses for longer than a switch can wait. So kis does not dial a host that refused
// a login again, and dials one that did not answer with exponential backoff.
type redial struct {
	pause time.Duration // before the next attempt; zero before the first
	final error         // the host's refusal, which ends the attempts
	why   error         // why an attempt failed: the last one that was not cut short, or else the first
}

// reach starts another session, and retries until ctx ends or the host refuses the login. After a refusal it does not
// dial again, in later calls either.
func (p *Participant) reach(ctx context.Context, c *Coordinator) (*fleet.Session, error) {
	p.Session.HangUp()
	for p.redial.final == nil {
		session, err := p.connectAgain(ctx, c)
		if err == nil {
			p.redial = redial{}
			return session, nil
		}
		if refusedForGood(err) {
			p.redial.final = err
			break
		}
		if ctx.Err() == nil || p.redial.why == nil { // an attempt that was cut short gives no reason
			p.redial.why = err
		}
		p.redial.pause = min(max(2*p.redial.pause, firstPause), longestPause)
		if fleet.Wait(ctx, p.redial.pause) != nil {
			return nil, p.redial.why
		}
	}
	return nil, p.redial.final
}

// connectAgain is one attempt. A host that has just booted may mount its volumes after it accepts logins: without the
// repository that the run began with, it has failed.
func (p *Participant) connectAgain(ctx context.Context, c *Coordinator) (*fleet.Session, error) {
	session, err := p.Connect(ctx)
	if err != nil {
		return nil, err
	}
	if err := p.sameRepository(session, c); err != nil {
		session.Close()
		return nil, err
	}
	return session, nil
}

// refusedForGood reports whether the host refused the login and will refuse the next one: further
// attempts only count against this address.
func refusedForGood(err error) bool {
	var dial *sshx.DialError
	return event.LoginRefused(err) || errors.As(err, &dial) && event.Banned(dial)
}
