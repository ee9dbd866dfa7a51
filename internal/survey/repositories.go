package survey

import (
	"maps"
	"slices"

	"github.com/keep-it-simple/kis/internal/event"
)

// Failures returns why hosts did not answer, in the order of the hosts.
func Failures(hosts []string, found map[string]Repository) []event.Failure {
	var failures []event.Failure
	for _, h := range hosts {
		if f := found[h].Failure; f != nil {
			failures = append(failures, *f)
		}
	}
	return failures
}

// Answered are the hosts that answered.
func Answered(hosts []string, found map[string]Repository) []string {
	var answered []string
	for _, h := range hosts {
		if found[h].Failure == nil {
			answered = append(answered, h)
		}
	}
	return answered
}

// RequireJournal makes a journal of the stage that could not be read the failure of its host.
func RequireJournal(stage string, found map[string]Repository) {
	for host, r := range found {
		there, _ := r.stage(stage)
		if why := there.Unread; why != nil {
			r.Failure = &event.Failure{
				Host: r.Host, Step: event.StepCheck, State: event.Refused,
				Code: why.Code, Message: why.Message, Hint: why.Hint,
			}
			found[host] = r
		}
	}
}

// Older reports whether the stage's journal has lines before those that were read.
func (r Repository) Older(stage string) bool {
	there, _ := r.stage(stage)
	return there.Older
}

// AnyOlder reports whether a journal of the stage has lines before those that were read.
func AnyOlder(stage string, found map[string]Repository) bool {
	return slices.ContainsFunc(slices.Collect(maps.Values(found)), func(r Repository) bool { return r.Older(stage) })
}

// Exit is the exit status of a query about the stage.
func (s Stage) Exit() int {
	switch s.Verdict {
	case Uniform, Degraded, Unconfirmed:
		return event.Succeeded.Exit()
	case InProgress:
		if s.SameLink() {
			return event.Succeeded.Exit()
		}
	}
	return event.Split.Exit()
}
