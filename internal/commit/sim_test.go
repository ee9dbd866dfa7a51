package commit_test

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/deploy"
	"github.com/keep-it-simple/kis/internal/event"
	"github.com/keep-it-simple/kis/internal/fleet"
	"github.com/keep-it-simple/kis/internal/name"
	"github.com/keep-it-simple/kis/inventory"
)

// The simulation carries real runs out, from the connection to the report, against simulated hosts:
// everything on this side of the wire is what a push uses. Up to three runs meet on the same hosts.
// What the network, the hosts, their users and the laptops do to each message is read from tapes,
// one byte a decision, 0 meaning that all goes well; so a schedule is a value that can be printed,
// run again and made shorter. Time is fake. After each schedule the first run's command is given
// once more, and has to succeed.

// How many schedules are tried, and which. A failing one is printed. The seed is fixed, so that every change is judged
// by the same schedules; make test-recovery draws others.
//
//nolint:gochecknoglobals // flags of the test binary
var (
	simSeed = flag.Uint64("sim.seed", 11934005387025379887, "seed of the simulation; 0 takes a new one")
	simMany = flag.Int("sim.schedules", simDefault, "schedules of the simulation")
)

// maxLost is how many lost answers of one host kis puts up with.
const maxLost = 3

// simShares is how many parts the schedules are in: they run beside each other.
const simShares = 4

// simSchedule is one thing to try.
type simSchedule struct {
	Links   []string // what is linked on each host at first
	Runs    []simRun
	Partial inventory.OnPartial
}

// simRun is one run of a schedule.
type simRun struct {
	Start  time.Duration
	Wait   time.Duration // for locks
	To     string
	Op     event.Op
	Hosts  []int
	After  bool // the stage has after-link commands
	Batch  int  // how many hosts run them at a time; 0: all
	Tapes  []simBytes
	name   string
	laptop *simLaptop
	report event.Report
}

// simBytes is printed as the positions that are not zero.
type simBytes []byte

func (b simBytes) String() string {
	var parts []string
	for i, v := range b {
		if v != 0 {
			parts = append(parts, fmt.Sprintf("%d:%d", i, v))
		}
	}
	return "{" + strings.Join(parts, ", ") + "}"
}

// String is the schedule, for the reader of a failure.
func (s simSchedule) String() string {
	text := fmt.Sprintf("links %q, on_partial %s", s.Links, s.Partial)
	for i, r := range s.Runs {
		text += fmt.Sprintf("\n  run %d: after %v, %s to %s on %v, waits %v, after_link %v, batch %d, tapes %v", i, r.Start, r.Op, r.To, r.Hosts, r.Wait, r.After, r.Batch, r.Tapes)
	}
	return text
}

// simWorld is a schedule being carried out.
type simWorld struct {
	t       *testing.T
	mu      sync.Mutex
	hosts   []*simHost
	byName  map[string]*simHost
	runs    []*simRun
	partial inventory.OnPartial
}

func newSimWorld(t *testing.T, s simSchedule) *simWorld {
	w := &simWorld{t: t, byName: map[string]*simHost{}, partial: s.Partial}
	for i, link := range s.Links {
		h := newSimHost(&w.mu, i, link, "app-0", "app-1", "app-2", "app-9")
		if link != "" {
			note := map[string]any{"run": "earlier0", "op": "push", "from": nil, "to": link}
			for _, event := range []string{"armed", "linked", "confirmed"} {
				h.append(with(note, "ev", event))
			}
		}
		w.hosts = append(w.hosts, h)
		w.byName[h.name] = h
	}
	return w
}

// carryOut is one run from its beginning to its report.
func (w *simWorld) carryOut(ctx context.Context, r *simRun, nth int) {
	w.t.Helper()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	r.laptop = &simLaptop{nth: nth, hosts: w.byName, tapes: map[string]*simTape{}, ticks: map[string]int{}, lost: map[string]int{}, worse: map[string]bool{}, stop: stop}
	for i, h := range w.hosts {
		tape := &simTape{}
		if i < len(r.Tapes) {
			tape.bytes = r.Tapes[i]
		}
		r.laptop.tapes[h.name] = tape
	}
	d := &deploy.Deployer{Fleet: &fleet.Fleet{Dial: r.laptop.dial}, Who: fmt.Sprintf("user%d@laptop", nth), LockWait: r.Wait}
	d.Emit = func(e event.Event) {
		r.name = e.Run
		if e.Type == event.TypeReport {
			r.report, r.laptop.ended = *e.Report, time.Now()
		}
	}
	r.report = d.Run(ctx, w.plan(r))
}

func (w *simWorld) plan(r *simRun) deploy.Plan {
	to, err := name.ParsePackage(r.To)
	require.NoError(w.t, err)
	stage, err := name.ParseStage(simStage)
	require.NoError(w.t, err)
	p := deploy.Plan{Op: r.Op, Target: to, Stage: inventory.Stage{Name: stage, OnPartial: w.partial}, Subset: len(r.Hosts) < len(w.hosts)}
	if r.After {
		p.Stage.AfterLink = []inventory.Command{{Run: "restart"}}
		p.Stage.Batch = batchOf(w.t, r.Batch)
	}
	for _, i := range r.Hosts {
		h := w.hosts[i]
		p.Hosts = append(p.Hosts, inventory.Host{Name: h.name, Root: h.root})
	}
	return p
}

// batchOf is a batch of that many hosts, as an inventory writes it.
func batchOf(t *testing.T, hosts int) inventory.Batch {
	t.Helper()
	text := "all"
	if hosts > 0 {
		text = fmt.Sprint(hosts)
	}
	inv, err := inventory.Parse("inventory.yaml", []byte("stages: {s: {hosts: [a], rollout: {batch: "+text+"}}}"), nil)
	require.NoError(t, err)
	stage, err := inv.Stage("s")
	require.NoError(t, err)
	return stage.Batch
}

// simulate carries a schedule out. It returns what is wrong, "" for nothing, and how the first run
// ended.
func simulate(t *testing.T, s simSchedule) (outcomes []event.Outcome, wrong string) {
	synctest.Test(t, func(t *testing.T) {
		w := newSimWorld(t, s)
		var all sync.WaitGroup
		for _, r := range s.Runs {
			w.runs = append(w.runs, &r)
		}
		for i, r := range w.runs {
			all.Go(func() {
				if fleet.Wait(t.Context(), r.Start) == nil {
					w.carryOut(t.Context(), r, i)
				}
			})
		}
		all.Wait()
		require.NoError(t, fleet.Wait(t.Context(), 5*time.Minute)) // what was still on its way arrives, leases end, hosts are up again
		for _, h := range w.hosts {                                // what has happened there happened before it is judged, also for the race detector
			h.mu.Lock()
			h.mu.Unlock() //nolint:staticcheck // nothing is done in between
		}
		for _, r := range w.runs {
			if r.laptop.dead {
				outcomes = append(outcomes, "killed")
			} else {
				outcomes = append(outcomes, r.report.Outcome)
			}
		}
		if wrong = w.judge(); wrong == "" {
			wrong = w.again()
		}
	})
	return outcomes, wrong
}

// again gives the first run's command once more, without faults.
func (w *simWorld) again() string {
	w.mu.Lock()
	for _, h := range w.hosts {
		h.quiet, h.down, h.mounted = true, false, true
	}
	w.mu.Unlock()
	first := w.runs[0]
	r := &simRun{To: first.To, Op: first.Op, Hosts: first.Hosts, After: first.After, Batch: first.Batch}
	w.carryOut(w.t.Context(), r, len(w.runs))
	if r.report.Outcome != event.Succeeded {
		return fmt.Sprintf("the same command again: %s: %v", r.report.Outcome, r.report.Failures)
	}
	for _, i := range r.Hosts {
		if h := w.hosts[i]; h.link != r.To {
			return fmt.Sprintf("the same command again succeeded, and %s is linked to %s", h.name, h.link)
		}
	}
	require.NoError(w.t, fleet.Wait(w.t.Context(), 2*time.Minute))
	return ""
}

// judge holds what each run has reported against what has happened on the hosts.
func (w *simWorld) judge() string {
	for i, r := range w.runs {
		for _, n := range r.Hosts {
			if wrong := w.judgeTerritory(r, w.hosts[n]); wrong != "" {
				return fmt.Sprintf("run %d (%s) on %s: %s\n%s", i, r.report.Outcome, w.hosts[n].name, wrong, w.story(w.hosts[n]))
			}
			if r.laptop.dead {
				continue
			}
			if wrong := w.judgeHost(r, w.hosts[n]); wrong != "" {
				return fmt.Sprintf("run %d (%s) on %s: %s\n%s", i, r.report.Outcome, w.hosts[n].name, wrong, w.story(w.hosts[n]))
			}
		}
		if r.laptop.dead {
			continue
		}
		if wrong := w.judgeBatches(r); wrong != "" {
			return fmt.Sprintf("run %d (%s): %s\n%s", i, r.report.Outcome, wrong, w.story(w.hosts[r.Hosts[0]]))
		}
		if r.report.Outcome == event.Succeeded && len(r.report.Failures) > 0 {
			return fmt.Sprintf("run %d succeeded with failures: %v", i, r.report.Failures)
		}
		if r.report.Outcome == event.Split && w.partial == inventory.PartialBack && !w.excused(r) {
			return fmt.Sprintf("run %d: split, although every host could have been put right: %v\n%s", i, r.report.Failures, w.story(w.hosts[r.Hosts[0]]))
		}
		if r.report.Outcome == event.RolledBack && w.partial != inventory.PartialBack && w.partial != "" {
			return fmt.Sprintf("run %d rolled back, although the inventory does not want it", i)
		}
	}
	return ""
}

// excused reports whether something has happened to a run after which no run could have restored
// every host: to its own messages, or because another run was at work on one of its hosts after it.
func (w *simWorld) excused(r *simRun) bool {
	for _, n := range r.Hosts {
		h := w.hosts[n]
		if r.laptop.worse[h.name] || r.laptop.lost[h.name] >= maxLost {
			return true
		}
		for _, other := range w.runs {
			if other != r && other.laptop != nil && (other.laptop.worse[h.name] || slices.ContainsFunc(h.history, func(e simEvent) bool { return e.run == other.name && e.what == "locked" })) {
				return true
			}
		}
	}
	return false
}

// story is what has happened on a host, for the reader of a failure.
func (w *simWorld) story(h *simHost) string {
	var b strings.Builder
	for _, e := range h.history {
		who := "?"
		for i, r := range w.runs {
			if r.name == e.run {
				who = fmt.Sprintf("run %d", i)
			}
		}
		fmt.Fprintf(&b, "  %v %s %s %s lock=%v\n", e.at.Sub(h.history[0].at), who, e.what, e.link, e.mine)
	}
	for i, r := range w.runs {
		fmt.Fprintf(&b, "  run %d %s: %s, ended %v, failures %v\n", i, r.name, r.report.Outcome, r.laptop.ended.Sub(h.history[0].at), r.report.Failures)
	}
	return b.String()
}

// judgeTerritory: a run acts on a host only while it holds the lock there, and changes nothing of
// what another run has done since.
func (w *simWorld) judgeTerritory(r *simRun, h *simHost) string {
	others := false // another run has had the lock since this one
	for _, e := range h.history {
		switch {
		case e.what == "locked":
			others = e.run != r.name
		case e.run != r.name:
		case e.what == "started" && others:
			return fmt.Sprintf("its commands ran in another run's territory, in %s", e.link)
		case e.what == "started" && !e.mine:
			return fmt.Sprintf("its commands ran without the lock, in %s", e.link)
		case (e.what == "linked" || e.what == "reverted" || e.what == "confirmed") && (others || !e.mine):
			return e.what + " without the lock"
		}
	}
	return ""
}

// judgeHost holds one run's report against one host.
func (w *simWorld) judgeHost(r *simRun, h *simHost) string {
	mine := func(e simEvent) bool { return e.run == r.name }
	linked := func(e simEvent) bool { return mine(e) && e.what == "linked" }
	touched := slices.ContainsFunc(h.history, linked)
	for _, e := range h.history {
		late := mine(e) && e.at.After(r.laptop.ended) && r.report.Outcome != event.Split
		// A command whose answer was lost may still be on its way. The report says that its result is
		// not known.
		unanswered := e.what == "started" && w.unanswered(r, h)
		if late && !unanswered && (e.what == "linked" || e.what == "reverted" || e.what == "started") {
			return fmt.Sprintf("%s after its report", e.what)
		}
	}
	if wrong := w.judgeTable(r, h); wrong != "" {
		return wrong
	}
	switch r.report.Outcome {
	case event.Succeeded:
		if w.linkAt(h, w.lastRead(r, h)) != r.To {
			return "succeeded, and not linked"
		}
		if touched && !slices.ContainsFunc(h.history, func(e simEvent) bool { return mine(e) && e.what == "confirmed" }) && !r.laptop.worse[h.name] {
			return "succeeded, and not confirmed"
		}
		return w.judgeAfter(r, h, r.To, false)
	case event.Aborted, event.Interrupted, event.Locked:
		if touched {
			return "it has linked"
		}
	case event.RolledBack:
		back := w.back(r, h)
		if w.linkAt(h, w.lastRead(r, h)) != back {
			return "rolled back, and not linked to " + back
		}
		// A user who links the previous package outside kis does what the rollback would have done, and
		// leaves no trace in the journal.
		restored := func(e simEvent) bool { return mine(e) && e.what == "reverted" || e.what == "foreign" && e.link == back }
		if touched && !slices.ContainsFunc(h.history, restored) {
			return "rolled back, and it was another run that has linked what is linked"
		}
		if touched {
			return w.judgeAfter(r, h, back, w.reported(r, h).Degraded)
		}
	}
	return ""
}

// judgeBatches: no host begins to run commands in the new package while as many others as a batch has
// have begun and not come to a good end.
func (w *simWorld) judgeBatches(r *simRun) string {
	if r.Batch == 0 {
		return ""
	}
	begun, ended := map[*simHost]time.Time{}, map[*simHost]time.Time{}
	for _, n := range r.Hosts {
		h := w.hosts[n]
		if w.back(r, h) == r.To {
			continue // what restores looks like what completes
		}
		for _, e := range h.history {
			_, twice := begun[h]
			switch {
			case e.run != r.name || e.link != r.To:
			case e.what == "started" && !twice:
				begun[h] = e.at
			case e.what == "ran":
				ended[h] = e.at
			}
		}
	}
	for h, at := range begun {
		open := 0
		for other, since := range begun {
			until, ok := ended[other]
			if other != h && !since.After(at) && (!ok || until.After(at)) {
				open++
			}
		}
		if open >= r.Batch {
			return fmt.Sprintf("%s began while %d others had not come to a good end, in batches of %d", h.name, open, r.Batch)
		}
	}
	return ""
}

// judgeAfter: the last after-link commands that a run has run on a host were for what it has left
// linked there, and came to a good end.
func (w *simWorld) judgeAfter(r *simRun, h *simHost, link string, degraded bool) string {
	var last simEvent
	for _, e := range h.history {
		if e.run == r.name && (e.what == "ran" || e.what == "failed" || e.what == "started") {
			last = e
		}
	}
	if last.what == "" || link == "" || degraded {
		return "" // nothing ran, or nothing is claimed
	}
	if last.what != "ran" || last.link != link {
		return fmt.Sprintf("its commands last %s in %s, and it leaves %s", last.what, last.link, link)
	}
	return ""
}

func (w *simWorld) reported(r *simRun, h *simHost) event.HostReport {
	i := slices.IndexFunc(r.report.Hosts, func(row event.HostReport) bool { return row.Host == h.name })
	return r.report.Hosts[i]
}

// unanswered reports whether the run's report says of a host that the result of its after_link
// commands is not known.
func (w *simWorld) unanswered(r *simRun, h *simHost) bool {
	return slices.ContainsFunc(r.report.Failures, func(f event.Failure) bool {
		return f.Host == h.name && f.Step == event.StepAfterLink && f.State == event.Unknown
	})
}

// back is where a rollback of the run leads: what was linked before it, or before an interrupted
// run that it has taken up.
func (w *simWorld) back(r *simRun, h *simHost) string { return w.reported(r, h).RollbackTo }

// judgeTable: what the report says is linked was linked when the host said so last, or since.
func (w *simWorld) judgeTable(r *simRun, h *simHost) string {
	row := w.reported(r, h)
	if !row.LinkKnown {
		return ""
	}
	since := w.lastRead(r, h)
	if row.Linked == w.linkAt(h, since) {
		return ""
	}
	for _, e := range h.history {
		if e.at.After(since) && !e.at.After(r.laptop.ended) && e.link == row.Linked && (e.what == "linked" || e.what == "reverted" || e.what == "foreign") {
			return ""
		}
	}
	return fmt.Sprintf("it is said to be linked to %q, and the host said %q last", row.Linked, w.linkAt(h, since))
}

// lastRead is when the newest answer was made that has arrived at this run's laptop while somebody waited for it: a run that is
// interrupted before the switch waits for none.
func (w *simWorld) lastRead(r *simRun, h *simHost) time.Time {
	var last time.Time
	for _, c := range r.laptop.conns {
		for _, a := range c.answers {
			unread := r.report.Outcome == event.Interrupted && !r.laptop.stopped.IsZero() && a.arrived.After(r.laptop.stopped)
			if c.h == h && a.made.After(last) && !unread {
				last = a.made
			}
		}
	}
	return last
}

// linkAt is what was linked at a time, as the answer of that time reported.
func (w *simWorld) linkAt(h *simHost, at time.Time) string {
	for _, r := range w.runs {
		for _, c := range r.laptop.conns {
			for _, a := range c.answers {
				if c.h == h && a.made.Equal(at) {
					return a.link
				}
			}
		}
	}
	return "?"
}

// randomSchedule has few faults mostly: with many, every run ends early.
func randomSchedule(random *rand.Rand) simSchedule {
	s := simSchedule{Partial: []inventory.OnPartial{inventory.PartialBack, inventory.PartialBack, inventory.PartialBack, inventory.PartialForward, inventory.PartialStop}[random.IntN(5)]}
	for range 1 + random.IntN(3) {
		s.Links = append(s.Links, []string{"app-0", "app-0", "app-0", "app-1", ""}[random.IntN(5)])
	}
	for i := range 1 + random.IntN(3) {
		r := simRun{Op: event.Relink, To: "app-1", After: random.IntN(4) > 0, Batch: random.IntN(3)}
		if i > 0 {
			r.Start = time.Duration(random.Int64N(int64(40 * time.Second)))
			r.To = []string{"app-2", "app-0", "app-0", "app-1"}[random.IntN(4)]
			r.Op = []event.Op{event.Relink, event.Rollback}[random.IntN(2)]
			r.Wait = time.Duration(random.IntN(4)) * time.Minute
		}
		for n := range s.Links {
			if i == 0 || random.IntN(4) > 0 {
				r.Hosts = append(r.Hosts, n)
			}
		}
		if len(r.Hosts) == 0 {
			r.Hosts = []int{random.IntN(len(s.Links))}
		}
		for range s.Links {
			r.Tapes = append(r.Tapes, randomTape(random))
		}
		s.Runs = append(s.Runs, r)
	}
	return s
}

func randomTape(random *rand.Rand) []byte {
	tape := make([]byte, 80)
	for range random.IntN(4) {
		tape[random.IntN(len(tape))] = byte(random.IntN(256))
	}
	for range random.IntN(2) * random.IntN(3) {
		tape[20+random.IntN(len(tape)-20)] = byte(random.IntN(16))
	}
	return tape
}

// TestSchedulesThatFailed once, each with what was wrong.
func TestSchedulesThatFailed(t *testing.T) {
	t.Parallel()
	tape := func(decisions map[int]byte) simBytes {
		out := make([]byte, 80)
		for at, decision := range decisions {
			out[at] = decision
		}
		return out
	}
	confirmLost := simRun{To: "app-1", Op: event.Relink, Hosts: []int{0}, After: true}
	for name, decisions := range map[string]map[int]byte{
		// Confirm has no answer, and all of the time to reconnect was spent on one more that was late.
		"the repository is opened late": {28: 5, 31: 10, 32: 5},
		"the fence is told late":        {28: 5, 34: 3, 35: 5},
		"the lock is told late":         {28: 5, 36: 3, 37: 5},
		"the resumption is told late":   {28: 5, 38: 3, 39: 5},
	} {
		t.Run(name, func(t *testing.T) {
			r := confirmLost
			r.Tapes = []simBytes{tape(decisions)}
			ended, wrong := simulate(t, simSchedule{Links: []string{"app-0"}, Partial: inventory.PartialBack, Runs: []simRun{r}})
			assert.Empty(t, wrong)
			assert.Equal(t, []event.Outcome{event.Succeeded}, ended)
		})
	}
	// Somebody else changed the link between the fence and the lock, whose answer says so.
	t.Run("the link is changed before the lock", func(t *testing.T) {
		r := simRun{To: "app-1", Op: event.Relink, Hosts: []int{0, 1, 2}, After: true, Batch: 1}
		r.Tapes = []simBytes{tape(map[int]byte{22: 93, 49: 10, 56: 12, 61: 124}), tape(map[int]byte{24: 2, 34: 12}), tape(map[int]byte{6: 129, 51: 251, 54: 130})}
		ended, wrong := simulate(t, simSchedule{Links: []string{"app-0", "app-0", "app-1"}, Partial: inventory.PartialStop, Runs: []simRun{r}})
		assert.Empty(t, wrong)
		assert.Equal(t, []event.Outcome{event.Split}, ended)
	})
}

func TestSimulation(t *testing.T) {
	t.Parallel()
	seed := *simSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("go test ./internal/commit -run TestSimulation -args -sim.seed %d", seed)
	var mu sync.Mutex
	outcomes := map[event.Outcome]int{}
	t.Run("schedules", func(t *testing.T) {
		for share := range uint64(simShares) {
			t.Run(fmt.Sprint(share), func(t *testing.T) {
				t.Parallel()
				random := rand.New(rand.NewPCG(seed, share))
				for i := range *simMany / simShares {
					s := randomSchedule(random)
					ended, wrong := simulate(t, s)
					require.Emptyf(t, wrong, "schedule %d: %v", i, s)
					mu.Lock()
					for _, o := range ended {
						outcomes[o]++
					}
					mu.Unlock()
				}
			})
		}
	})
	t.Log(outcomes)
	for _, o := range []event.Outcome{event.Succeeded, event.Aborted, event.RolledBack, event.Split, event.Interrupted, event.Locked, "killed"} {
		require.Positivef(t, outcomes[o], "%s never happened: the simulation does not try everything", o)
	}
}
