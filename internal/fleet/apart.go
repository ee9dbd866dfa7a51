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

// sameAs refuses. The same machine and folder is proof. The same host-id alone is none: a machine that was cloned has it too. But nothing that
// can be asked tells the clone from a file system that two machines see, where locks may hold on each of them for itself, so a person has to say.
func (m *member) sameAs(other *member, id string) error {
	where, or, hint := fmt.Sprintf("%s on %s", m.facts.Root, m.conn.agent.Host().Hostname), "", takeOneOut
	if id != m.facts.Identity {
		where += ", host-id " + id
		or = ", or one is a copy of the other"
		hint += "\nif it is a copy, as of a cloned machine, remove its host-id, and the next run makes a new one: " + m.removeHostID()
	}
	return refuse("same-repository", fmt.Sprintf("%s and %s are the same package repository (%s)%s", other.host.Name, m.host.Name, where, or), hint)
}

// removeHostID is the command that makes a copy of a repository one of its own. The root's characters are safe: package inventory sees to that.
func (m *member) removeHostID() string {
	ssh, rm := "ssh ", " rm "
	if !m.host.Become.IsZero() { // .kis is closed to who logs in
		ssh, rm = "ssh -t ", " sudo rm "
	}
	return ssh + m.host.Name + rm + m.host.Root + "/.kis/host-id"
}

// ours makes of a lock that this very run holds what it means: the run has taken it under another name of this repository.
func (m *member) ours(err error) error {
	var refused *remote.Refused
	if errors.As(err, &refused) && refused.Code == "locked" && refused.Holder != nil && refused.Holder.Run == m.run.name.String() {
		message := fmt.Sprintf("this run holds the lock of %s here already: another of its hosts is the same package repository (%s)", m.run.stage, m.facts.Root)
		return refuse("same-repository", message, takeOneOut)
	}
	return err
}
