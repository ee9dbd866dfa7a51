// Package fleet carries a plan out on many hosts: everything that can go wrong happens on every host first, then comes the barrier, and only
// then are the links switched, on all hosts at the same moment.
//
// It emits one serial stream of events and ends with a report that says what is true now. It prints nothing, reads no flags, and knows
// nothing of how a host's package repository works inside (package remote) or how a host is reached (package sshx).
package fleet

import (
	"context"
	"time"

	"github.com/keep-it-simple/kis/internal/name"
	"github.com/keep-it-simple/kis/internal/sdist"
	"github.com/keep-it-simple/kis/inventory"
	"github.com/keep-it-simple/kis/remote"
	"github.com/keep-it-simple/kis/sshx"
)

// Fleet is how hosts are reached and how long they are waited for. The zero value of a duration or number stands for its default.
type Fleet struct {
	Resolver sshx.Resolver
	Dialer   *sshx.Dialer  // closed by the caller
	Dir      string        // where relative paths of the inventory start
	Forks    int           // hosts that prepare at the same time; default 64
	Timeout  time.Duration // for each step of a preparation and each command; default 15 min
	LockWait time.Duration // how long another run's lock is waited for; zero: not at all
	Emit     func(Event)   // gets every event, one at a time, in order; must not call back into the fleet
	// Recorded reports whether all that was emitted so far is written down for good. It is asked once, before any host is told to link; an
	// error ends the run there. Nil: nobody keeps a record.
	Recorded func() error
	Who      string           // user@machine, for locks and journals
	Now      func() time.Time // default time.Now
	// Ask puts a yes-or-no question to a person before a stage with confirm: is linked. Nil: there is nobody, and the answer is yes.
	Ask func(ctx context.Context, question string) bool
	// AskKeys asks a person, once, whether these unknown keys are those of these hosts; yes makes them known. Nil: there is nobody, and the
	// hosts are refused.
	AskKeys func(ctx context.Context, keys []*sshx.HostKeyError) bool
	// Interrupts returns a channel that is closed when the person interrupts the next time. It ends after-link commands, which nothing else
	// does before Timeout; the switch is taken back then. Nil: nobody can.
	Interrupts func() <-chan struct{}

	patience patience // zero: the ordinary one
	// simulate takes the place of dial where hosts are simulated.
	simulate func(context.Context, inventory.Host) (connection, remote.Streams, error)
	targets  map[string]sshx.Target // by host, once Ready has found them
}

// Op is what a run does; it is also the word in the journal.
type Op string

// The operations.
const (
	Push     Op = "push"
	Rollback Op = "rollback"
	Relink   Op = "link"
	Check    Op = "check" // look only, as a push would first
)

// Plan is what a run shall do. It is a value; nothing in it changes while it is carried out.
type Plan struct {
	Op     Op
	Stage  inventory.Stage
	Hosts  []inventory.Host
	Subset bool // Hosts are not all hosts of the stage

	Archive *sdist.Archive // Push: what to install
	Recipe  Recipe         // Push: how
	Git     string         // Push: revision the archive was built from, where known

	Target name.Package // Relink: what to link. Rollback: likewise, or zero for the package before

	NoLink bool // stop at the barrier, with everything prepared
	DryRun bool // look, and say what would be done
}

const (
	defaultForks   = 64
	defaultTimeout = 15 * time.Minute
	quickly        = 30 * time.Second // for steps that only look at something or write a line
)

func (f *Fleet) forks() int {
	if f.Forks > 0 {
		return f.Forks
	}
	return defaultForks
}

func (f *Fleet) timeout() time.Duration {
	if f.Timeout > 0 {
		return f.Timeout
	}
	return defaultTimeout
}

func (f *Fleet) now() time.Time {
	if f.Now != nil {
		return f.Now()
	}
	return time.Now()
}

// Run carries a plan out and reports. When ctx ends before the links are switched, the run aborts with nothing changed; after that it has no
// effect, because a fleet must not be left split: the run finishes or takes the switch back. Every conversation is closed at the end.
func (f *Fleet) Run(ctx context.Context, p Plan) Report {
	r := newRun(f, p)
	r.emitStart()
	report := r.carryOut(ctx)
	r.close()
	r.emit(Event{Type: TypeReport, Report: &report})
	return report
}
