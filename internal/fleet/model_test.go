package fleet

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/name"
	"github.com/keep-it-simple/kis/inventory"
	"github.com/keep-it-simple/kis/remote"
)

// The model test runs the switch against simulated hosts. What the network and the hosts do to each message is read from a tape, one byte a
// decision, 0 meaning that all goes well; so a schedule is a list of tapes, can be printed, run again, and made shorter.
// After each the same push runs once more, and has to succeed.

// How many schedules are tried, and which. A failing one is printed with its tapes.
//
//nolint:gochecknoglobals // flags of the test binary
var (
	seedFlag = flag.Uint64("seed", 0, "seed of the model test; 0 takes a new one")
	manyFlag = flag.Int("schedules", schedules, "schedules of the model test")
)

// schedule is one thing to try.
type schedule struct {
	tapes   [][]byte // one a host
	partial inventory.OnPartial
}

// party is the host's part in a transaction.
func (h *simHost) party() *party {
	h.epoch++
	h.holder, h.state, h.down, h.losses, h.theirs = h.epoch, "idle", false, 0, ""
	h.began = h.link
	p := &party{name: h.name, from: h.link, here: h.link == "new-1", agent: &simAgent{h: h, epoch: h.epoch}, linked: h.link, known: true}
	if p.here { // by a run that did not come to its end
		p.from = "old"
	}
	p.reach, p.again = h.reach, h.again
	p.after = func(linked name.Package) remote.Commands {
		return remote.Commands{Package: linked, Commands: []string{"true"}}
	}
	p.begin = func(Step) func(error) error { return func(err error) error { return err } }
	return p
}

// simulate runs one schedule, and the same push once more without any fault. It returns what is wrong with the outcomes, "" for nothing.
func simulate(t *testing.T, s schedule) (Outcome, string) {
	var hosts []*simHost
	for i, tape := range s.tapes {
		h := &simHost{name: fmt.Sprintf("web%d", i+1), tape: tape}
		h.link = []string{"old", "new-1", "old", "old", "old", "old"}[h.next(6)]
		hosts = append(hosts, h)
	}
	outcome, tx := runModel(t, s.partial, hosts)
	killed := hosts[0].world.diedIn.Load() < never
	if !killed {
		for _, h := range hosts {
			h.deliver() // whatever was still on its way arrives now
		}
		if wrong := judge(outcome, tx, hosts); wrong != "" {
			return outcome, wrong
		}
	}
	for _, h := range hosts {
		if h.link != "old" && h.link != "new-1" && !h.foreigner {
			return outcome, fmt.Sprintf("%s is linked to %s", h.name, h.link)
		}
		h.tape = nil
		h.armed = false // taking the lock takes away what dead runs have armed
	}
	again, _ := runModel(t, s.partial, hosts)
	for _, h := range hosts {
		h.deliver() // a commit of the first run comes very late
		if again != Succeeded || h.link != "new-1" {
			return outcome, fmt.Sprintf("%s; then the same push again: %s, and %s is linked to %s", outcome, again, h.name, h.link)
		}
	}
	if killed {
		outcome = "killed"
	}
	return outcome, ""
}

// runModel is one run of the switch on these hosts.
func runModel(t *testing.T, partial inventory.OnPartial, hosts []*simHost) (Outcome, *transaction) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	stage, err := name.ParseStage("staging")
	require.NoError(t, err)
	to, err := name.ParsePackage("new-1")
	require.NoError(t, err)
	tx := &transaction{
		stage: stage, run: name.NewRun(), op: "push", to: to, now: time.Now, notice: func(string, string) {}, armedAt: time.Now(), patience: ordinaryPatience(),
		partial: partial, phase: func(string, time.Duration) {},
	}
	tx.patience.pause = 0
	world := &simWorld{cancel: cancel}
	world.diedIn.Store(never)
	for _, h := range hosts {
		h.world = world
		tx.parties = append(tx.parties, h.party())
	}
	return tx.carryOut(ctx), tx
}

// judge holds the outcome against the hosts: I2, I5, and that the table is true where it claims to know.
func judge(o Outcome, tx *transaction, hosts []*simHost) string {
	for i, h := range hosts {
		p := tx.parties[i]
		want := map[Outcome]string{Succeeded: "new-1", Aborted: h.began, Interrupted: h.began, RolledBack: "old"}[o]
		if want != "" && h.link != want {
			return fmt.Sprintf("%s: %s is linked to %s", o, h.name, h.link)
		}
		if h.theirs != "" && h.link != h.theirs && !h.foreigner {
			return fmt.Sprintf("%s: another run has linked %s to %s meanwhile, and it is linked to %s", o, h.name, h.theirs, h.link)
		}
		if p.known && p.linked != h.link && (!h.later || o != Split) {
			return fmt.Sprintf("%s: %s is said to be linked to %s, and is linked to %s", o, h.name, p.linked, h.link)
		}
		if !slices.Contains([]string{"old", "new-1"}, h.link) && !h.foreigner {
			return fmt.Sprintf("%s: %s is linked to %s", o, h.name, h.link)
		}
	}
	if tx.partial != inventory.PartialBack {
		if o == RolledBack {
			return "rolled back, although the inventory does not want it"
		}
		return ""
	}
	if o == Split && !slices.ContainsFunc(hosts, func(h *simHost) bool { return h.excused }) {
		return "split, although every host could have been put right"
	}
	return ""
}

// shorten sets as many decisions as possible to "all goes well" while the schedule still fails.
func shorten(t *testing.T, s schedule) schedule {
	for again := true; again; {
		again = false
		for _, tape := range s.tapes {
			for i, was := range tape {
				if was == 0 {
					continue
				}
				tape[i] = 0
				if _, wrong := simulate(t, s); wrong == "" {
					tape[i] = was
				} else {
					again = true
				}
			}
		}
	}
	return s
}

func TestSwitchUnderRandomFaults(t *testing.T) {
	t.Parallel()
	seed := *seedFlag
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("go test ./internal/fleet -run TestSwitchUnderRandomFaults -args -seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	outcomes := map[Outcome]int{}
	for range *manyFlag {
		tapes := make([][]byte, 1+random.IntN(4))
		s := schedule{tapes: tapes, partial: inventory.PartialBack}
		switch random.IntN(6) {
		case 0:
			s.partial = inventory.PartialForward
		case 1:
			s.partial = inventory.PartialStop
		}
		for i := range tapes {
			tapes[i] = make([]byte, 40)
			// Most schedules have few faults: with many, every run ends early.
			for range random.IntN(4) {
				tapes[i][random.IntN(len(tapes[i]))] = byte(random.IntN(256))
			}
			for range random.IntN(2) * random.IntN(20) {
				tapes[i][random.IntN(len(tapes[i]))] = byte(1 + random.IntN(5))
			}
		}
		outcome, wrong := simulate(t, s)
		outcomes[outcome]++
		if wrong != "" {
			short := shorten(t, s)
			_, wrong = simulate(t, short)
			require.Failf(t, wrong, "on_partial: %s, tapes: %v", short.partial, short.tapes)
		}
	}
	t.Log(outcomes)
	for _, o := range []Outcome{Succeeded, Aborted, RolledBack, Split, Interrupted, "killed"} {
		require.Positivef(t, outcomes[o], "%s never happened: the model does not try everything", o)
	}
}
