package fleet

import (
	"errors"
	"fmt"

	"github.com/keep-it-simple/kis/remote"
)

// takeOneOut is the remedy for two names of one package repository.
const takeOneOut = "take one of them out of the stage, or give each a root: of its own"

// apart refuses two names for one package repository: what one host prepared the other would find, and the switch would be counted twice.
// It is asked twice: the first look at a repository that is new finds no host-id there, and two machines that share it over the network
// have nothing else in common. With the lock there is one.
func (r *run) apart() bool {
	seen := map[string]*member{}
	for _, m := range r.members {
		for _, id := range []string{m.facts.Identity, m.facts.HostID, m.locked.HostID} {
			other := seen[id]
			if id != "" && other != nil && other != m {
				m.fail(StepCheck, m.sameAs(other, id))
				break
			}
			seen[id] = m
		}
	}
	return len(r.failures()) == 0
}

func (m *member) sameAs(other *member, id string) error {
	where := fmt.Sprintf("%s on %s", m.facts.Root, m.conn.agent.Host().Hostname)
	if id != m.facts.Identity {
		where += ", host-id " + id
	}
	return refuse("same-repository", fmt.Sprintf("%s and %s are the same package repository (%s)", other.host.Name, m.host.Name, where), takeOneOut)
}

// ours makes of a lock that this very run holds what it means: the run has taken it under another name of this repository.
func (m *member) ours(err error) error {
	var refused *remote.Refused
	if errors.As(err, &refused) && refused.Code == "locked" && refused.Holder != nil && refused.Holder.Run == m.run.name {
		message := fmt.Sprintf("this run holds the lock of %s here already: another of its hosts is the same package repository (%s)", m.run.stage, m.facts.Root)
		return refuse("same-repository", message, takeOneOut)
	}
	return err
}
