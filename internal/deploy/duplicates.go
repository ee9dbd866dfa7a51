package deploy

import (
	"errors"
	"fmt"

	"github.com/keep-it-simple/kis/internal/event"
	"github.com/keep-it-simple/kis/remote"
)

// removeDuplicate is the remedy for two names of one package repository.
const removeDuplicate = "remove one of them from the stage, or give each a root: of its own"

// refuseDuplicates refuses two names for one package repository: each host would find what the
// other prepared, and the switch would be counted twice. It runs before and after the lock: a new
// repository gets its host-id under the lock, and two machines that share it over the network have
// nothing else in common.
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

// sameAs is the refusal. The same machine and directory is proof. The same host-id alone is not,
// because a cloned machine has it too. But a clone cannot be distinguished from a file system that
// two machines share, where each machine may have locks of its own, so the user has to decide.
func (h *host) sameAs(other *host, id string) error {
	where, or, hint := fmt.Sprintf("%s on %s", h.facts.Root, h.session.Host().Hostname), "", removeDuplicate
	if id != h.facts.Identity {
		where += ", host-id " + id
		or = ", or one is a copy of the other"
		hint += "\nif it is a copy, as of a cloned machine, remove its host-id, and the next run makes a new one: " + h.removeHostID()
	}
	return event.Refuse(event.CodeSameRepository, fmt.Sprintf("%s and %s are the same package repository (%s)%s", other.Name, h.Name, where, or), hint)
}

// removeHostID is the command that gives a copy of a repository a host-id of its own. The root
// needs no quotes: package inventory restricts its characters.
func (h *host) removeHostID() string {
	ssh, rm := "ssh ", " rm "
	if !h.Become.IsZero() { // .kis is not readable for the login user
		ssh, rm = "ssh -t ", " sudo rm "
	}
	return ssh + h.Name + rm + h.Root + "/.kis/host-id"
}

// explainOwnLock explains a lock that this run itself holds, under another name of the repository.
func (h *host) explainOwnLock(err error) error {
	refused, ok := errors.AsType[*remote.Refused](err)
	if !ok || refused.Code != remote.CodeLocked || refused.Holder == nil || refused.Holder.Run != h.run.id.String() {
		return err
	}
	message := fmt.Sprintf("this run already holds the lock of %s: another of its hosts is the same package repository (%s)", h.run.stage, h.facts.Root)
	return event.Refuse(event.CodeSameRepository, message, removeDuplicate)
}
