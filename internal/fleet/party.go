package fleet

import (
	"context"
	"fmt"
	"time"

	"github.com/keep-it-simple/kis/internal/name"
	"github.com/keep-it-simple/kis/remote"
)

// newTransaction makes the parties of the run's members. A host that is settled takes no part.
func newTransaction(r *run) *transaction {
	t := &transaction{stage: r.stage, run: r.name, op: string(r.plan.Op), to: r.pkg, now: r.fleet.now, notice: r.notice, armedAt: r.fleet.now()}
	t.partial, t.interrupts = r.plan.Stage.OnPartial, r.fleet.Interrupts
	t.patience = r.fleet.patience
	if t.patience == (patience{}) {
		t.patience = ordinaryPatience()
	}
	t.phase = func(name string, took time.Duration) {
		r.phases = append(r.phases, Phase{Name: name, Seconds: took.Seconds()})
	}
	t.note = r.note()
	for _, m := range r.members {
		p := m.party()
		if m.already {
			r.settled = append(r.settled, p)
			continue
		}
		if p.dangling {
			r.notice(p.name, fmt.Sprintf("%s is linked to %s, which is no complete package: what is put back, if this run has to go back, leads nowhere again", r.stage, p.from))
		}
		t.parties = append(t.parties, p)
	}
	return t
}

// note is what the journal of every host says about the run beyond the link itself.
func (r *run) note() map[string]any {
	scope := "all"
	if r.plan.Subset {
		scope = "subset"
	}
	told := r.fleet.now().UTC().Truncate(time.Millisecond)
	note := map[string]any{"by": r.fleet.Who, "scope": scope, "hosts": r.names(), "told": told}
	if len(r.plan.Stage.AfterLink) > 0 {
		note["after"] = true
	}
	if r.plan.Git != "" {
		note["git"] = r.plan.Git
	}
	return note
}

// settled reports whether there is nothing to do on this host: it is linked to the package, and that this was confirmed is the last that its
// journal says. Where a run was taken back, or died, after_link may have failed for what is linked.
func (m *member) settled() bool {
	stage := m.facts.Stage
	last, some := remote.ParseJournal(stage.Lines).Last()
	return some && last.Event == "confirmed" && last.To == stage.Linked && stage.Linked == m.run.pkg.String()
}

// party is this host's part in the switch.
func (m *member) party() *party {
	stage := m.facts.Stage
	p := &party{name: m.host.Name, from: stage.Linked, agent: m.conn.agent, linked: stage.Linked, known: true, dangling: stage.Linked != "" && !stage.Sealed}
	m.already, p.here = m.settled(), p.from == m.run.pkg.String()
	// What nobody has confirmed is taken back with this run: to what was there before the run that did not come to its end.
	if open, some := remote.ParseJournal(stage.Lines).Open(); some && p.here && open.To == p.from {
		p.from = open.From
	}
	p.key = m.conn.client.AuthKey()
	m.repository = m.locked.HostID
	p.reach = m.reach
	p.again = m.lockAgain
	p.after = func(linked name.Package) remote.Commands { return m.commands(linked, m.run.plan.Stage.AfterLink) }
	p.output = m.output(StepAfterLink)
	p.begin = func(s Step) func(error) error {
		end := m.begin(s)
		return func(err error) error {
			if !end(err) {
				return m.last()
			}
			if (s == StepResolve || s == StepLink) && p.at == isNew { // the answer was lost, the switch was not; or it has happened now
				m.forgive(StepLink)
				m.forgive(StepResolve)
			}
			return nil
		}
	}
	return p
}

// retryEvery is the pause between two attempts to get a lock, or to finish a switch.
const retryEvery = 500 * time.Millisecond

// lockAgain takes the stage's lock in a new conversation. The old agent, if it still lives on the far side of a dead connection, is ended.
func (m *member) lockAgain(ctx context.Context) error {
	for {
		locked, err := m.conn.agent.LockAgain(ctx, m.run.stage, m.run.name, remote.Holder{Who: m.run.fleet.Who, What: string(m.run.plan.Op)}, m.locked)
		if err == nil {
			m.locked = locked
		}
		if !isCode(err, "locked") {
			return err
		}
		if err := m.conn.agent.Evict(ctx, m.run.stage, m.run.name); err != nil {
			return err
		}
		if wait(ctx, retryEvery) != nil {
			return err
		}
	}
}

// wait waits, or returns early with the reason why ctx has ended.
func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
