package fleet

import (
	"context"
	"errors"
	"strings"

	"github.com/keep-it-simple/kis/remote"
	"github.com/keep-it-simple/kis/transfer"
)

// errInterrupted is the cause of a context that the user has ended.
var errInterrupted = errors.New("interrupted")

// failure makes of an error what is reported. An error that is not known for a refusal is unknown: nothing is guessed.
func failure(host string, step Step, err error) *Failure {
	f := &Failure{Host: host, Step: step, State: Unknown, Message: strings.TrimPrefix(err.Error(), host+": "), err: err}
	var refused *remote.Refused
	var start *remote.StartError
	var own *Failure
	var sent *transfer.Error
	var hinted interface{ Hint() string }
	switch {
	case errors.As(err, &own):
		copied := *own
		copied.Host, copied.Step, copied.answered = host, step, own.State == Refused
		return &copied
	case errors.As(err, &refused):
		f.answered = true
		f.State, f.Code, f.Message, f.Hint, f.Tail = Refused, refused.Code, refused.Message, refused.Hint, refused.Tail
		if refused.Holder != nil {
			f.Message += holderText(refused.Holder)
			f.Hint = "wait for it (--lock-wait 10m does), or look: kis status"
		}
		if refused.Ours != "" {
			f.Message += ": " + refused.Theirs + " there, " + refused.Ours + " here"
			f.Hint = "packages are never changed: bump the version"
		}
	case errors.As(err, &start):
		f.answered = true
		f.State, f.Message, f.Hint, f.Tail = Refused, start.Message, start.Hint, start.Tail
	case errors.As(err, &sent) && (sent.Kind == transfer.Source || sent.Kind == transfer.Size):
		f.State = Refused // by this machine: what has arrived counts for nothing
	case errors.Is(err, context.Canceled):
		f.Message = "interrupted"
	}
	if step == StepConnect {
		f.State = Refused // nothing has been asked of the host yet
		f.answered = f.answered || hasLetNobodyIn(err)
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

// holderText is HolderText behind a colon, "" when nothing is known.
func holderText(h *remote.Holder) string {
	if h.Who == "" {
		return ""
	}
	return ": " + HolderText(h)
}

// HolderText says who holds a lock, with what, since when.
func HolderText(h *remote.Holder) string {
	if h.Who == "" {
		return "somebody"
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

// refuse is a refusal of the controller's own.
func refuse(code, message, hint string) error {
	return &Failure{State: Refused, Code: code, Message: message, Hint: hint}
}
