package event

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/keep-it-simple/kis/internal/guard"
	"github.com/keep-it-simple/kis/remote"
	"github.com/keep-it-simple/kis/transfer"
)

// failuresOf are why hosts failed, by their results.
func failuresOf[T any](all []T, why func(T) *Failure) []Failure {
	var found []Failure
	for _, one := range all {
		if f := why(one); f != nil {
			found = append(found, *f)
		}
	}
	return found
}

// NewFailure classifies an error of a step. Unless it is certain that an error is a refusal, the
// state is unknown.
func NewFailure(host string, step Step, err error) *Failure {
	f := &Failure{Host: host, Step: step, State: Unknown, Message: strings.TrimPrefix(err.Error(), host+": "), err: err}
	var refused *remote.Refused
	var start *remote.StartError
	var own *Failure
	var sent *transfer.Error
	var hinted interface{ Hint() string }
	if bug, ok := errors.AsType[*guard.Panic](err); ok { // whatever wraps it: the state of the host is unknown
		f.Code, f.Message = CodePanic, bug.Error()
		return f
	}
	switch {
	case errors.As(err, &own):
		copied := *own
		copied.Host, copied.Step, copied.Answered = host, step, own.State == Refused
		return &copied
	case errors.As(err, &refused):
		f.Answered = true
		f.State, f.Code, f.Message, f.Hint = Refused, refused.Code, refused.Message, refused.Hint
		f.Cause, f.Tail = refused.Cause, refused.Tail
		if refused.Holder != nil {
			f.Message += LockedBy(refused.Holder)
			f.Hint = "wait for it (--lock-wait 10m), or see who holds it: kis status"
		}
		if refused.Ours != "" {
			f.Message += ": " + refused.Theirs + " on the host, " + refused.Ours + " on this machine"
			f.Hint = "packages are never changed: bump the version"
		}
	case errors.As(err, &start):
		f.Answered = true
		f.State, f.Message, f.Hint, f.Tail = Refused, start.Message, start.Hint, start.Tail
	case errors.As(err, &sent) && (sent.Kind == transfer.Source || sent.Kind == transfer.Size):
		f.State = Refused // by this machine: the host ignores a file without its digest
	case errors.Is(err, context.Canceled):
		f.Message = "interrupted"
	}
	if step == StepConnect {
		f.State = Refused // the host was not asked to do anything yet
		f.Answered = f.Answered || LoginRefused(err)
		f.Here = !f.Answered && isHere(err)
		f.Message = strings.TrimPrefix(f.Message, string(StepConnect)+": ")
		if f.Hint == "" {
			f.Hint = reachHint(err)
		}
	}
	if errors.As(err, &hinted) && f.Hint == "" {
		f.Hint = hinted.Hint()
	}
	return f
}

// LockedBy is HolderText after a colon, "" when the holder is unknown.
func LockedBy(h *remote.Holder) string {
	if h.Who == "" {
		return ""
	}
	return ": " + HolderText(h)
}

// HolderText names the user who holds a lock, the command and the time.
func HolderText(h *remote.Holder) string {
	if h.Who == "" {
		return "unknown user"
	}
	text := h.Who
	if h.What != "" {
		text += ", " + h.What
	}
	if !h.Since.IsZero() {
		text += ", since " + h.Since.Format("15:04:05 MST")
	}
	return text
}

// Refuse is a refusal by kis itself.
func Refuse(code remote.Code, message, hint string) error {
	return &Failure{State: Refused, Code: code, Message: message, Hint: hint}
}

// LinkText is the text of a link for messages: "nothing" where there is none.
func LinkText(link string) string {
	if link == "" {
		return "nothing"
	}
	return link
}

// Problems joins all problems that a check found into one refusal; nil for none.
func Problems(found []remote.Problem) error {
	if len(found) == 0 {
		return nil
	}
	messages, hints := []string{}, []string{}
	for _, p := range found {
		messages = append(messages, p.Message)
		if p.Hint != "" && !slices.Contains(hints, p.Hint) {
			hints = append(hints, p.Hint)
		}
	}
	return &Failure{State: Refused, Code: found[0].Code, Message: strings.Join(messages, "; "), Hint: strings.Join(hints, "\n")}
}
