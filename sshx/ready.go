package sshx

import (
	"context"
	"fmt"
	"strings"
)

// Ready reports why a login as t could offer nothing: no key that can sign, and
// nobody to ask for a passphrase or a password. It contacts nobody but the agent.
func (d *Dialer) Ready(ctx context.Context, t Target) error {
	limited, clock := newDeadline(ctx, agentListLimit)
	defer clock.stop()
	keys, note, hangUp := d.openAgent(limited, t, clock)
	defer hangUp()
	l := d.newLogin(limited, t, nil, clock, keys)
	if len(l.ids.offers) > 0 || l.ask != nil {
		return nil
	}
	if note != "" {
		l.ids.note("%s", note)
	}
	return fmt.Errorf("%s: nothing to log in with: %s", t.Name, strings.Join(l.ids.notes, "; "))
}
