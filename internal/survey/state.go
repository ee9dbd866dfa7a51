package survey

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/keep-it-simple/kis/internal/event"
	"github.com/keep-it-simple/kis/internal/fleet"
	"github.com/keep-it-simple/kis/internal/guard"
	"github.com/keep-it-simple/kis/inventory"
	"github.com/keep-it-simple/kis/remote"
	"github.com/keep-it-simple/kis/sshx"
)

// Repository is what one host's package repository holds now, or why that is not known.
type Repository struct {
	Host    string                 `json:"host"`
	State   remote.RepositoryState `json:"state"`
	System  remote.Host            `json:"system"`
	Failure *event.Failure         `json:"failure,omitempty"`
	Seconds float64                `json:"seconds"`
}

// queryTimeout bounds the wait for the state of a repository.
const queryTimeout = 30 * time.Second

// Read reads the package repositories of hosts, all at once, in their order. Nothing changes on any host.
func Read(ctx context.Context, f *fleet.Fleet, hosts []inventory.Host, request remote.StateRequest) []Repository {
	found, begins := make([]Repository, len(hosts)), make([]time.Time, len(hosts))
	f.ConnectAll(ctx, hosts, fleet.Progress{
		Begin:    func(i int) bool { begins[i] = time.Now(); return true },
		Accepted: func(*sshx.HostKeyError) {},
		Caught: func(i int, p *guard.Panic) {
			found[i] = Repository{Host: hosts[i].Name, Failure: event.NewFailure(hosts[i].Name, event.StepCheck, p)}
		},
		End: func(i int, session *fleet.Session, err error) {
			found[i] = read(ctx, hosts[i], session, err, request)
			found[i].Seconds = time.Since(begins[i]).Seconds()
		},
	})
	return found
}

// read reads one host's package repository and closes the session, or says why there is none.
func read(ctx context.Context, h inventory.Host, session *fleet.Session, err error, request remote.StateRequest) Repository {
	r := Repository{Host: h.Name}
	if err != nil {
		r.Failure = event.NewFailure(h.Name, event.StepConnect, err)
		return r
	}
	defer session.Close()
	r.System = session.Host()
	bounded, cancel := context.WithTimeout(ctx, queryTimeout)
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

// Unread is why the stage's journal could not be read on this host, nil when it could or when the host could not be asked at all.
func (r Repository) Unread(stage string) *event.Failure {
	for _, s := range r.State.Stages {
		if s.Stage == stage && s.Unread != nil {
			return &event.Failure{Host: r.Host, Step: event.StepCheck, State: event.Refused, Code: s.Unread.Code, Message: s.Unread.Message, Hint: s.Unread.Hint}
		}
	}
	return nil
}

// HostState is what is true of one stage on one host.
type HostState struct {
	Host        string         `json:"host"`
	Linked      string         `json:"linked"` // text of the link, "" for none
	Known       bool           `json:"known"`  // false: the host could not be asked
	Confirmed   bool           `json:"confirmed"`
	Drift       string         `json:"drift,omitempty"`    // what is there that kis did not do
	Hint        string         `json:"hint,omitempty"`     // what to do about Drift, where it is for this host alone
	Note        string         `json:"note,omitempty"`     // what the journal says beside it
	Degraded    bool           `json:"degraded,omitempty"` // the link was taken back, and after_link failed then or did not come to its end
	Since       time.Time      `json:"since,omitzero"`
	By          string         `json:"by,omitempty"`
	Op          string         `json:"op,omitempty"`
	Run         string         `json:"run,omitempty"`
	Scope       string         `json:"scope,omitempty"`
	Interrupted *remote.Entry  `json:"interrupted,omitempty"` // the newest run, when it did not come to its end
	Holder      *remote.Holder `json:"holder,omitempty"`      // of the lock, now
	Failure     *event.Failure `json:"failure,omitempty"`

	said       string // what Since, By, Op, Run and Scope are about
	lastLinked string // what kis has linked last, "" for nothing
	fresh      bool   // nothing is linked, and no run has ever been here
}

// Stage is one stage over its hosts.
type Stage struct {
	Stage   string      `json:"stage"`
	Verdict Verdict     `json:"verdict"`
	Hosts   []HostState `json:"hosts"`
	Next    []Advice    `json:"next,omitempty"` // commands that fix it
	Hint    string      `json:"hint,omitempty"` // what to do where no command can
}

// Verdict is what a stage is, over all its hosts.
type Verdict string

// The verdicts, from good to bad; the worst that applies is given.
const (
	Uniform     Verdict = "uniform"     // all hosts are linked to the same package, confirmed; or none is linked
	Subset      Verdict = "subset"      // hosts differ because a run was narrowed by --hosts
	Unconfirmed Verdict = "unconfirmed" // the same everywhere, but a run did not come to its end
	Degraded    Verdict = "degraded"    // the same everywhere, but after_link failed after the way back or did not come to its end
	Diverged    Verdict = "diverged"    // hosts differ, and no run is open: some are new in the stage, say, or were left behind by on_partial
	Interrupted Verdict = "interrupted" // hosts differ because a run did not come to its end
	Drift       Verdict = "drift"       // a link that kis did not make, or that does not lead to a sealed package
	InProgress  Verdict = "in progress" // a run is at work: what is seen is on its way
	Unreachable Verdict = "unknown"     // some hosts could not be asked
)

// Judge makes the hostState of one stage out of what was seen on its hosts.
func Judge(stage string, hosts []inventory.Host, repositories map[string]Repository) Stage {
	out := Stage{Stage: stage}
	for _, h := range hosts {
		out.Hosts = append(out.Hosts, hostState(stage, repositories[h.Name], h.Name))
	}
	out.Verdict = verdict(out.Hosts)
	for i, s := range out.Hosts {
		if out.Verdict == Diverged && s.fresh {
			out.Hosts[i].Note = "nothing has been linked here so far"
		}
	}
	out.advise(repositories)
	return out
}

func hostState(stage string, look Repository, host string) HostState {
	s := HostState{Host: host, Failure: look.Failure, Known: look.Failure == nil, fresh: look.Failure == nil}
	for _, there := range look.State.Stages {
		if there.Stage == stage {
			s.read(there)
		}
	}
	if s.Linked == "" && s.Interrupted == nil {
		s.Confirmed = s.Known
	}
	return s
}

// read takes over one stage's state. The link is the truth; the journal explains it.
func (s *HostState) read(there remote.StageState) {
	s.Linked, s.Holder = there.Linked, there.Holder
	journal := remote.ParseJournal(there.Lines)
	if last, open := journal.Open(); open && last.Event != "armed" && last.From == there.Linked && there.Holder == nil {
		// It has gone back, and that is not written down: the disk was full, or the agent was killed there. The next run on that host writes
		// it (link.py, recover).
		last.Event, last.Note = "reverted", "back to what was before the last run, which the journal does not tell"
		journal.Entries = append(journal.Entries, last)
	}
	switch {
	case there.Problem != nil:
		s.Drift, s.Hint = there.Problem.Message, there.Problem.Hint
	case there.Unread != nil:
		s.Drift, s.Hint = there.Unread.Message, there.Unread.Hint
	case there.Dangling:
		s.Drift = "linked to " + there.Linked + ", which does not exist"
	case there.Linked != "" && !there.Sealed:
		s.Drift = there.Linked + " is not a sealed package"
		s.Hint = "bump the version and push that, or roll back to another package: kis list " + there.Stage
	case there.Changed != nil:
		s.Drift, s.Hint = there.Changed.Message, there.Changed.Hint
	}
	s.replay(journal)
	if s.said != there.Linked { // other hands' link, which no line is about
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
			s.Drift = "linked, but not by kis: the journal is empty"
		}
		return
	case last.Event == "armed" || last.Event == "linked" || last.Event == "unconfirmed":
		if there.Holder == nil {
			s.Interrupted = &last
		}
		s.Confirmed = false
	}
	want := expected(last)
	s.lastLinked = want
	// A run that is at work renames before it writes its line.
	if s.Drift == "" && last.Event != "armed" && want != there.Linked && there.Holder == nil {
		s.Drift = "linked to " + event.LinkText(there.Linked) + ", but kis linked it to " + event.LinkText(want)
	}
}

// replay takes over what the journal says of the link.
func (s *HostState) replay(j remote.Journal) {
	f := j.Fold()
	s.Since, s.By, s.Op, s.Run, s.Scope, s.Confirmed, s.said = f.Since, f.By, f.Op, f.Run, f.Scope, f.Confirmed, f.To
	s.Note, s.Degraded = f.Note, f.AfterLink != ""
	if f.AfterLink == remote.AfterLinkPending && s.Holder == nil {
		s.Note = "after_link did not complete after the rollback"
	}
}

// unread tells of lines that the journal has and that say nothing. The link is the truth all the same.
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

// expected is what the stage is linked to if nobody but kis has touched it since this entry.
func expected(e remote.Entry) string {
	switch e.Event {
	case "linked", "confirmed", "unconfirmed":
		return e.To
	}
	return e.From
}

// SameLink reports whether all hosts are linked to the same, or none of them is.
func (l Stage) SameLink() bool { return sameLink(l.Hosts) }

func sameLink(hosts []HostState) bool {
	for _, s := range hosts {
		if !s.Known || s.Linked != hosts[0].Linked {
			return false
		}
	}
	return true
}

func verdict(hosts []HostState) Verdict {
	same := sameLink(hosts)
	interrupted, drift, unknown, subset, degraded, busy := false, false, false, false, false, false
	for _, s := range hosts {
		interrupted = interrupted || s.Interrupted != nil
		busy = busy || s.Holder != nil
		drift = drift || s.Drift != ""
		unknown = unknown || !s.Known
		subset = subset || s.Scope == "subset"
		degraded = degraded || s.Degraded
	}
	switch {
	case unknown:
		return Unreachable
	case busy:
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
