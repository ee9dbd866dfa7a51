package remote

import (
	"context"
	"time"

	"github.com/keep-it-simple/kis/internal/name"
)

// Link is one switch of a stage by one run.
type Link struct {
	Stage name.Stage
	Run   name.Run // that holds the lock
	Op    string   // push, rollback or link: for the journal
	From  string   // the expected target of the link, "" for none
	To    name.Package
	// Dangling says that From is no sealed package: a rollback restores a dangling link.
	Dangling bool
	Note     Note
}

// Note is what the journal's lines of a run contain besides the link. Zero members are omitted.
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

// Arm prepares the link, and does everything that can fail except the rename. Nothing visible
// changes. The host abandons the prepared link when no commit arrives in time.
func (a *Agent) Arm(ctx context.Context, l Link, within time.Duration) error {
	return a.call(ctx, opArm, armRequest{l.request(), seconds(within)}, nil, nil)
}

// Clock is one reading of a host's clock.
type Clock struct {
	Offset time.Duration // host's clock minus ours
	Error  time.Duration // half of the round trip: how wrong Offset can be
}

// Ping measures the clock of a host that answers. It works during a step, too.
func (a *Agent) Ping(ctx context.Context) (Clock, error) {
	var result clockAnswer
	sent := time.Now()
	if err := a.call(ctx, opPing, nil, &result, nil); err != nil {
		return Clock{}, err
	}
	trip := time.Since(sent)
	return Clock{Offset: result.at.Sub(sent.Add(trip / 2)), Error: trip / 2}, nil
}

// Switched describes a rename that has happened.
type Switched struct {
	At      time.Time // by the host's clock
	Durable bool      // false: fsync failed, and a power loss may undo it
}

// Commit switches the link. After *Refused nothing has changed; after *Lost it may have.
func (a *Agent) Commit(ctx context.Context, run name.Run) (Switched, error) {
	return a.relink(ctx, opCommit, run)
}

// Revert rolls back to the link before this run.
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

// Resume takes over a switch of another agent: of this run after its connection was lost, or of a
// run that died before it confirmed. It needs the stage's lock, and the link must be at l.To. When
// durable is false, a power loss may undo the switch.
func (a *Agent) Resume(ctx context.Context, l Link) (durable bool, err error) {
	var result resumeAnswer
	err = a.call(ctx, opResume, l.request(), &result, nil)
	return result.Durable, err
}

// Evict terminates the agent that holds the stage's lock, if it belongs to the named run, and waits
// up to 15 seconds for its end. Otherwise it does nothing.
func (a *Agent) Evict(ctx context.Context, s name.Stage, run name.Run) error {
	return a.call(ctx, opEvict, runRequest{s, run}, nil, nil)
}

// Confirm completes a run that has switched, and records that in the journal. *Refused with
// CodeNotRecorded means that the link is right and that the journal could not be written.
func (a *Agent) Confirm(ctx context.Context, run name.Run, note Note) error {
	return a.call(ctx, opConfirm, confirmRequest{switchRequest{run}, note}, nil, nil)
}

// Restarted records that the after-link commands have completed after Revert, with or without
// success. It needs the stage's lock.
func (a *Agent) Restarted(ctx context.Context, s name.Stage, run name.Run, succeeded bool) error {
	return a.call(ctx, opRestarted, restartedRequest{runRequest{s, run}, succeeded}, nil, nil)
}

// Abort abandons an armed link. It is no error when nothing is armed.
func (a *Agent) Abort(ctx context.Context) error {
	return a.call(ctx, opAbort, nil, nil, nil)
}

// Fenced is the result of Fence.
type Fenced struct {
	Fenced  bool   `json:"fenced"`  // the prepared link existed and was removed: the run has not linked
	Linked  string `json:"linked"`  // target of the stage's link, "" for none
	Durable bool   `json:"durable"` // false: a power loss may undo the newest switch
}

// Fence removes a run's prepared link, so that the run cannot link this stage any more, and reads
// the link. It is called in a new session for a run whose answer was lost: if Linked is the run's
// package, the run has linked; otherwise it has not, and never will.
func (a *Agent) Fence(ctx context.Context, s name.Stage, run name.Run) (Fenced, error) {
	var f Fenced
	err := a.call(ctx, opFence, runRequest{s, run}, &f, nil)
	return f, err
}
