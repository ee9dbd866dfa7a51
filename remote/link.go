package remote

import (
	"context"
	"time"

	"github.com/keep-it-simple/kis/internal/name"
)

// Link is one re-link of a stage by one run.
type Link struct {
	Stage name.Stage
	Run   name.Run // the name the lock was taken with
	Op    string   // push, rollback, link or promote: for the journal
	From  string   // text of the link as it must be now, "" for none
	To    name.Package
	// Dangling says that From leads to no sealed package, and leads nowhere again when the link is taken back.
	Dangling bool
	Note     map[string]any // what else the journal shall say
}

// arguments are what the agent is told of the re-link.
func (l Link) arguments() map[string]any {
	return map[string]any{
		"stage": l.Stage.String(), "run": l.Run.String(), "operation": l.Op, "expected": nullable(l.From), "to": l.To.String(), "dangling": l.Dangling, "note": l.Note,
	}
}

// nullable is how "no link" looks to the agent.
func nullable(link string) any {
	if link == "" {
		return nil
	}
	return link
}

// Arm prepares the link, and does everything that can fail but the rename. Nothing visible changes. The host gives up by itself when no
// word comes within the given time.
func (a *Agent) Arm(ctx context.Context, l Link, within time.Duration) error {
	args := l.arguments()
	args["seconds"] = within.Seconds()
	return a.call(ctx, "arm", args, nil, nil)
}

// Clock is one reading of a host's clock.
type Clock struct {
	Offset time.Duration // host's clock minus ours
	Error  time.Duration // half of the round trip: how wrong Offset can be
}

// Ping asks for a sign of life. It is answered even while a step is in progress.
func (a *Agent) Ping(ctx context.Context) (Clock, error) {
	var result clockAnswer
	sent := time.Now()
	if err := a.call(ctx, "ping", nil, &result, nil); err != nil {
		return Clock{}, err
	}
	trip := time.Since(sent)
	return Clock{Offset: result.at.Sub(sent.Add(trip / 2)), Error: trip / 2}, nil
}

// Switched tells of a rename that has happened.
type Switched struct {
	At      time.Time // by the host's clock
	Durable bool      // false: a power cut may undo it
}

// Commit switches the link. *Refused means that nothing has changed; *Lost that it may have.
func (a *Agent) Commit(ctx context.Context, run name.Run) (Switched, error) {
	return a.relink(ctx, "commit", run)
}

// Revert switches back to what was linked before this run.
func (a *Agent) Revert(ctx context.Context, run name.Run) (Switched, error) {
	return a.relink(ctx, "revert", run)
}

func (a *Agent) relink(ctx context.Context, op string, run name.Run) (Switched, error) {
	var s linkAnswer
	if err := a.call(ctx, op, map[string]any{"run": run.String()}, &s, nil); err != nil {
		return Switched{}, err
	}
	return Switched{At: s.at, Durable: s.Durable}, nil
}

// Resume takes a switch up that another agent has made: one of this run whose connection was lost, or one of a run that died before it
// confirmed. It needs the stage's lock, and the stage to be linked to l.To. When durable is false, a power cut may undo that switch.
func (a *Agent) Resume(ctx context.Context, l Link) (durable bool, err error) {
	var result resumeAnswer
	err = a.call(ctx, "resume", l.arguments(), &result, nil)
	return result.Durable, err
}

// Evict ends the agent that holds the stage's lock, if it belongs to the named run, and waits for its end: up to 15 seconds, of which it is
// asked to give up for 10. Otherwise it does nothing.
func (a *Agent) Evict(ctx context.Context, s name.Stage, run name.Run) error {
	return a.call(ctx, "evict", map[string]any{"stage": s.String(), "run": run.String()}, nil, nil)
}

// Confirm ends a run that has switched, and has the journal say so. *Refused with the code "unwritten" means that the link is as the run has
// made it, and that the journal does not say so.
func (a *Agent) Confirm(ctx context.Context, run name.Run, note map[string]any) error {
	if note == nil {
		note = map[string]any{}
	}
	return a.call(ctx, "confirm", map[string]any{"run": run.String(), "note": note}, nil, nil)
}

// Restarted writes down that the after-link commands have come to their end after Revert: well, or with the link back and the service perhaps
// not. It needs the stage's lock.
func (a *Agent) Restarted(ctx context.Context, s name.Stage, run name.Run, well bool) error {
	return a.call(ctx, "restarted", map[string]any{"stage": s.String(), "run": run.String(), "well": well}, nil, nil)
}

// Abort gives an armed link up. It is no error when nothing is armed.
func (a *Agent) Abort(ctx context.Context) error {
	return a.call(ctx, "abort", nil, nil, nil)
}

// Fenced is what Fence found.
type Fenced struct {
	Fenced  bool   `json:"fenced"`  // the prepared link was still there, and is not any more: the run has not linked
	Linked  string `json:"linked"`  // text of the stage's link, "" for none
	Durable bool   `json:"durable"` // false: a power cut may undo what was linked last
}

// Fence takes a run's prepared link away, so that the run cannot link this stage any more, and reads the link. It is for a new conversation
// about a run whose answer was lost: when Linked is the run's package, the run has linked; otherwise it has not, and never will.
func (a *Agent) Fence(ctx context.Context, s name.Stage, run name.Run) (Fenced, error) {
	var f Fenced
	err := a.call(ctx, "fence", map[string]any{"stage": s.String(), "run": run.String()}, &f, nil)
	return f, err
}
