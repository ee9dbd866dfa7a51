package deploy

import (
	"fmt"
	"strings"
	"time"

	"github.com/keep-it-simple/kis/internal/commit"
	"github.com/keep-it-simple/kis/internal/event"
	"github.com/keep-it-simple/kis/internal/name"
	"github.com/keep-it-simple/kis/remote"
)

// coordinator makes the coordinator of the switch. Every host is ready, and its lock is held.
func (r *run) coordinator() *commit.Coordinator {
	c := &commit.Coordinator{
		Stage: r.stage, Run: r.id, Op: r.plan.Op, To: r.pkg, Note: r.note(), OnPartial: r.plan.Stage.OnPartial, Timeouts: r.timeouts(), Stream: r.stream,
		Interrupts: r.Interrupts,
	}
	c.Batch = r.plan.Stage.Batch.Of(len(r.hosts))
	for _, h := range r.hosts {
		p := h.participant()
		if h.upToDate {
			c.UpToDate = append(c.UpToDate, p)
			continue
		}
		if p.Dangling {
			h.log.Notice(fmt.Sprintf("%s is linked to %s, which is no complete package: a rollback of this run would restore a dangling link", r.stage, p.Before))
		}
		c.Participants = append(c.Participants, p)
		if r.first == nil {
			r.first = h
		}
	}
	return c
}

// activates reports whether anything follows a switch on the hosts.
func (r *run) activates() bool {
	s := r.plan.Stage
	return len(s.Services)+len(s.AfterLink) > 0 || s.Health.URL != ""
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
// that is missing may come with the first package, through the stage's link.
func (h *host) unfitServices() []remote.Problem {
	var all []remote.Problem
	for _, p := range h.facts.Services {
		if p.Code == remote.CodeNoUnit && h.facts.Stage.Linked == "" {
			h.log.Notice(p.Message + "; if the package does not bring it, the push will be rolled back")
			continue
		}
		all = append(all, p)
	}
	return all
}

// activation is what brings a package into service on this host.
func (h *host) activation(p name.Package) commit.Activation {
	s, env := h.run.plan.Stage, h.stageVariables(p)
	a := commit.Activation{
		ServicesWithin: h.run.timeout(),
		Announce:       func(command string) { h.log.Command(event.StepAfterLink, event.Started, command) },
	}
	a.Services = h.run.services()
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

// note is what the journal of every host records about the run beside the link itself.
func (r *run) note() remote.Note {
	scope := "all"
	if r.plan.Subset {
		scope = "subset"
	}
	return remote.Note{
		By: r.Who, Git: r.plan.Git, Scope: scope, Hosts: r.names(), Requested: time.Now().UTC().Truncate(time.Millisecond),
		After: r.activates(),
	}
}

// participant is this host's part in the switch.
func (h *host) participant() *commit.Participant {
	stage := h.facts.Stage
	h.upToDate = h.isUpToDate()
	p := &commit.Participant{
		Log: h.log, Session: h.session, Connect: h.connect, Root: h.facts.Root, Owner: h.run.owner(), Locked: h.locked, Key: h.session.AuthKey(),
		Before: stage.Linked, Dangling: stage.Linked != "" && !stage.Sealed, AlreadyLinked: stage.Linked == h.run.pkg.String(),
		Activation: h.activation,
	}
	// A link that was never confirmed is rolled back with this run, to the link before the
	// interrupted run.
	journal := remote.ParseJournal(stage.Lines)
	open, some := journal.Open()
	resumed := some && p.AlreadyLinked && open.To == p.Before
	if resumed {
		p.Before = open.From
	}
	p.Past = journal.Checkpoint(resumed)
	return p
}
