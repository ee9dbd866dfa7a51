package deploy

import (
	"context"
	"io"
	"slices"

	"github.com/keep-it-simple/kis/internal/event"
	"github.com/keep-it-simple/kis/remote"
)

// early copies wheels to a host that waits while another one still resolves the requirements: those that pip has downloaded
// there are probably needed. They stay in the run's directory, which goes with the run, until obtain stores those that are
// needed. So a failure only ends the copying. One host at a time copies: pip needs its host, and that the line to it.
type early struct {
	h     *host
	out   *sender
	seen  map[string]bool // by their sha256, those that were copied, and those that were here
	ended bool
}

func (h *host) newEarly() *early {
	return &early{h: h, out: h.newSender(event.StepWheels, nil), seen: map[string]bool{}}
}

func (e *early) close() { e.out.close() }

// choose chooses those of the wheels that are here soon, as sendSoon does.
func (e *early) choose(wheels []remote.Wheel) (chosen []remote.Wheel) {
	if e.ended {
		return nil
	}
	for _, w := range wheels {
		if !e.seen[w.SHA256] && (len(chosen) == 0 && e.measures(w) || e.h.isSentSoon(append(slices.Clone(chosen), w)...)) {
			chosen = append(chosen, w)
		}
	}
	return chosen
}

// measures reports whether the wheel may show how fast the lines are, which is not known yet.
func (e *early) measures(w remote.Wheel) bool {
	_, isKnown := e.h.run.exchange.lasts(w)
	return w.Size <= probeSize && (!isKnown || !e.h.line.isKnown())
}

// copy copies the wheels.
func (e *early) copy(ctx context.Context, chosen []remote.Wheel) {
	e.ended = e.send(ctx, chosen) != nil
}

// send sends wheels. Reading one from the host that works is given up when that takes long.
func (e *early) send(ctx context.Context, wheels []remote.Wheel) error {
	reading, cancel := within(ctx, e.h.run.timeouts().Index)
	defer cancel()
	var all []upload
	for _, w := range wheels {
		e.seen[w.SHA256] = true
		all = append(all, upload{w.SHA256, w.Size, func() (io.ReadCloser, error) { return e.h.run.exchange.open(reading, w) }})
	}
	missing, err := e.h.lacking(ctx, all)
	if err != nil {
		return err
	}
	for _, u := range missing {
		e.out.total += u.size
	}
	for _, u := range missing {
		part, err := e.out.write(ctx, u)
		if err != nil {
			return err
		}
		e.out.before += u.size
		e.h.parts[u.sha256] = part
	}
	return nil
}

// storeParts stores those of the files that were copied before it was known that they are needed, and returns the others.
func (h *host) storeParts(ctx context.Context, missing []upload) (left []upload, err error) {
	for _, u := range missing {
		part, some := h.parts[u.sha256]
		if !some {
			left = append(left, u)
			continue
		}
		if err := h.session.Receive(ctx, part, u.sha256, u.size); err != nil {
			return nil, err
		}
	}
	return left, nil
}
