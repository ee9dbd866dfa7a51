package deploy

import (
	"context"

	"github.com/keep-it-simple/kis/internal/event"
	"github.com/keep-it-simple/kis/internal/fleet"
	"github.com/keep-it-simple/kis/internal/guard"
	"github.com/keep-it-simple/kis/inventory"
	"github.com/keep-it-simple/kis/sshx"
)

// connect starts a session with every host of the run.
func (r *run) connect(ctx context.Context) bool {
	all := r.everyHost()
	hosts, ends := make([]inventory.Host, len(all)), make([]func(error) error, len(all))
	for i, h := range all {
		hosts[i] = h.Host
	}
	return r.timed(ctx, "connect", func() {
		r.Fleet.ConnectAll(ctx, hosts, fleet.Progress{
			Begin: func(i int) bool {
				if ctx.Err() != nil {
					return false
				}
				ends[i] = all[i].log.Begin(event.StepConnect)
				return true
			},
			Accepted: func(e *sshx.HostKeyError) {
				r.stream.Notice(e.Host, "added its host key to known_hosts: "+e.KeyType+" "+e.Fingerprint)
			},
			End: func(i int, session *fleet.Session, err error) {
				h := all[i]
				h.session = session
				if err == nil && session.Noise() != "" {
					h.log.Notice("the login shell prints text without a terminal: " + session.Noise())
				}
				_ = ends[i](err) // reported; the run counts failures
			},
			Caught: func(i int, p *guard.Panic) { _ = all[i].log.Caught(p) },
		})
	})
}
