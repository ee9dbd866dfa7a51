package deploy

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/keep-it-simple/kis/internal/event"
	"github.com/keep-it-simple/kis/internal/safetext"
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

// requireSharedFiles refuses hosts on which shared files are missing, with the command that puts them
// on all of these hosts.
func (r *run) requireSharedFiles() bool {
	for _, file := range r.plan.Recipe.Shared.Files {
		var lacking []*host
		for _, h := range r.hosts {
			if slices.Contains(h.facts.Missing, file) {
				lacking = append(lacking, h)
			}
		}
		for _, h := range lacking {
			place := path.Join(h.facts.Root, "shared", file)
			h.log.Fail(event.StepCheck, event.Refuse(remote.CodeNoSharedFile, place+" is missing", "put it there: "+putShared(lacking, file)))
		}
	}
	return len(r.failures()) == 0
}

// putShared is the command that puts a local file on hosts, readable by the owner of the repository
// only.
func putShared(lacking []*host, file string) string {
	first := lacking[0]
	script := func(h *host) string {
		place, as := path.Join(h.facts.Root, "shared", file), ""
		if user := h.Become.String(); user != "" {
			as = "sudo -n -u " + user + " "
		}
		there := fmt.Sprintf("%smkdir -p %s; umask 077; %stee %s >/dev/null", as, safetext.Word(path.Dir(place)), as, safetext.Word(place))
		return safetext.Word(there) + " < " + safetext.Word(file)
	}
	names := make([]string, len(lacking))
	for i, h := range lacking {
		if names[i] = h.Name; h.SSH.User != "" {
			names[i] = safetext.Word(h.SSH.User + "@" + h.Name)
		}
		if script(h) != script(first) {
			return fmt.Sprintf("ssh %s %s; likewise on the other hosts", names[0], script(first))
		}
	}
	if len(names) == 1 {
		return "ssh " + names[0] + " " + script(first)
	}
	return fmt.Sprintf("for host in %s; do ssh $host %s; done", strings.Join(names, " "), script(first))
}
