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
	Note     Note
}

// Note is what the journal's lines of a run contain besides the link. Zero members are left out.
type Note struct {
	By        string      `json:"by,omitempty"`       // user@machine
	Key       string      `json:"key,omitempty"`      // fingerprint of the key that logged in
	Git       string      `json:"git,omitempty"`      // revision
	Scope     string      `json:"scope,omitempty"`    // all, or subset for a run narrowed by --hosts
	Hosts     []string    `json:"hosts,omitempty"`    // the run's hosts
	Requested time.Time   `json:"requested,omitzero"` // when kis requested the switch, by its clock
	After     bool        `json:"after,omitempty"`    // the stage has after-link commands
	Skew      float64     `json:"skew,omitempty"`     // seconds between the first and the last host's switch
	Before    *Checkpoint `json:"before,omitempty"`
}

func (l Link) request() linkRequest {
	return linkRequest{
		runRequest: runRequest{l.Stage, l.Run}, Operation: l.Op, Expected: nullable(l.From), To: l.To, Dangling: l.Dangling, Note: l.Note,
	}
}

// Arm prepares the link, and does everything that can fail but the rename. Nothing visible changes. The host gives up by itself when no
// word comes within the given time.
func (a *Agent) Arm(ctx context.Context, l Link, within time.Duration) error {
	return a.call(ctx, opArm, armRequest{l.request(), seconds(within)}, nil, nil)
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
	if err := a.call(ctx, opPing, nil, &result, nil); err != nil {
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
	return a.relink(ctx, opCommit, run)
}

// Revert switches back to what was linked before this run.
func (a *Agent) Revert(ctx context.Context, run name.Run) (Switched, error) {
	return a.relink(ctx, opRevert, run)
}

func (a *Agent) relink(ctx context.Context, op operation, run name.Run) (Switched, error) {
	var s linkAnswer
	if err := a.call(ctx, op, switchRequest{run}, &s, nil); err != nil {
		return Switched{}, err
	}
	return Switched{At: s.at, Durable: s.Durable}, nil
}

// Resume takes a switch up that another agent has made: one of this run whose connection was lost, or one of a run that died before it
// confirmed. It needs the stage's lock, and the stage to be linked to l.To. When durable is false, a power cut may undo that switch.
func (a *Agent) Resume(ctx context.Context, l Link) (durable bool, err error) {
	var result resumeAnswer
	err = a.call(ctx, opResume, l.request(), &result, nil)
	return result.Durable, err
}

// Evict ends the agent that holds the stage's lock, if it belongs to the named run, and waits for its end: up to 15 seconds, of which it is
// asked to give up for 10. Otherwise it does nothing.
func (a *Agent) Evict(ctx context.Context, s name.Stage, run name.Run) error {
	return a.call(ctx, opEvict, runRequest{s, run}, nil, nil)
}

// Confirm ends a run that has switched, and has the journal say so. *Refused with the code "not-recorded" means that the link is as the run has
// made it, and that the journal does not say so.
func (a *Agent) Confirm(ctx context.Context, run name.Run, note Note) error {
	return a.call(ctx, opConfirm, confirmRequest{switchRequest{run}, note}, nil, nil)
}

// Restarted writes down that the after-link commands have come to their end after Revert: well, or with the link back and the service perhaps
// not. It needs the stage's lock.
func (a *Agent) Restarted(ctx context.Context, s name.Stage, run name.Run, well bool) error {
	return a.call(ctx, opRestarted, restartedRequest{runRequest{s, run}, well}, nil, nil)
}

// Abort gives an armed link up. It is no error when nothing is armed.
func (a *Agent) Abort(ctx context.Context) error {
	return a.call(ctx, opAbort, nil, nil, nil)
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
	err := a.call(ctx, opFence, runRequest{s, run}, &f, nil)
	return f, err
}
