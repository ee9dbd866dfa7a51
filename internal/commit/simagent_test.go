package commit_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/keep-it-simple/kis/remote"
)

// simAgent is one agent on a simHost: main.py, link.py and locks.py, as far as a run that links
// installed packages meets them. All its methods are called with the host's mu held.
type simAgent struct {
	h     *simHost
	reply func(frame map[string]any, reportsLink bool) // sends an answer; reportsLink: it reports the link

	dead   bool
	run    string
	locked bool // it has taken the stage's lock, and not released it
	tx     *simTx
	task   *simTask
	stuck  time.Duration // how long it takes no notice of SIGTERM, as in the hands of a slow disk

	fault  simFault // of the command in progress
	during func(simCommand) simRan
}

// simFault is what goes wrong on the host while it carries out one command.
type simFault byte

const (
	noFault    simFault = iota
	refusesIt           // a system call of the command fails: a full disk, a file system that has turned read-only
	diesMidway          // the agent is killed when it has done it, before it writes that down or answers
)

// simTx is link.py's Transaction.
type simTx struct {
	run, from, to string
	dangling      bool
	state         string // idle, armed, linked, ended
	note          map[string]any
	deadline      *time.Timer
	until         time.Time
}

// simTask is a command that takes time.
type simTask struct {
	id    int
	done  func(canceled bool)
	timer *time.Timer
	ended bool
}

// simRan is how commands of the inventory end: after how long, and how.
type simRan struct {
	took time.Duration
	well bool
}

type simCommand struct {
	ID        int            `json:"id"`
	Op        string         `json:"op"`
	Root      string         `json:"root"`
	Stage     string         `json:"stage"`
	Run       string         `json:"run"`
	Since     *int           `json:"since"`
	Package   string         `json:"package"`
	Packages  bool           `json:"packages"`
	Op2       string         `json:"operation"`
	Expected  *string        `json:"expected"`
	To        string         `json:"to"`
	Dangling  bool           `json:"dangling"`
	Note      map[string]any `json:"note"`
	Seconds   float64        `json:"seconds"`
	Succeeded bool           `json:"succeeded"`
	By        string         `json:"by"`
	Commands  []string       `json:"commands"`
}

// beside is what is done while another command is in progress.
func beside(op string) bool { return slices.Contains([]string{"ping", "cancel", "bye", "fence"}, op) }

// handle carries one command out.
func (a *simAgent) handle(line []byte, f simFault) {
	var c simCommand
	if err := json.Unmarshal(line, &c); err != nil {
		panic(fmt.Sprintf("%v: %s", err, line))
	}
	a.fault = f
	if a.task != nil && !beside(c.Op) {
		a.refuse(c.ID, refusedAs("busy", "another command is in progress"))
		return
	}
	record, refused := a.do(c)
	switch {
	case a.dead, record == nil && refused == nil: // killed, or a task that answers later
	case refused != nil:
		a.refuse(c.ID, refused)
	default:
		reportsLink := slices.Contains([]string{"check", "lock", "resume", "commit", "revert", "confirm", "fence"}, c.Op)
		a.reply(with(record, "id", c.ID, "ev", "done"), reportsLink)
	}
	if c.Op == "bye" && !a.dead {
		a.end()
	}
}

func (a *simAgent) done(id int, record map[string]any) {
	a.reply(with(record, "id", id, "ev", "done"), false)
}

func (a *simAgent) refuse(id int, r *remote.Refused) {
	frame := map[string]any{"id": id, "ev": "refused", "code": r.Code, "message": r.Message}
	if r.Holder != nil {
		frame["holder"] = a.h.owner()
	}
	a.reply(frame, false)
}

func (a *simAgent) do(c simCommand) (map[string]any, *remote.Refused) {
	switch c.Op {
	case "ping":
		return map[string]any{"wall": float64(time.Now().UnixNano()) / 1e9}, nil
	case "open":
		return map[string]any{"root": c.Root, "host_id": a.h.hostID()}, nil
	case "check":
		return a.check(c), nil
	case "lock":
		return a.lock(c)
	case "unlock":
		return a.unlock()
	case "evict":
		return a.endHolder(c.ID, c.Run, "")
	case "break":
		return a.endHolder(c.ID, c.Run, c.By)
	case "begin":
		if !a.h.has(c.Package) {
			return nil, refusedAs("no-package", "not installed")
		}
		return map[string]any{"sealed": true, "receipt": a.h.receipt(c.Package)}, nil
	case "rehash":
		return map[string]any{"differences": []string{}}, nil
	case "verify":
		return map[string]any{"imported": []string{}}, nil
	case "arm":
		return a.arm(c)
	case "resume":
		return a.resume(c)
	case "commit":
		return a.commit(c)
	case "revert":
		return a.revert(c)
	case "confirm":
		return a.confirm(c)
	case "abort":
		a.abort()
		return map[string]any{}, nil
	case "restarted":
		return a.restarted(c)
	case "fence":
		return a.fence(c)
	case "command":
		return a.command(c)
	case "cancel":
		a.cancel()
		return map[string]any{}, nil
	case "bye":
		return map[string]any{}, nil
	}
	panic("the simulated agent does not know " + c.Op)
}

func (h *simHost) hostID() string {
	if !h.mounted {
		return ""
	}
	return h.id
}

func (a *simAgent) check(c simCommand) map[string]any {
	h := a.h
	facts := map[string]any{
		"problems": []any{}, "root": h.root, "identity": h.name, "host_id": h.hostID(), "space": map[string]any{"bytes": 1 << 40, "inodes": -1}, "stage": h.stageState(),
	}
	if c.Packages {
		list := []any{}
		for _, name := range h.packages {
			list = append(list, map[string]any{"name": name, "state": "sealed", "receipt": h.receipt(name)})
		}
		facts["packages"] = list
	}
	return facts
}

// owns reports whether this agent has the lock, by the lock file that lies there: Lock.check.
func (a *simAgent) owns() bool { return a.locked && a.h.holder == a }

// lock is do_lock.
func (a *simAgent) lock(c simCommand) (map[string]any, *remote.Refused) {
	h := a.h
	a.run = c.Run
	if h.dirs[c.Run] == a {
		return nil, refusedAs("busy", "this agent has taken a lock already")
	}
	if h.holder != nil {
		refused := refusedAs("locked", "locked by another run")
		refused.Holder = &remote.Holder{}
		return nil, refused
	}
	if c.Since != nil {
		if refused := h.ours(c.Run, *c.Since); refused != nil {
			h.lockRun = c.Run
			return nil, refused
		}
	}
	if a.fault == refusesIt {
		return nil, refusedAs("io", "disk full")
	}
	linked := h.link
	fenced := h.recover()
	h.lockRun = c.Run
	if owner := h.dirs[c.Run]; owner != nil && !owner.dead {
		a.locked = false
		return nil, refusedAs("io", "the run's directory exists")
	}
	h.holder, a.locked, h.dirs[c.Run] = a, true, a
	h.note(a.run, "locked", h.link, true)
	if a.midway() {
		return nil, nil
	}
	return map[string]any{"directory": h.root + "/.kis/run/" + c.Run, "host_id": h.id, "fenced": fenced, "linked": text(linked), "journal": h.seq()}, nil
}

func (a *simAgent) unlock() (map[string]any, *remote.Refused) {
	if a.tx != nil {
		return nil, refusedAs("busy", "this run is at work")
	}
	a.release()
	delete(a.h.dirs, a.run)
	return map[string]any{}, nil
}

func (a *simAgent) release() {
	if a.owns() {
		a.h.holder = nil
	}
	a.locked = false
}

// endHolder is do_evict and, with by, do_break.
func (a *simAgent) endHolder(id int, run, by string) (map[string]any, *remote.Refused) {
	holder := a.h.holder
	ended := map[string]any{"holder": nil}
	if holder == nil || run != "" && run != a.h.lockRun {
		if by != "" && holder != nil {
			return nil, refusedAs("locked", "another run than the one that was shown holds the lock")
		}
		return ended, nil
	}
	ended["holder"] = a.h.owner()
	victim := a.h.lockRun
	finish := func() {
		if by != "" && victim != "" {
			a.h.append(map[string]any{"run": victim, "ev": "ended", "by": by})
		}
	}
	if holder.stuck == 0 {
		holder.end()
		finish()
		return ended, nil
	}
	// SIGTERM first, SIGKILL after ten seconds, and after fifteen it is given up: locks.py,
	// end_holder.
	after := min(holder.stuck, 15*time.Second)
	a.work(id, after, func(bool) {
		switch {
		case holder.stuck > 15*time.Second:
			a.refuse(id, refusedAs("still-locked", "process does not end"))
			return
		case holder.dead:
		case holder.stuck > 10*time.Second:
			holder.kill()
		default:
			holder.end()
		}
		finish()
		a.done(id, ended)
	})
	return nil, nil
}

// work is a command that answers later.
func (a *simAgent) work(id int, took time.Duration, done func(canceled bool)) {
	task := &simTask{id: id, done: done}
	a.task = task
	task.timer = time.AfterFunc(took, func() {
		a.h.mu.Lock()
		defer a.h.mu.Unlock()
		a.finish(task, false)
	})
}

func (a *simAgent) finish(task *simTask, canceled bool) {
	if task.ended {
		return
	}
	task.ended = true
	task.timer.Stop()
	a.task = nil
	if !a.dead {
		task.done(canceled)
	}
}

func (a *simAgent) cancel() {
	if a.task != nil {
		a.finish(a.task, true)
	}
}

func (a *simAgent) mayLink(c simCommand) *remote.Refused {
	if refused := a.mustOwn(c.Stage, c.Run); refused != nil {
		return refused
	}
	if a.tx != nil && (a.tx.state == "armed" || a.tx.state == "linked") {
		return refusedAs("switch-open", "a change is neither confirmed nor rolled back")
	}
	return nil
}

func (a *simAgent) mustOwn(stage, run string) *remote.Refused {
	if !a.locked || stage != simStage || a.run != run {
		return refusedAs("not-locked", "the run does not hold the lock")
	}
	return a.lockCheck()
}

func (a *simAgent) transaction(c simCommand) *simTx {
	from := ""
	if c.Expected != nil {
		from = *c.Expected
	}
	note := with(map[string]any{"run": c.Run, "op": c.Op2, "from": text(from), "to": c.To})
	maps.Copy(note, c.Note)
	return &simTx{run: c.Run, from: from, to: c.To, dangling: c.Dangling, state: "idle", note: note}
}

func (a *simAgent) compare(expected string) *remote.Refused {
	if a.h.link != expected {
		return refusedAs("link-changed", fmt.Sprintf("linked to %q, not to %q", a.h.link, expected))
	}
	return nil
}

func (a *simAgent) lockCheck() *remote.Refused {
	if !a.owns() {
		return refusedAs("lock-lost", "the lock file was removed or replaced")
	}
	return nil
}

// holdPackage takes the build lock of one package, which this agent has until it ends or takes that of another one. Where the
// lock file of the stage was removed, two agents may want the same.
func (a *simAgent) holdPackage(name string) *remote.Refused {
	maps.DeleteFunc(a.h.builds, func(_ string, holder *simAgent) bool { return holder == a || holder.dead })
	if a.h.builds[name] != nil {
		return refusedAs("locked", "another run has the build lock")
	}
	a.h.builds[name] = a
	return nil
}

func (a *simAgent) arm(c simCommand) (map[string]any, *remote.Refused) {
	if refused := a.mayLink(c); refused != nil {
		return nil, refused
	}
	if refused := a.holdPackage(c.To); refused != nil {
		return nil, refused
	}
	tx := a.transaction(c)
	a.tx = tx
	if refused := a.compare(tx.from); refused != nil {
		return nil, refused
	}
	if tx.to == tx.from {
		return nil, refusedAs("already-linked", "linked already")
	}
	if !a.h.has(tx.to) {
		return nil, refusedAs("no-package", "not sealed")
	}
	if refused := a.lockCheck(); refused != nil {
		return nil, refused
	}
	if a.fault == refusesIt {
		tx.state = "ended"
		a.h.append(with(tx.note, "ev", "aborted", "reason", "cannot arm"))
		return nil, refusedAs("cannot-arm", "read-only file system")
	}
	a.h.armed[tx.run] = tx.to
	a.h.append(with(tx.note, "ev", "armed", "content", "sha256:"+tx.to))
	tx.until = time.Now().Add(time.Duration(c.Seconds * float64(time.Second)))
	tx.state = "armed"
	tx.deadline = time.AfterFunc(time.Until(tx.until), func() {
		a.h.mu.Lock()
		defer a.h.mu.Unlock()
		if !a.dead {
			a.giveUp(tx, "deadline")
		}
	})
	if a.midway() {
		return nil, nil
	}
	return map[string]any{}, nil
}

// giveUp is Transaction.abort.
func (a *simAgent) giveUp(tx *simTx, reason string) {
	if tx.state != "armed" {
		return
	}
	tx.state = "ended"
	tx.deadline.Stop()
	delete(a.h.armed, tx.run)
	a.h.append(with(tx.note, "ev", "aborted", "reason", reason))
}

func (a *simAgent) abort() {
	if a.tx != nil {
		a.giveUp(a.tx, "aborted")
	}
}

func (a *simAgent) resume(c simCommand) (map[string]any, *remote.Refused) {
	if refused := a.mayLink(c); refused != nil {
		return nil, refused
	}
	a.tx = a.transaction(c)
	if refused := a.compare(a.tx.to); refused != nil {
		return nil, refused
	}
	if refused := a.lockCheck(); refused != nil {
		return nil, refused
	}
	a.tx.state = "linked"
	return map[string]any{"durable": true}, nil
}

// committed is the transaction that a command means.
func (a *simAgent) committed(run string) (*simTx, *remote.Refused) {
	if a.tx == nil || a.tx.run != run {
		return nil, refusedAs("other-run", "no transaction of this run is here")
	}
	return a.tx, nil
}

func (a *simAgent) commit(c simCommand) (map[string]any, *remote.Refused) {
	tx, refused := a.committed(c.Run)
	if refused != nil {
		return nil, refused
	}
	if tx.state != "armed" {
		return nil, refusedAs("not-armed", "no link is armed")
	}
	if !time.Now().Before(tx.until) {
		a.giveUp(tx, "deadline")
		return nil, refusedAs("deadline", "commit arrived after the prepared link expired")
	}
	refused = a.lockCheck()
	if refused == nil {
		refused = a.compare(tx.from)
	}
	if refused == nil && (a.fault == refusesIt || a.h.armed[tx.run] == "") {
		refused = refusedAs("cannot-rename", "no such file, or a read-only file system")
	}
	if refused != nil {
		a.giveUp(tx, "refused")
		return nil, refused
	}
	delete(a.h.armed, tx.run)
	tx.deadline.Stop()
	a.h.link = tx.to
	a.h.note(tx.run, "linked", tx.to, a.owns())
	if a.midway() {
		return nil, nil
	}
	tx.state = "linked"
	a.h.append(with(tx.note, "ev", "linked", "durable", true))
	return a.renamed(tx.to), nil
}

func (a *simAgent) renamed(link string) map[string]any {
	return map[string]any{"linked": text(link), "at": float64(time.Now().UnixNano()) / 1e9, "durable": true}
}

func (a *simAgent) revert(c simCommand) (map[string]any, *remote.Refused) {
	tx, refused := a.committed(c.Run)
	if refused != nil {
		return nil, refused
	}
	if tx.state != "linked" {
		return nil, refusedAs("not-linked", "this run has not linked")
	}
	if refused := a.lockCheck(); refused != nil {
		return nil, refused
	}
	if refused := a.compare(tx.to); refused != nil {
		return nil, refused
	}
	if a.fault == refusesIt {
		return nil, refusedAs("cannot-rename", "read-only file system")
	}
	if tx.from != "" && !tx.dangling && !a.h.has(tx.from) {
		return nil, refusedAs("no-package", "not sealed")
	}
	a.h.link = tx.from
	a.h.note(tx.run, "reverted", tx.from, a.owns())
	if a.midway() {
		return nil, nil
	}
	tx.state = "ended"
	a.h.append(with(tx.note, "ev", "reverted", "durable", true))
	return a.renamed(tx.from), nil
}

func (a *simAgent) confirm(c simCommand) (map[string]any, *remote.Refused) {
	tx, refused := a.committed(c.Run)
	if refused != nil {
		return nil, refused
	}
	if tx.state != "linked" {
		return nil, refusedAs("not-linked", "this run has not linked")
	}
	if refused := a.lockCheck(); refused != nil {
		return nil, refused
	}
	if refused := a.compare(tx.to); refused != nil {
		return nil, refused
	}
	if a.fault == refusesIt {
		return nil, refusedAs("not-recorded", "disk full")
	}
	record := with(tx.note, "ev", "confirmed")
	maps.Copy(record, c.Note)
	a.h.append(record)
	a.h.note(tx.run, "confirmed", a.h.link, a.owns())
	if a.midway() {
		return nil, nil
	}
	tx.state = "ended"
	return map[string]any{}, nil
}

func (a *simAgent) restarted(c simCommand) (map[string]any, *remote.Refused) {
	if refused := a.mustOwn(c.Stage, c.Run); refused != nil {
		return nil, refused
	}
	last := a.h.lastLink()
	if last == nil || last["run"] != c.Run || last["ev"] != "reverted" {
		return nil, refusedAs("not-reverted", "the newest line does not say that this run has rolled back")
	}
	record := with(echo(last), "ev", "reverted", "restarted", true)
	if !c.Succeeded {
		record["note"] = "after_link failed"
	}
	a.h.append(record)
	return map[string]any{}, nil
}

func (a *simAgent) fence(c simCommand) (map[string]any, *remote.Refused) {
	if a.fault == refusesIt && (!a.locked || a.run != c.Run || a.tx != nil && a.tx.state == "armed") {
		return nil, refusedAs("io", "read-only file system")
	}
	fenced := a.h.armed[c.Run] != ""
	delete(a.h.armed, c.Run)
	return map[string]any{"fenced": fenced, "linked": text(a.h.link), "durable": true}, nil
}

// command runs commands of the inventory in a package.
func (a *simAgent) command(c simCommand) (map[string]any, *remote.Refused) {
	if refused := a.mustOwn(c.Stage, c.Run); refused != nil {
		return nil, refused
	}
	ran := a.during(c)
	a.h.note(a.run, "started", c.Package, a.owns())
	a.work(c.ID, ran.took, func(canceled bool) {
		if canceled || !ran.well {
			a.h.note(a.run, "failed", c.Package, a.owns())
			a.refuse(c.ID, refusedAs("command-failed", c.Commands[0]+": exit status 1"))
			return
		}
		a.h.note(a.run, "ran", c.Package, a.owns())
		a.done(c.ID, map[string]any{})
	})
	return nil, nil
}

// midway ends the agent where its fault says so.
func (a *simAgent) midway() bool {
	if a.fault != diesMidway {
		return false
	}
	a.kill()
	return true
}

// end is what the agent does at the end of its session, whatever ends it: main.py, end.
func (a *simAgent) end() {
	if a.dead {
		return
	}
	if tx := a.tx; tx != nil {
		switch tx.state {
		case "armed":
			a.giveUp(tx, "connection lost")
		case "linked":
			tx.state = "ended"
			if a.h.link == tx.to {
				a.h.append(with(tx.note, "ev", "unconfirmed"))
			}
		}
	}
	a.kill()
}

// kill is SIGKILL: the kernel frees the lock.
func (a *simAgent) kill() {
	if a.dead {
		return
	}
	a.dead = true
	a.release()
	if a.task != nil {
		a.task.timer.Stop()
		a.task = nil
	}
	if a.tx != nil && a.tx.deadline != nil {
		a.tx.deadline.Stop()
	}
	delete(a.h.agents, a)
}
