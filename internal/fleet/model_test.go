package fleet

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/remote"
)

// The model test runs the switch against simulated hosts. What the network and the hosts do to each message is read from a tape, one byte a
// decision, 0 meaning that all goes well; so a schedule is a list of tapes, can be printed, run again, and made shorter.

// schedules is how many schedules are tried; seed says which. A failing one is printed with its tapes.
const schedules = 100_000

//nolint:gochecknoglobals // flags of the test binary
var (
	seedFlag = flag.Uint64("seed", 0, "seed of the model test; 0 takes a new one")
	manyFlag = flag.Int("schedules", schedules, "schedules of the model test")
)

// simHost is a host as link.py makes it, without files: one stage, one prepared link, one lock.
type simHost struct {
	name  string
	tape  []byte
	at    int
	link  string
	armed bool // the prepared link lies there

	epoch     int // of the newest conversation; calls of older ones are lost
	holder    int // epoch of the agent that holds the lock; 0 is nobody
	state     string
	inFlight  bool // a commit is still on its way to the old agent
	down      bool
	cancel    context.CancelFunc
	foreigner bool // somebody replaced the link by hand
	losses    int
	excused   bool // something happened after which no run could put this host right
}

// simAgent is one conversation with a simHost.
type simAgent struct {
	h     *simHost
	epoch int
	dead  bool
}

var _ linker = (*simAgent)(nil)

var errSim = &remote.Lost{Cause: errors.New("simulated")}

// next is the next decision, from 0 to n-1.
func (h *simHost) next(n int) int {
	if h.at >= len(h.tape) {
		return 0
	}
	h.at++
	return int(h.tape[h.at-1]) % n
}

// deliver lets a commit arrive that was on its way: the old agent obeys if it still can.
func (h *simHost) deliver() {
	if !h.inFlight {
		return
	}
	h.inFlight = false
	if h.state == "armed" && h.armed && h.link == "old" {
		h.link, h.armed, h.state = "new-1", false, "linked"
	}
}

// meddle is somebody who replaces the link by hand.
func (h *simHost) meddle() { h.link, h.foreigner, h.excused = "foreign", true, true }

// die ends the agent: an armed link goes when it sees the end of its input, stays when it is killed.
func (h *simHost) die(killed bool) {
	if !killed && h.state == "armed" {
		h.armed = false
	}
	h.state, h.holder = "dead", 0
}

// request decides whether a request arrives: lost, lost with the agent's death, or cut with the agent alive on a dead connection.
func (a *simAgent) request() bool {
	if a.dead || a.h.down || a.epoch != a.h.epoch {
		return false
	}
	switch a.h.next(24) {
	case 1:
		a.h.die(false)
		return a.lose() == nil
	case 2:
		a.h.die(true)
		return a.lose() == nil
	case 3: // the agent lives on, and holds the lock until its lease ends
		return a.lose() == nil
	case 4:
		a.h.down, a.h.excused = true, true
		return a.lose() == nil
	case 5:
		a.h.cancel()
	}
	return true
}

// answer decides whether the answer to something that has been done arrives.
func (a *simAgent) answer(err error) error {
	switch a.h.next(24) {
	case 1:
		a.h.die(a.h.next(2) == 1)
		return a.lose()
	case 2:
		return a.lose()
	case 3:
		a.h.down, a.h.excused = true, true
		return a.lose()
	}
	return err
}

// lose is a lost request or answer. A host that loses one after the other is as good as down.
func (a *simAgent) lose() error {
	a.dead = true
	if a.h.losses++; a.h.losses >= attempts {
		a.h.excused = true
	}
	return errSim
}

func refused(code string) error { return &remote.Refused{Code: code, Message: code} }

func (a *simAgent) Arm(context.Context, remote.Link, time.Duration) error {
	if !a.request() {
		return errSim
	}
	if a.h.next(24) == 1 {
		return a.answer(refused("cannot-arm"))
	}
	a.h.armed, a.h.state = true, "armed"
	return a.answer(nil)
}

func (a *simAgent) Abort(context.Context) error {
	if !a.request() {
		return errSim
	}
	if a.h.state == "armed" {
		a.h.armed, a.h.state = false, "ended"
	}
	return a.answer(nil)
}

func (a *simAgent) Ping(context.Context) (remote.Clock, error) {
	if !a.request() {
		return remote.Clock{}, errSim
	}
	return remote.Clock{}, a.answer(nil)
}

func (a *simAgent) Commit(context.Context, string) (remote.Switched, error) {
	h := a.h
	if a.dead || h.down {
		return remote.Switched{}, errSim
	}
	if h.next(12) == 1 { // the connection is cut, and what was written arrives later
		h.inFlight = true
		return remote.Switched{}, a.lose()
	}
	if !a.request() {
		return remote.Switched{}, errSim
	}
	switch {
	case h.next(16) == 1: // deadline, read-only, lock lost
		h.armed, h.state = false, "ended"
		return remote.Switched{}, a.answer(refused("cannot-rename"))
	case h.next(32) == 1: // somebody else's link
		h.armed, h.state = false, "ended"
		h.meddle()
		return remote.Switched{}, a.answer(refused("changed-meanwhile"))
	case h.state != "armed" || !h.armed:
		return remote.Switched{}, a.answer(refused("not-armed"))
	}
	h.link, h.armed, h.state = "new-1", false, "linked"
	return remote.Switched{At: time.Unix(1, 0), Durable: true}, a.answer(nil)
}

func (a *simAgent) Revert(context.Context, string) (remote.Switched, error) {
	h := a.h
	if !a.request() {
		return remote.Switched{}, errSim
	}
	if h.state != "linked" || h.link != "new-1" || h.holder != a.epoch || h.next(16) == 1 {
		h.excused = true
		return remote.Switched{}, a.answer(refused("cannot-rename"))
	}
	h.link, h.state = "old", "ended"
	return remote.Switched{}, a.answer(nil)
}

func (a *simAgent) Resume(context.Context, remote.Link) error {
	if !a.request() {
		return errSim
	}
	if a.h.link != "new-1" || a.h.holder != a.epoch {
		return a.answer(refused("changed-meanwhile"))
	}
	a.h.state = "linked"
	return a.answer(nil)
}

func (a *simAgent) Confirm(context.Context, string, map[string]any) error {
	if !a.request() {
		return errSim
	}
	if a.h.state != "linked" || a.h.link != "new-1" {
		return a.answer(refused("changed-meanwhile"))
	}
	a.h.state = "ended"
	return a.answer(nil)
}

func (a *simAgent) Fence(context.Context, remote.Stage, string) (remote.Fenced, error) {
	if a.h.next(4) == 1 {
		a.h.deliver()
	}
	if !a.request() {
		return remote.Fenced{}, errSim
	}
	fenced := remote.Fenced{Fenced: a.h.armed, Linked: a.h.link}
	a.h.armed = false
	return fenced, a.answer(nil)
}

func (a *simAgent) Command(context.Context, remote.Commands, func(string)) error {
	if !a.request() {
		return errSim
	}
	if a.h.next(32) == 1 {
		a.h.meddle()
	}
	if a.h.next(24) == 1 {
		return a.answer(refused("command-failed"))
	}
	return a.answer(nil)
}

// reach is what member.reach and member.lockAgain do, without waiting.
func (h *simHost) reach(context.Context) (linker, error) {
	if h.next(3) == 1 {
		h.deliver()
	}
	if h.next(6) == 1 {
		h.down, h.excused = true, true
	}
	if h.down {
		return nil, errSim
	}
	h.epoch++
	return &simAgent{h: h, epoch: h.epoch}, nil
}

func (h *simHost) again(context.Context) error {
	if h.down || h.next(12) == 1 {
		h.excused = true
		return errSim
	}
	h.holder, h.state = h.epoch, "ended" // the old agent, if it lived, was ended
	return nil
}

// party is the host's part in a transaction.
func (h *simHost) party() *party {
	h.link, h.epoch, h.holder, h.state = "old", 1, 1, "idle"
	p := &party{name: h.name, from: "old", agent: &simAgent{h: h, epoch: 1}, linked: "old", known: true}
	p.reach, p.again = h.reach, h.again
	p.after = func(linked remote.Package) remote.Commands {
		return remote.Commands{Package: linked, Commands: []string{"true"}}
	}
	p.step = func(_ Step, work func() error) error { return work() }
	return p
}

// simulate runs one schedule and returns what is wrong with its outcome, "" for nothing.
func simulate(t *testing.T, tapes [][]byte) (Outcome, string) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	stage, err := remote.ParseStage("staging")
	require.NoError(t, err)
	to, err := remote.ParsePackage("new-1")
	require.NoError(t, err)
	tx := &transaction{stage: stage, run: "run", op: "push", to: to, now: time.Now, notice: func(string, string) {}, armedAt: time.Now(), patience: ordinaryPatience()}
	tx.phase = func(string, time.Duration) {}
	var hosts []*simHost
	for i, tape := range tapes {
		h := &simHost{name: fmt.Sprintf("web%d", i+1), tape: tape, cancel: cancel}
		hosts = append(hosts, h)
		tx.parties = append(tx.parties, h.party())
	}
	outcome := tx.carryOut(ctx)
	for _, h := range hosts {
		h.deliver() // whatever was still on its way arrives now
	}
	return outcome, judge(outcome, tx, hosts)
}

// judge holds the outcome against the hosts: I2, I5, and that the table is true where it claims to know.
func judge(o Outcome, tx *transaction, hosts []*simHost) string {
	for i, h := range hosts {
		p := tx.parties[i]
		want := map[Outcome]string{Succeeded: "new-1", Aborted: "old", Interrupted: "old", RolledBack: "old"}[o]
		if want != "" && h.link != want {
			return fmt.Sprintf("%s: %s is linked to %s", o, h.name, h.link)
		}
		if p.known && p.linked != h.link && (!h.foreigner || o != Split) {
			return fmt.Sprintf("%s: %s is said to be linked to %s, and is linked to %s", o, h.name, p.linked, h.link)
		}
		if !slices.Contains([]string{"old", "new-1"}, h.link) && !h.foreigner {
			return fmt.Sprintf("%s: %s is linked to %s", o, h.name, h.link)
		}
	}
	if o == Split && !slices.ContainsFunc(hosts, func(h *simHost) bool { return h.excused }) {
		return "split, although every host could have been put right"
	}
	return ""
}

// shorten sets as many decisions as possible to "all goes well" while the schedule still fails.
func shorten(t *testing.T, tapes [][]byte) [][]byte {
	for again := true; again; {
		again = false
		for _, tape := range tapes {
			for i, was := range tape {
				if was == 0 {
					continue
				}
				tape[i] = 0
				if _, wrong := simulate(t, tapes); wrong == "" {
					tape[i] = was
				} else {
					again = true
				}
			}
		}
	}
	return tapes
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
		outcome, wrong := simulate(t, tapes)
		outcomes[outcome]++
		if wrong != "" {
			short := shorten(t, tapes)
			_, wrong = simulate(t, short)
			require.Failf(t, wrong, "tapes: %v", short)
		}
	}
	t.Log(outcomes)
	for _, o := range []Outcome{Succeeded, Aborted, RolledBack, Split, Interrupted} {
		require.Positivef(t, outcomes[o], "%s never happened: the model does not try everything", o)
	}
}
