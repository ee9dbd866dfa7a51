package commit_test

import (
	"encoding/json"
	"fmt"
	"hash/crc32"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/keep-it-simple/kis/remote"
)

// simHost is a package repository with one stage, in memory, and the kernel that its agents run on.
// What the agents do to it is written in simagent_test.go, as scripts/kisagent has it;
// TestSimulatedAgentIsTheRealOne compares the two. Everything about a host happens while mu is
// held, at times that the fake clock of the test decides.
type simHost struct {
	mu   *sync.Mutex // of the schedule: everything in it happens in turn
	name string
	nth  int
	id   string // host-id of the repository
	root string

	link     string // text of the stage's link, "" for none
	packages []string
	armed    map[string]string // run (with .back for a rollback) → package
	journal  []string
	lines    []map[string]any     // of the journal
	dirs     map[string]*simAgent // by run: the agent that has made its directory

	builds  map[string]*simAgent // by package: the agent that has its build lock
	holder  *simAgent            // who has the lock of the lock file that lies there
	lockRun string               // what the lock file says of its last holder
	agents  map[*simAgent]bool

	down    bool
	mounted bool // the volume of the repository is there

	ticks int

	history []simEvent
	quiet   bool // the schedule is over: no more faults
}

// simEvent is something that happened on a host.
type simEvent struct {
	at   time.Time
	run  string // whose agent did it; "" for others
	what string // linked, reverted, confirmed, locked, started, ran, failed, foreign
	link string // text of the link after it; of started, ran and failed: the package that the commands ran in
	mine bool   // the agent held the lock of the stage
}

const (
	simStage = "staging"
	sealedAt = "2026-01-02T03:04:05Z"
)

func newSimHost(mu *sync.Mutex, nth int, link string, packages ...string) *simHost {
	name := fmt.Sprintf("web%d", nth)
	return &simHost{
		mu: mu, nth: nth, name: name, id: "id-" + name, root: "/srv/" + name, link: link, packages: packages, mounted: true,
		armed: map[string]string{}, dirs: map[string]*simAgent{}, builds: map[string]*simAgent{}, agents: map[*simAgent]bool{},
	}
}

func (h *simHost) note(run, what, link string, mine bool) {
	h.history = append(h.history, simEvent{at: time.Now(), run: run, what: what, link: link, mine: mine})
}

// has reports whether a package is sealed on this host.
func (h *simHost) has(name string) bool { return slices.Contains(h.packages, name) }

// reboot ends everything that runs there; what lies on the disk stays.
func (h *simHost) reboot() {
	for a := range h.agents {
		a.kill()
	}
}

// replaceByHand replaces the link outside kis.
func (h *simHost) replaceByHand(link string) {
	h.link = link
	h.note("", "foreign", link, false)
}

// removeLock removes the lock file while the lock is held.
func (h *simHost) removeLock() {
	h.holder, h.lockRun = nil, ""
}

// append writes a line of the journal, as journal.py does.
func (h *simHost) append(record map[string]any) {
	full := map[string]any{"v": 1, "seq": h.seq() + 1, "boot": "", "at": time.Now().UTC().Format("2006-01-02T15:04:05Z")}
	maps.Copy(full, record)
	body, err := json.Marshal(full)
	if err != nil {
		panic(err)
	}
	h.lines = append(h.lines, full)
	h.journal = append(h.journal, fmt.Sprintf(`%s,"crc":"%08x"}`, body[:len(body)-1], crc32.ChecksumIEEE(body)))
}

// seq is the number of the newest line.
func (h *simHost) seq() int { return len(h.lines) }

// lastLink is the newest line about the link.
func (h *simHost) lastLink() map[string]any {
	for _, r := range slices.Backward(h.lines) {
		if r["ev"] != "ended" {
			return r
		}
	}
	return nil
}

// ours refuses when another run has been at work since the line of that number, or has ended this
// one: journal.py, require_not_taken.
func (h *simHost) ours(run string, since int) *remote.Refused {
	for _, r := range slices.Backward(h.lines) {
		if r["seq"].(int) <= since {
			return nil
		}
		if r["run"] != run {
			return refusedAs("taken", "another run has worked on this stage meanwhile")
		}
		if r["ev"] == "ended" {
			return refusedAs("taken", "this run was ended")
		}
	}
	return nil
}

// recover fences what dead runs left and settles the journal: link.py, recover.
func (h *simHost) recover() []string {
	fenced := []string{}
	for _, run := range slices.Sorted(maps.Keys(h.armed)) {
		if !strings.HasSuffix(run, ".back") {
			fenced = append(fenced, run)
		}
	}
	clear(h.armed)
	last := h.lastLink()
	if last == nil {
		return fenced
	}
	run, _ := last["run"].(string)
	to, _ := last["to"].(string)
	from, _ := last["from"].(string) // none where nothing was linked
	event := ""
	switch {
	case last["ev"] == "armed" && h.link == to && !slices.Contains(fenced, run):
		event = "linked"
	case last["ev"] == "armed":
		event = "aborted"
	case (last["ev"] == "linked" || last["ev"] == "unconfirmed") && h.link == from:
		event = "reverted"
	}
	if event != "" {
		h.append(with(echo(last), "ev", event, "note", "found at the next contact"))
	}
	return fenced
}

// echo is what a line says again of the one before it.
func echo(record map[string]any) map[string]any {
	out := map[string]any{}
	for _, key := range []string{"run", "op", "from", "to", "by", "scope", "requested", "after", "before"} {
		if value, some := record[key]; some {
			out[key] = value
		}
	}
	return out
}

// with is a record with more members.
func with(record map[string]any, more ...any) map[string]any {
	out := maps.Clone(record)
	for i := 0; i < len(more); i += 2 {
		out[more[i].(string)] = more[i+1]
	}
	return out
}

// stageState is what check and state say of the stage.
func (h *simHost) stageState() map[string]any {
	state := map[string]any{
		"stage": simStage, "linked": text(h.link), "managed": true, "sealed": h.has(h.link), "journal": slices.Clone(h.journal), "unread": nil, "holder": nil, "armed": []string{},
	}
	if h.holder != nil {
		state["holder"] = h.owner()
	}
	return state
}

func (h *simHost) owner() map[string]any {
	return map[string]any{"who": "ann@laptop", "what": "link", "run": h.lockRun, "pid": 1, "since": sealedAt}
}

func (h *simHost) receipt(name string) map[string]any {
	return map[string]any{
		"v": 1, "package": name, "content": "sha256:" + name, "recipe": "", "environment": "e", "python": "3.11.2", "created": sealedAt, "name": "hello", "imports": []string{}, "verified": []string{}, "size": 1,
	}
}

// text is a link on the wire.
func text(link string) any {
	if link == "" {
		return nil
	}
	return link
}

func refusedAs(code remote.Code, message string) *remote.Refused {
	return &remote.Refused{Code: code, Message: message}
}

// unique is a few nanoseconds that hardly any other event of the schedule has.
func (h *simHost) unique() time.Duration {
	h.ticks++
	return time.Duration(64*h.ticks + h.nth)
}
