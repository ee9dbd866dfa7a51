package deploy

import (
	"strings"

	"github.com/keep-it-simple/kis/internal/commit"
	"github.com/keep-it-simple/kis/internal/event"
	"github.com/keep-it-simple/kis/internal/name"
	"github.com/keep-it-simple/kis/remote"
)

// activates reports whether anything follows a switch on the hosts.
func (r *run) activates() bool {
	s := r.plan.Stage
	return len(s.Services)+len(s.AfterLink) > 0 || s.Health.URL != ""
}

// activation is what brings a package into service on this host.
func (h *host) activation(p name.Package) commit.Activation {
	s, env := h.run.plan.Stage, h.stageVariables(p)
	a := commit.Activation{Services: h.run.services(), ServicesWithin: h.run.timeout()}
	for _, c := range s.AfterLink {
		if !c.Once || h == h.run.first {
			a.Commands = append(a.Commands, h.request(p, c, env))
		}
	}
	if health, err := s.Health.Expand(env); err == nil && health.URL != "" { // check has refused what cannot be expanded
		name, value, _ := strings.Cut(health.Header, ":")
		a.Health = &remote.HealthCheck{
			URL: health.URL, Unix: health.Unix, Host: health.Host, Status: health.Status, Header: name, Value: strings.TrimSpace(value),
			Body: health.Expect, Consecutive: health.Consecutive, Within: health.Within,
		}
	}
	return a
}

// services are the units of the stage.
func (r *run) services() []remote.Service {
	var all []remote.Service
	for _, service := range r.plan.Stage.Services {
		all = append(all, remote.Service(service))
	}
	return all
}

// unfitServices is what would prevent this host from restarting the services after the switch. A unit
// that is missing may come with the first package, through the stage's link. One that works elsewhere may
// do so on purpose.
func (h *host) unfitServices() []remote.Problem {
	var all []remote.Problem
	for _, p := range h.facts.Services {
		switch {
		case p.Code == remote.CodeNoUnit && h.facts.Stage.Linked == "":
			h.log.Notice(p.Message + "; if the package does not bring it, the push will be rolled back")
		case p.Code == remote.CodeOtherPlace:
			h.log.Notice(p.Message + ", so that a switch does not change what it runs; " + p.Hint)
		default:
			all = append(all, p)
		}
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
