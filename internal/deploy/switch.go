package deploy

import (
	"fmt"
	"time"

	"github.com/keep-it-simple/kis/internal/commit"
	"github.com/keep-it-simple/kis/internal/event"
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

// note is what the journal of every host records about the run beside the link itself.
func (r *run) note() remote.Note {
	scope := "all"
	if r.plan.Subset {
		scope = "subset"
	}
	git := r.plan.Git
	if r.plan.Op == event.Promote || r.plan.Op == event.Sync {
		git = r.hosts[0].receipt.Git
	}
	return remote.Note{
		By: r.Who, Git: git, Scope: scope, Hosts: r.names(), Requested: time.Now().UTC().Truncate(time.Millisecond),
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
	journal := h.journal
	open, some := journal.Open()
	resumed := some && p.AlreadyLinked && open.To == p.Before
	if resumed {
		p.Before = open.From
	}
	p.Past = journal.Checkpoint(resumed)
	return p
}
