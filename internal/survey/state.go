package survey

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/keep-it-simple/kis/internal/event"
	"github.com/keep-it-simple/kis/internal/fleet"
	"github.com/keep-it-simple/kis/internal/guard"
	"github.com/keep-it-simple/kis/inventory"
	"github.com/keep-it-simple/kis/remote"
	"github.com/keep-it-simple/kis/sshx"
)

// Repository is the content of one host's package repository, or why it is unknown.
type Repository struct {
	Host    string
	State   remote.RepositoryState
	Failure *event.Failure // nil: it answered
}

// Read reads the package repositories of all hosts at the same time. It changes nothing on any
// host.
func Read(ctx context.Context, f *fleet.Fleet, hosts []inventory.Host, request remote.StateRequest) []Repository {
	found := make([]Repository, len(hosts))
	f.ConnectAll(ctx, hosts, fleet.Progress{
		Begin:    func(int) bool { return true },
		Accepted: func(*sshx.HostKeyError) {},
		Caught: func(i int, p *guard.Panic) {
			found[i] = Repository{Host: hosts[i].Name, Failure: event.NewFailure(hosts[i].Name, event.StepCheck, p)}
		},
		End: func(i int, session *fleet.Session, err error) {
			found[i] = read(ctx, hosts[i], session, err, request, f.Timeouts.OrDefault().Query)
		},
	})
	return found
}

// read reads one host's package repository and closes the session, or records why there is none.
func read(ctx context.Context, h inventory.Host, session *fleet.Session, err error, request remote.StateRequest, timeout time.Duration) Repository {
	r := Repository{Host: h.Name}
	if err != nil {
		r.Failure = event.NewFailure(h.Name, event.StepConnect, err)
		return r
	}
	defer session.Close()
	bounded, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	if r.State, err = session.State(bounded, request); err != nil {
		r.Failure = event.NewFailure(h.Name, event.StepCheck, err)
		return r
	}
	if err := event.Problems(r.State.Problems); err != nil && len(r.State.Stages)+len(r.State.Packages) == 0 {
		r.Failure = event.NewFailure(h.Name, event.StepCheck, err)
	}
	return r
}

// stage is the state of a stage; false where the repository has none of that name.
func (r Repository) stage(stage string) (remote.StageState, bool) {
	at := slices.IndexFunc(r.State.Stages, func(s remote.StageState) bool { return s.Stage == stage })
	if at < 0 {
		return remote.StageState{}, false
	}
	return r.State.Stages[at], true
}

// HostState is the state of one stage on one host.
type HostState struct {
	Host        string         `json:"host"`
	Linked      string         `json:"linked"`   // text of the link, "" for none
	Answered    bool           `json:"answered"` // false: the host did not answer, or refused
	Confirmed   bool           `json:"confirmed"`
	Drift       string         `json:"drift,omitempty"`    // what was changed outside kis
	Hint        string         `json:"hint,omitempty"`     // what to do about Drift, if that concerns only this host
	Note        string         `json:"note,omitempty"`     // what else the journal records
	Degraded    bool           `json:"degraded,omitempty"` // the link was rolled back, and after_link failed or was interrupted
	Since       time.Time      `json:"since,omitzero"`
	By          string         `json:"by,omitempty"`
	Git         string         `json:"git,omitempty"` // revision that the linked package was built from
	Op          string         `json:"op,omitempty"`
	Run         string         `json:"run,omitempty"`
	Scope       string         `json:"scope,omitempty"`
	Interrupted *remote.Entry  `json:"interrupted,omitempty"` // the newest run, if it was interrupted
	Holder      *remote.Holder `json:"holder,omitempty"`      // of the lock, now
	Failure     *event.Failure `json:"failure,omitempty"`
	// Processes may still run another package than Linked.
	Processes []remote.Process `json:"processes,omitempty"`
	// Services of the stage, where [Stage.AddServices] was called.
	Services []remote.ServiceState `json:"services,omitempty"`

	described  string // the link that Since, By, Op, Run and Scope describe
	lastLinked string // what kis linked last, "" for nothing
	fresh      bool   // nothing is linked, and no run was ever recorded
}

// Stage is one stage over its hosts.
type Stage struct {
	Stage   string      `json:"stage"`
	Verdict Verdict     `json:"verdict"`
	Hosts   []HostState `json:"hosts"`
	Next    []Advice    `json:"next,omitempty"` // commands that fix it
	Hint    string      `json:"hint,omitempty"` // what to do if no command fixes it
}

// Verdict is the state of a stage over all its hosts.
type Verdict string

// The verdicts, from good to bad; the worst that applies is given.
const (
	Uniform     Verdict = "uniform"     // all hosts are linked to the same package, confirmed; or none is linked
	Subset      Verdict = "subset"      // hosts differ because a run was narrowed by --hosts
	Unconfirmed Verdict = "unconfirmed" // the same everywhere, but a run was interrupted
	Degraded    Verdict = "degraded"    // the same everywhere, but after_link failed or was interrupted after a rollback
	Diverged    Verdict = "diverged"    // hosts differ, and no run was interrupted: some are new, or on_partial left them
	Interrupted Verdict = "interrupted" // hosts differ because a run was interrupted
	Drift       Verdict = "drift"       // a link that kis did not make, or that does not lead to a sealed package
	InProgress  Verdict = "in progress" // a run is changing the stage
	Unreachable Verdict = "unknown"     // some hosts did not answer, or refused
)

// Judge derives the state of one stage from the repositories of its hosts.
func Judge(stage string, hosts []inventory.Host, repositories map[string]Repository) Stage {
	out := Stage{Stage: stage}
	for _, h := range hosts {
		out.Hosts = append(out.Hosts, hostState(stage, repositories[h.Name], h.Name))
	}
	out.Verdict = out.verdict()
	for i, s := range out.Hosts {
		if out.Verdict == Diverged && s.fresh {
			out.Hosts[i].Note = "never linked on this host"
		}
	}
	out.advise(repositories)
	return out
}

// AddServices adds whether the stage's services run, as far as the repositories were read with them, and
// advises where one does not.
func (s *Stage) AddServices(services []inventory.Service, repositories map[string]Repository) {
	var failing []string
	for i := range s.Hosts {
		h := &s.Hosts[i]
		for _, there := range repositories[h.Host].State.Services {
			if slices.ContainsFunc(services, func(own inventory.Service) bool { return own.Unit.String() == there.Name && own.User == there.User }) {
				h.Services = append(h.Services, there)
			}
		}
		if slices.ContainsFunc(h.Services, remote.ServiceState.Failing) {
			failing = append(failing, h.Host)
		}
	}
	advice := Advice{Verb: "logs", Stage: s.Stage, Why: "why a service does not run"}
	switch {
	case len(failing) == len(s.Hosts):
		s.Next = append(s.Next, advice)
	case len(failing) > 0:
		s.Next = append(s.Next, advice.On(failing))
	}
}

func hostState(stage string, r Repository, host string) HostState {
	s := HostState{Host: host, Failure: r.Failure, Answered: r.Failure == nil, fresh: r.Failure == nil}
	if there, some := r.stage(stage); some {
		s.read(there)
	}
	if s.Linked == "" && s.Interrupted == nil {
		s.Confirmed = s.Answered
	}
	for _, p := range r.State.Packages {
		if p.Name.String() == s.Linked && p.Receipt != nil {
			s.Git = p.Receipt.Git
		}
	}
	return s
}

// read takes over the state that the host reports. The link is the truth; the journal explains it.
func (s *HostState) read(there remote.StageState) {
	s.Linked, s.Holder, s.Processes = there.Linked, there.Holder, there.Processes
	journal := remote.ParseJournal(there.Lines)
	if last, open := journal.Open(); open && last.Event != remote.EventArmed && last.From == there.Linked && there.Holder == nil {
		// The host rolled back without recording it: the disk was full, or the agent was killed.
		// The next run on that host records it (link.py, recover).
		last.Event, last.Note = remote.EventReverted, "rolled back to the link before the last run, which the journal does not record"
		journal.Entries = append(journal.Entries, last)
	}
	s.Drift, s.Hint = drift(there)
	s.replay(journal)
	if s.described != there.Linked { // changed outside kis: no line describes it
		s.Since, s.By, s.Op, s.Run, s.Scope, s.Confirmed = time.Time{}, "", "", "", "", false
	}
	if notes := unread(journal); len(notes) > 0 {
		s.Note = strings.TrimSuffix(strings.Join(append(notes, s.Note), "; "), "; ")
	}
	last, some := journal.Last()
	s.fresh = !some && there.Linked == "" && there.Unread == nil
	switch {
	case !some:
		if there.Linked != "" && s.Drift == "" {
			s.Drift = "linked outside kis: the journal is empty"
		}
		return
	case last.Event.Incomplete():
		if there.Holder == nil {
			s.Interrupted = &last
		}
		s.Confirmed = false
	}
	want := expected(last)
	s.lastLinked = want
	// A run in progress renames before it writes its line.
	if s.Drift == "" && last.Event != remote.EventArmed && want != there.Linked && there.Holder == nil {
		s.Drift = "linked to " + event.LinkText(there.Linked) + ", but kis linked it to " + event.LinkText(want)
	}
}

// drift is what was changed outside kis, and what to do about it, as far as the host found out.
func drift(there remote.StageState) (drift, hint string) {
	switch {
	case there.Problem != nil:
		return there.Problem.Message, there.Problem.Hint
	case there.Unread != nil:
		return there.Unread.Message, there.Unread.Hint
	case there.Dangling:
		return "linked to " + there.Linked + ", which does not exist", ""
	case there.Linked != "" && !there.Sealed:
		return there.Linked + " is not a sealed package", "bump the version and push that, or roll back to another package: kis list " + there.Stage
	case there.Changed != nil:
		return there.Changed.Message, there.Changed.Hint
	}
	return "", ""
}

// replay takes over what the journal records about the link.
func (s *HostState) replay(j remote.Journal) {
	f := j.Fold()
	s.Since, s.By, s.Op, s.Run, s.Scope, s.Confirmed, s.described = f.Since, f.By, f.Op, f.Run, f.Scope, f.Confirmed, f.To
	s.Note, s.Degraded = f.Note, f.AfterLink != ""
	if f.AfterLink == remote.AfterLinkPending && s.Holder == nil {
		s.Note = "not back in service after the rollback"
	}
}

// unread counts lines of the journal that kis cannot use.
func unread(j remote.Journal) []string {
	var notes []string
	if j.Damaged > 0 {
		notes = append(notes, fmt.Sprintf("%d damaged lines in the journal", j.Damaged))
	}
	if j.Later > 0 {
		notes = append(notes, fmt.Sprintf("%d lines in the journal are of a newer kis", j.Later))
	}
	return notes
}

// expected is the link after this entry, unless it was changed outside kis.
func expected(e remote.Entry) string {
	switch e.Event {
	case remote.EventLinked, remote.EventConfirmed, remote.EventUnconfirmed:
		return e.To
	}
	return e.From
}

// SameLink reports whether all hosts link the same package, or none of them links any.
func (s Stage) SameLink() bool {
	for _, h := range s.Hosts {
		if !h.Answered || h.Linked != s.Hosts[0].Linked {
			return false
		}
	}
	return true
}

func (s Stage) verdict() Verdict {
	same := s.SameLink()
	interrupted, drift, unknown, subset, degraded, inProgress := false, false, false, false, false, false
	for _, h := range s.Hosts {
		interrupted = interrupted || h.Interrupted != nil
		inProgress = inProgress || h.Holder != nil
		drift = drift || h.Drift != ""
		unknown = unknown || !h.Answered
		subset = subset || h.Scope == "subset"
		degraded = degraded || h.Degraded
	}
	switch {
	case unknown:
		return Unreachable
	case inProgress:
		return InProgress
	case drift:
		return Drift
	case interrupted && !same:
		return Interrupted
	case interrupted:
		return Unconfirmed
	case !same && subset:
		return Subset
	case !same:
		return Diverged
	case degraded:
		return Degraded
	}
	return Uniform
}
