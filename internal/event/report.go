package event

import (
	"errors"
	"strings"

	"github.com/keep-it-simple/kis/internal/guard"
	"github.com/keep-it-simple/kis/inventory"
	"github.com/keep-it-simple/kis/remote"
)

// Outcome is how a run ended. Each promises something about every targeted host.
type Outcome string

// The outcomes.
const (
	Succeeded   Outcome = "done"        // every host is verified on what was asked, or already was
	Aborted     Outcome = "aborted"     // before link: every stage link is unchanged
	RolledBack  Outcome = "rolled back" // failed at or after link: every host is verified on its previous package
	Split       Outcome = "split"       // hosts differ, or some are unknown
	Locked      Outcome = "locked"      // another run holds the lock: nothing has changed
	Interrupted Outcome = "interrupted" // by the user, before link: every stage link is unchanged
)

// ExitBug is the exit status for a bug of kis. It promises nothing; the report about the hosts is
// true nevertheless.
const ExitBug = 1

// Exit is the exit status that promises the outcome. For a run it is decided here and in Report.SetExit; a bug after
// that, and a second interrupt, are for the program.
func (o Outcome) Exit() int {
	switch o {
	case Succeeded:
		return 0
	case Aborted:
		return 3
	case RolledBack:
		return 4
	case Split:
		return 5
	case Locked:
		return 6
	case Interrupted:
		return 130
	}
	return ExitBug
}

// SetExit decides the exit status. A bug may have had effects that kis did not notice, so that it
// makes no promise about the run, whatever the state of the hosts.
func (r *Report) SetExit(bugs []Bug) {
	r.Bugs, r.Exit = bugs, r.Outcome.Exit()
	if len(bugs) > 0 {
		r.Exit = ExitBug
	}
}

// Report is the state of the hosts at the end of a run.
type Report struct {
	Outcome Outcome `json:"outcome"`
	Exit    int     `json:"exit"` // exit status of kis
	Op      Op      `json:"op"`
	Stage   string  `json:"stage"`
	Package string  `json:"package,omitempty"`
	Run     string  `json:"run"`
	Subset  bool    `json:"subset,omitempty"` // Hosts are not all hosts of the stage
	NoLink  bool    `json:"no_link,omitempty"`
	DryRun  bool    `json:"dry_run,omitempty"`
	// BeforeLink: a push to the stage runs before_link commands, which kis link does not.
	BeforeLink bool         `json:"before_link,omitempty"`
	From       string       `json:"from,omitempty"`       // the only stage whose packages this one takes
	UpToDate   bool         `json:"up_to_date,omitempty"` // every host was linked and confirmed before the run: nothing was done
	Hosts      []HostReport `json:"hosts"`
	// OnPartial is the inventory's action for a switch that did not happen everywhere; "" before
	// the barrier.
	OnPartial inventory.OnPartial `json:"on_partial,omitempty"`
	Failures  []Failure           `json:"failures,omitempty"`
	Seconds   float64             `json:"seconds"`
	Phases    []Phase             `json:"phases,omitempty"`
	Skew      *Skew               `json:"skew,omitempty"` // of the switch
	Bugs      []Bug               `json:"bugs,omitempty"` // of kis: Exit is 1
}

// Bug is a panic of kis.
type Bug struct {
	Host    string `json:"host,omitempty"` // the host that was handled, "" for none
	Message string `json:"message"`
	Stack   string `json:"stack"` // of the goroutine that panicked
}

// The codes of failures that kis itself finds, besides those of hosts.
const (
	CodeDiffers         remote.Code = "differs" // a package is not the same on two hosts
	CodeNoWheels        remote.Code = "no-wheels"
	CodeNoTarget        remote.Code = "no-target"
	CodeNoVariable      remote.Code = "no-variable" // of the inventory, for a health check
	CodeOtherProject    remote.Code = "other-project"
	CodeOtherRepository remote.Code = "other-repository" // than before, at the same path
	CodePanic           remote.Code = "panic"            // a bug of kis
	CodeSameRepository  remote.Code = "same-repository"  // under two names
)

// Bug returns the bug that a failure with CodePanic reports.
func (f *Failure) Bug() (bug Bug, ok bool) {
	p, ok := errors.AsType[*guard.Panic](f.err)
	if ok {
		bug = Bug{Host: f.Host, Message: p.Error(), Stack: p.Stack}
	}
	return bug, ok
}

// Bugs are the bugs among failures.
func Bugs(failures []Failure) []Bug {
	var found []Bug
	for _, f := range failures {
		if bug, ok := f.Bug(); ok {
			found = append(found, bug)
		}
	}
	return found
}

// Phase is how long a part of the run took.
type Phase struct {
	Name    string  `json:"name"`
	Seconds float64 `json:"seconds"`
}

// Skew is the time between the first and the last host's switch.
type Skew struct {
	Seconds float64 `json:"seconds"`
	Error   float64 `json:"error"` // of Seconds, from the comparison of the clocks
}

// HostReport is the state of one host at the end of a run.
type HostReport struct {
	Host       string  `json:"host"`
	Was        string  `json:"was,omitempty"`         // text of the stage's link when the run began
	RollbackTo string  `json:"rollback_to,omitempty"` // what a rollback links, "" for no link: Was, or the link before an interrupted run
	Linked     string  `json:"linked,omitempty"`      // text of the link now, as the host reported it last; "" for none
	LinkKnown  bool    `json:"link_known"`            // false: what is linked is unknown, and Linked means nothing
	Degraded   bool    `json:"degraded,omitempty"`    // the link was rolled back, but the previous package did not come back into service
	Restarted  bool    `json:"restarted,omitempty"`   // by a run that changes no link
	Ready      bool    `json:"ready,omitempty"`       // the package is sealed and verified on this host
	Plan       string  `json:"plan,omitempty"`        // dry run: what would be done
	Seconds    float64 `json:"seconds"`               // spent in steps

	// Pruned is what was removed after the push, and why not more. A failure of it fails no push.
	Pruned *Cleanup `json:"pruned,omitempty"`
}

// Failure is a step that was not done on one host.
type Failure struct {
	Host    string      `json:"host"`
	Step    Step        `json:"step"`
	State   State       `json:"state"` // Refused or Unknown
	Code    remote.Code `json:"code,omitempty"`
	Message string      `json:"message"`
	Hint    string      `json:"hint,omitempty"`
	Cause   string      `json:"cause,omitempty"` // the line of the output that says why, where kis recognizes it
	Tail    []string    `json:"tail,omitempty"`  // last lines of output, oldest first

	// Answered: the host itself refused. It is reachable, and will refuse until something is
	// changed.
	Answered bool `json:"-"`
	// Here: the cause is on this machine, such as a name that does not resolve. Waiting for the host
	// does not help.
	Here bool `json:"-"`

	err error // see Unwrap
}

// Unwrap returns the error that the failure reports, so that callers can examine the cause.
func (f *Failure) Unwrap() error { return f.err }

// Error returns `host: step: message: cause`.
func (f *Failure) Error() string {
	return f.Host + ": " + string(f.Step) + ": " + f.Text()
}

// Text is the message and, where it is known, the cause.
func (f *Failure) Text() string {
	if f.Cause == "" || strings.Contains(f.Message, f.Cause) {
		return f.Message
	}
	return f.Message + ": " + f.Cause
}
