package deploy

import (
	"fmt"
	"path"

	"github.com/keep-it-simple/kis/internal/event"
	"github.com/keep-it-simple/kis/remote"
)

// shared is the part of a check about what packages share.
func (r *run) shared() *remote.Shared {
	s := r.plan.Recipe.Shared
	if len(s.Dirs)+len(s.Files) == 0 {
		return nil
	}
	return &remote.Shared{Dirs: append([]string{}, s.Dirs...), Files: append([]string{}, s.Files...)}
}

// missingFiles are the shared files that the user has to put on this host, each with the command that
// does it.
func (h *host) missingFiles() []remote.Problem {
	var all []remote.Problem
	for _, file := range h.facts.Missing {
		place := path.Join(h.facts.Root, "shared", file)
		as := ""
		if user := h.Become.String(); user != "" {
			as = "sudo -n -u " + user + " "
		}
		all = append(all, remote.Problem{
			Code: remote.CodeNoSharedFile, Message: place + " is missing",
			Hint: fmt.Sprintf("put it there: ssh %s '%smkdir -p %s && %stee %s >/dev/null' < %s", h.Name, as, path.Dir(place), as, place, file),
		})
	}
	return all
}

// checkHealth refuses a health check whose text this host cannot complete.
func (h *host) checkHealth() error {
	_, err := h.run.plan.Stage.Health.Expand(h.stageVariables(h.run.pkg))
	if err == nil {
		return nil
	}
	return event.Refuse(event.CodeNoVariable, err.Error(), "give the host, or a group of it, the variable in the inventory: vars: {…}")
}
