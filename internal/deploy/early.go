package deploy

import (
	"context"
	"io"
	"path"
	"time"

	"github.com/keep-it-simple/kis/internal/event"
	"github.com/keep-it-simple/kis/internal/guard"
	"github.com/keep-it-simple/kis/remote"
)

// early copies wheels to a host that waits while another one still resolves the requirements: those that pip has downloaded
// there are probably needed. They stay in the run's directory, which goes with the run, until obtain stores those that are
// needed. One host at a time copies: pip needs its host, and that the line to it. Only SFTP will do, because it can be
// stopped when the environment is known.
type early struct {
	h     *host
	out   *sender
	seen  map[string]bool // by their sha256, those that were copied, and those that were here
	ended bool            // by a failure, or from the start
}

func (h *host) newEarly() *early {
	return &early{h: h, out: h.newSender(event.StepWheels, nil), seen: map[string]bool{}, ended: h.noSFTP || !h.Become.IsZero()}
}

func (e *early) close() { e.out.close() }

// choose chooses those of the wheels that are here soon, as sendSoon does. As long as no line is known, it is one that shows
// how fast they are.
func (e *early) choose(wheels []remote.Wheel) (chosen []remote.Wheel) {
	if e.ended {
		return nil
	}
	var total time.Duration
	for _, w := range wheels {
		if e.seen[w.SHA256] {
			continue
		}
		took, known := e.h.lasts(w)
		if !known && w.Size >= minMeasured && w.Size <= probeSize {
			return []remote.Wheel{w}
		}
		if known && total+took <= e.h.run.timeouts().Index {
			total += took
			chosen = append(chosen, w)
		}
	}
	return chosen
}

// copy copies the wheels until the environment is known. After a failure, such as of a full disk, nothing of them stays.
func (e *early) copy(ctx, known context.Context, chosen []remote.Wheel) {
	sending, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(known, guard.Func(cancel, func(bug *guard.Panic) { e.h.log.Bug(bug) }))()
	if e.send(ctx, sending, chosen) != nil && known.Err() == nil {
		e.ended = true
		e.remove()
	}
}

// remove removes what was copied, where the host still answers; else it goes with the run's directory.
func (e *early) remove() {
	if e.out.sftp != nil {
		for _, part := range e.h.parts {
			_ = e.out.sftp.Remove(path.Join(e.h.locked.Directory, part))
		}
	}
	clear(e.h.parts)
}

// send sends wheels. Only what goes to this host may be stopped: a command to the other one that is stopped ends its session.
func (e *early) send(ctx, sending context.Context, chosen []remote.Wheel) error {
	var all []upload
	for _, w := range chosen {
		e.seen[w.SHA256] = true
		all = append(all, upload{w.SHA256, w.Size, func() (io.ReadCloser, error) { return e.h.run.exchange.open(ctx, w) }})
	}
	missing, err := e.h.lacking(ctx, all)
	if err != nil {
		return err
	}
	for _, u := range missing {
		e.out.total += u.size
	}
	for _, u := range missing {
		part, err := e.out.writeSFTP(sending, u)
		if err != nil {
			return err
		}
		e.out.before += u.size
		e.h.parts[u.sha256] = part
	}
	return nil
}
