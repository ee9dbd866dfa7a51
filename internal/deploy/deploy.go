// Package deploy executes a plan on many hosts: everything that can fail happens on every host
// first, then comes the barrier, and only then are the links switched, on all hosts at the same
// time.
//
// It emits one serial stream of events and ends with a report of the state of the hosts. It prints
// nothing, reads no flags, and does not know how a package repository works (package remote) or how
// a host is reached (package fleet).
package deploy

import (
	"cmp"
	"context"
	"sync"
	"time"

	"github.com/keep-it-simple/kis/internal/event"
	"github.com/keep-it-simple/kis/internal/fleet"
	"github.com/keep-it-simple/kis/internal/name"
	"github.com/keep-it-simple/kis/internal/sdist"
	"github.com/keep-it-simple/kis/internal/timeouts"
	"github.com/keep-it-simple/kis/inventory"
)

// Deployer executes plans. The zero value of a duration stands for its default.
type Deployer struct {
	Fleet    *fleet.Fleet
	Timeout  time.Duration     // for each step of a preparation and each command; default 15 min
	LockWait time.Duration     // maximum wait for another run's lock; zero: do not wait
	Emit     func(event.Event) // gets every event, one at a time, in order; must not call back
	// Recorded returns an error unless all events so far are on stable storage. It is called once,
	// before any host is sent a commit; an error ends the run there. Nil: there is no record.
	Recorded func() error
	Who      string // user@machine, for locks and journals
	// Ask asks the user a yes-or-no question before a stage with confirm: is linked. Nil: no user
	// can be asked, and the answer is yes.
	Ask func(ctx context.Context, question string) bool
	// Interrupts returns a channel that is closed at the user's next interrupt. That ends
	// after_link commands before Timeout does, and the switch is rolled back. Nil: there are no
	// interrupts.
	Interrupts func() <-chan struct{}
}

// Plan is what a run does. It is a value: nothing in it changes during the run.
type Plan struct {
	Op     event.Op
	Stage  inventory.Stage
	Hosts  []inventory.Host
	Subset bool // Hosts are not all hosts of the stage

	// Push, and Check of whether a push could succeed:
	Archive *sdist.Archive // what to install
	Recipe  Recipe         // how
	// Wheel returns the application's wheel, built on this machine, for a package in the directory of a host.
	// It may be called concurrently. say takes sentences for the user. Nil, or an error: hosts build it.
	Wheel func(ctx context.Context, dir string, say func(string)) (*Wheel, error)
	// BuildWheel builds what Wheel returns. It runs while kis connects to the hosts. Nil: hosts probably have
	// the package, and the first call of Wheel builds it.
	BuildWheel func(ctx context.Context, say func(string))
	Upgrade    bool                // resolve requirements anew, although the wheels of an earlier package would do
	Verify     []inventory.Command // commands that verify the package, once on each host
	Keep       int                 // packages that each stage keeps when it has succeeded; 0: all
	Git        string              // revision the archive was built from, "" if unknown

	// Target is what is linked. Push: zero for the package of the archive. Rollback: zero for the
	// previous package.
	Target name.Package

	From Source // of a promotion

	Replaces name.Project // the stage may be linked to a package of this other project

	NoLink bool // stop at the barrier, with everything prepared
	DryRun bool // check, and report what would be done
}

// Source is the stage whose package a promotion links.
type Source struct {
	Stage name.Stage
	Hosts []inventory.Host // all of them
}

// Develop names the package of a push by its git revision and by everything that shapes it, so that a
// version that is still being developed can be pushed again with other content.
func (p *Plan) Develop() error {
	target, err := p.Archive.Package.Dev(p.Git, sha256Text(p.Archive.Content+p.Recipe.Digest))
	p.Target = target
	return err
}

func (d *Deployer) timeout() time.Duration { return cmp.Or(d.Timeout, 15*time.Minute) }

func (d *Deployer) timeouts() timeouts.Timeouts { return d.Fleet.Timeouts.OrDefault() }

// Run executes a plan and reports. When ctx ends before the links are switched, the run aborts with
// nothing changed. After that the end of ctx has no effect, because hosts must not be left half
// switched: the run completes or rolls back. Run closes every session.
func (d *Deployer) Run(ctx context.Context, p Plan) event.Report {
	r := newRun(d, p)
	closeAll := sync.OnceFunc(r.close)
	defer closeAll()
	r.emitStart()
	report := r.report(r.outcome(ctx))
	closeAll()
	report.SetExit(r.stream.Bugs())
	emitted := report
	r.stream.Emit(event.Event{Type: event.TypeReport, Report: &emitted})
	report.SetExit(r.stream.Bugs()) // a receiver of that may have panicked
	return report
}
