package deploy

import (
	"errors"
	"fmt"

	"github.com/keep-it-simple/kis/internal/event"
	"github.com/keep-it-simple/kis/remote"
)

// takeOneOut is the remedy for two names of one package repository.
const takeOneOut = "remove one of them from the stage, or give each a root: of its own"

// refuseDuplicates refuses two names for one package repository: what one host prepared the other would find, and the switch
// would be counted twice. It is asked twice: a new repository has no host-id yet at the first check, and two machines that
// share it over the network have nothing else in common. Under the lock there is one.
func (r *run) refuseDuplicates() bool {
	seen := map[string]*host{}
	for _, h := range r.hosts {
		for _, id := range []string{h.facts.Identity, h.facts.HostID, h.locked.HostID} {
			other := seen[id]
			if id != "" && other != nil && other != h {
				h.log.Fail(event.StepCheck, h.sameAs(other, id))
				break
			}
			seen[id] = h
		}
	}
	return len(r.failures()) == 0
}

// sameAs refuses. The same machine and directory is proof. The same host-id alone is none: a cloned machine has it too. But
// nothing distinguishes the clone from a file system that two machines share, where locks may hold on each of them alone, so
// the user has to say.
func (h *host) sameAs(other *host, id string) error {
	where, or, hint := fmt.Sprintf("%s on %s", h.facts.Root, h.session.Host().Hostname), "", takeOneOut
	if id != h.facts.Identity {
		where += ", host-id " + id
		or = ", or one is a copy of the other"
		hint += "\nif it is a copy, as of a cloned machine, remove its host-id, and the next run makes a new one: " + h.removeHostID()
	}
	return event.Refuse("same-repository", fmt.Sprintf("%s and %s are the same package repository (%s)%s", other.Name, h.Name, where, or), hint)
}

// removeHostID is the command that makes a copy of a repository one of its own. The root's characters need no quotes: package
// inventory sees to that.
func (h *host) removeHostID() string {
	ssh, rm := "ssh ", " rm "
	if !h.Become.IsZero() { // .kis is not readable for the user who logs in
		ssh, rm = "ssh -t ", " sudo rm "
	}
	return ssh + h.Name + rm + h.Root + "/.kis/host-id"
}

// explainOwnLock explains a lock that this very run holds: it has taken it under another name of this repository.
func (h *host) explainOwnLock(err error) error {
	refused, ok := errors.AsType[*remote.Refused](err)
	if !ok || refused.Code != "locked" || refused.Holder == nil || refused.Holder.Run != h.run.id.String() {
		return err
	}
	message := fmt.Sprintf("this run already holds the lock of %s here: another of its hosts is the same package repository (%s)", h.run.stage, h.facts.Root)
	return event.Refuse("same-repository", message, takeOneOut)
}
