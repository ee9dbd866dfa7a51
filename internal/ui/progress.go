package ui

import (
	"slices"
	"time"

	"github.com/keep-it-simple/kis/internal/event"
)

// progress is what kis waits for: the local work, and a fold of the events of a run. It is a value
// of its own, so that it can be tested without a terminal.
type progress struct {
	local  localWork // zero for none
	begun  time.Time // of the run
	hosts  []*hostProgress
	width  int  // of the column of hosts in the lines of the run
	counts bool // hosts of the run are known, and a last row counts them
	phase  phase
}

// localWork is something that kis does before a run or instead of one.
type localWork struct {
	what  string
	line  string   // the newest of its output
	busy  []string // hosts that it waits for
	since time.Time
}

// hostProgress is how far a host has come.
type hostProgress struct {
	name    string
	counted bool // it is a host of the run, and not one that only gives a package
	active  bool // a step has begun and has not ended
	step    event.Step
	since   time.Time // of the step
	command string    // of the inventory that runs, "" for none
	doing   string    // what the step is doing or waiting for, as far as it says
	line    string    // the newest of its output
	upload  upload
	last    event.Step // that ended well
	builds  bool       // the package is built on this host
	failed  bool
}

// upload is how much of an upload was sent; its zero value is none.
type upload struct {
	done, total int64
	begun       time.Time // of the first report
	from        int64     // bytes that were sent by then
	now         time.Time // of the last report
}

// phase is the part of a run between two points at which all hosts wait for each other.
type phase struct {
	name string
	done string       // what the hosts are that have completed it
	last []event.Step // with which it ends on a host; none: with any
}

// phaseOf is the phase of a step.
func phaseOf(s event.Step) phase {
	switch s {
	case event.StepConnect:
		return phase{name: string(s), done: "connected"}
	case event.StepCheck:
		return phase{name: string(s), done: "checked"}
	case event.StepLock:
		return phase{name: string(s), done: "locked"}
	case event.StepBeforeLink:
		return phase{name: string(s), done: "done"}
	case event.StepArm, event.StepRollCall, event.StepLink, event.StepResolve:
		return phase{name: string(event.StepLink), done: "linked", last: []event.Step{event.StepLink, event.StepResolve}}
	case event.StepRevert:
		return phase{name: string(s), done: "rolled back"}
	case event.StepServices, event.StepAfterLink, event.StepHealth:
		return phase{name: string(event.StepServices), done: "in service"}
	case event.StepConfirm:
		return phase{name: string(s), done: "confirmed"}
	case event.StepPrune:
		return phase{name: string(s), done: "pruned"}
	}
	return phase{name: "barrier", done: "ready", last: []event.Step{event.StepVerify, event.StepSeal, event.StepVerifyStage}}
}

// follow takes an event.
func (p *progress) follow(e event.Event) {
	switch e.Type {
	case event.TypeStart:
		*p = progress{begun: e.Time, counts: true, width: hostColumn(e.Hosts)}
		if len(e.Hosts) > 1 {
			p.width = max(p.width, len(hostCount(len(e.Hosts))))
		}
		for _, name := range e.Hosts {
			p.hosts = append(p.hosts, &hostProgress{name: name, counted: true})
		}
	case event.TypeStep:
		p.step(p.host(e.Host), e)
	case event.TypeProgress, event.TypeCommand, event.TypeOutput:
		if h := p.host(e.Host); h.active && h.step == e.Step {
			h.follow(e)
		}
	case event.TypeNotice, event.TypeBarrier, event.TypeReport: // they are printed
	}
}

// host is the progress of a host. Those of another stage, which give a package, are not known from
// the beginning.
func (p *progress) host(name string) *hostProgress {
	at := slices.IndexFunc(p.hosts, func(h *hostProgress) bool { return h.name == name })
	if at < 0 {
		at = len(p.hosts)
		p.hosts = append(p.hosts, &hostProgress{name: name})
	}
	return p.hosts[at]
}

func (p *progress) step(h *hostProgress, e event.Event) {
	if e.State == event.Started {
		*h = hostProgress{name: h.name, counted: h.counted, active: true, step: e.Step, since: e.Time, last: h.last, builds: h.builds || e.Step == event.StepUnpack}
		p.phase = phaseOf(e.Step)
		return
	}
	if h.step == e.Step {
		h.active = false
	}
	if e.State == event.Done {
		h.last = e.Step
	} else {
		h.failed = true
	}
}

// follow takes an event of the step that has begun.
func (h *hostProgress) follow(e event.Event) {
	switch {
	case e.Type == event.TypeCommand && e.State == event.Started:
		h.command, h.line, h.doing = e.Message, "", ""
	case e.Type == event.TypeOutput:
		h.line, h.doing, h.upload = e.Message, "", upload{}
	case e.Type == event.TypeProgress && e.Message != "":
		h.doing, h.line, h.upload = e.Message, "", upload{}
	case e.Type == event.TypeProgress:
		if u := &h.upload; u.total != e.Total {
			*u = upload{begun: e.Time, from: e.Done}
		}
		h.upload.done, h.upload.total, h.upload.now = e.Done, e.Total, e.Time
		if h.line = ""; e.Done >= e.Total { // it is over, and the step may not be
			h.upload = upload{}
		}
	}
}

// through reports whether the host has completed the phase of the run.
func (h *hostProgress) through(of phase) bool {
	switch {
	case h.active || h.failed || h.last == "" || phaseOf(h.last).name != of.name:
		return false
	case h.last == event.StepVerify && h.builds: // it is sealed next
		return false
	}
	return of.last == nil || slices.Contains(of.last, h.last)
}

// concerned reports whether the host has a part in the phase: a rollback is for those that have
// switched.
func (h *hostProgress) concerned(of phase) bool {
	if !h.counted {
		return false
	}
	return of.name != string(event.StepRevert) || h.step == event.StepRevert
}
