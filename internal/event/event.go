// Package event is what a run reports: a stream of events, one at a time and in order, and the
// report at its end. It is also the schema of -o json.
package event

import "time"

// Schema is the version of the event stream. Within a version events and members are only ever
// added.
const Schema = 2

// Type is the kind of an event. The list is closed.
type Type string

// The types.
const (
	TypeStart    Type = "start"    // a run begins: Op, Stage, Package, Hosts, Run
	TypeStep     Type = "step"     // a step on a host changes its state: Host, Step, State, and what belongs to that State
	TypeOutput   Type = "output"   // a line of a step's output: Host, Step, Message
	TypeCommand  Type = "command"  // a step runs a command of the inventory: Host, Step, Message is the command; State skipped: it was run before
	TypeProgress Type = "progress" // of a step: Host, Step, and Done and Total bytes of an upload, or as Message what it is doing or waiting for
	TypeNotice   Type = "notice"   // something a user should know: Message, and Host when it is about one
	TypeBarrier  Type = "barrier"  // State done: every host is ready, and Links is what comes next. State refused: nothing is linked
	TypeReport   Type = "report"   // the last event of a run: Report
)

// Op is what a run does. The journal has the same value.
type Op string

// The operations.
const (
	Push     Op = "push"
	Rollback Op = "rollback"
	Relink   Op = "link"
	Promote  Op = "promote" // link what another stage has confirmed
	Sync     Op = "sync"    // bring hosts that lack it to what the stage is linked to
	Check    Op = "check"   // a dry run of what a push does first
	Restart  Op = "restart" // bring what is linked into service again; no link changes
	Prune    Op = "prune"
	Remove   Op = "remove"
)

// State is the state of a step on a host.
type State string

// The states. Unknown is never reported as one of the others.
const (
	Started State = "started"
	Done    State = "done"
	Refused State = "refused" // not done: the step had no effect
	Unknown State = "unknown" // the connection was lost before the host had answered
	Skipped State = "skipped" // of a command: it was run for this package before
)

// Step is one host's part of a phase.
type Step string

// The steps, in the order of a push.
const (
	StepConnect     Step = "connect"
	StepCheck       Step = "check"
	StepLock        Step = "lock"
	StepPackage     Step = "package" // take the package's build lock, and inspect what is installed under its name
	StepUpload      Step = "upload"
	StepUnpack      Step = "unpack"
	StepWheels      Step = "wheels" // make the wheels of the environment on one host of each platform, and send them to the others
	StepEnvironment Step = "environment"
	StepPrepare     Step = "prepare"
	StepVerify      Step = "verify"
	StepSeal        Step = "seal"
	StepVerifyStage Step = "verify stage"
	StepBeforeLink  Step = "before_link"
	StepArm         Step = "arm"
	StepRollCall    Step = "roll call"
	StepLink        Step = "link"
	StepServices    Step = "services"
	StepAfterLink   Step = "after_link"
	StepHealth      Step = "health"
	StepConfirm     Step = "confirm"
	StepRevert      Step = "revert"
	StepResolve     Step = "resolve" // find out the result of a step whose answer was lost
)

// Event is one line of the stream. It is flat: which members are set depends on Type.
type Event struct {
	Type    Type      `json:"type"`
	Seq     int       `json:"seq"` // 1, 2, 3, … without a gap
	Time    time.Time `json:"time"`
	Run     string    `json:"run,omitempty"`
	Op      Op        `json:"op,omitempty"`
	Stage   string    `json:"stage,omitempty"`
	Package string    `json:"package,omitempty"`
	Hosts   []string  `json:"hosts,omitempty"`
	Host    string    `json:"host,omitempty"`
	Step    Step      `json:"step,omitempty"`
	State   State     `json:"state,omitempty"`
	Seconds float64   `json:"seconds,omitempty"` // how long the step took
	Message string    `json:"message,omitempty"`
	Done    int64     `json:"done,omitempty"`
	Total   int64     `json:"total,omitempty"`
	Links   []Change  `json:"links,omitempty"`
	Failure *Failure  `json:"failure,omitempty"`
	Report  *Report   `json:"report,omitempty"`
}

// Change is the change of one host's link.
type Change struct {
	Host string `json:"host"`
	From string `json:"from,omitempty"` // "" for no link
	To   string `json:"to"`
}
