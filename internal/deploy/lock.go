package deploy

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/keep-it-simple/kis/internal/event"
	"github.com/keep-it-simple/kis/internal/fleet"
	"github.com/keep-it-simple/kis/internal/guard"
	"github.com/keep-it-simple/kis/internal/safetext"
	"github.com/keep-it-simple/kis/remote"
)

// lockAll acquires the stage's lock on every host, or on none. While another run has it, lockAll
// retries for as long as LockWait allows; between attempts it holds no lock, so that two waiting
// runs cannot deadlock.
func (r *run) lockAll(ctx context.Context) bool {
	return r.timed(ctx, "lock", func() {
		ends := make([]func(error) error, len(r.hosts))
		for i, h := range r.hosts {
			ends[i] = h.log.Begin(event.StepLock)
		}
		errs := r.tryLocks(ctx)
		until := time.Now().Add(r.LockWait)
		for holder := lockedBy(errs); holder != nil && time.Now().Before(until) && ctx.Err() == nil; holder = lockedBy(errs) {
			r.waitForLock(ctx, holder, errs)
			errs = r.tryLocks(ctx)
		}
		for i, end := range ends {
			_ = end(errs[i]) // reported; the run counts failures
		}
	})
}

func (r *run) tryLocks(ctx context.Context) []error {
	errs := make([]error, len(r.hosts))
	fleet.Each(len(r.hosts), r.Fleet.Limit(), func(i int) { errs[i] = r.hosts[i].lock(ctx) }, func(i int, p *guard.Panic) { errs[i] = r.hosts[i].log.Caught(p) })
	return errs
}

// waitForLock releases what was locked and pauses.
func (r *run) waitForLock(ctx context.Context, holder *remote.Holder, errs []error) {
	if !r.waited {
		r.stream.Notice("", fmt.Sprintf("waiting up to %s for the lock%s", safetext.Duration(r.LockWait), event.LockedBy(holder)))
	}
	r.waited = true
	fleet.Each(len(r.hosts), r.Fleet.Limit(), func(i int) {
		if errs[i] == nil {
			_ = r.hosts[i].session.Unlock(ctx) // if it fails, the next attempt to lock reports it
		}
	}, r.caught)
	// Random, so that two waiting runs do not try at the same times.
	pause := r.timeouts().Pause
	_ = fleet.Wait(ctx, pause+rand.N(pause)) //nolint:gosec // no secret
}

// checkAgain repeats the checks whose results another run may have changed while this one waited
// for its lock.
func (r *run) checkAgain(ctx context.Context) bool {
	if !r.waited {
		return true
	}
	if r.plan.Op != event.Push {
		r.pkg = r.plan.Target
	}
	return r.readSource(ctx) && r.phase(ctx, "check", r.check) && r.chooseTarget() && r.checkInstaller(ctx)
}

// lockedBy is the holder of one of the locks, if locks of other runs are the only errors; else nil. It has no name where
// the host does not know it.
func lockedBy(errs []error) *remote.Holder {
	var holder *remote.Holder
	for _, err := range errs {
		if err == nil {
			continue
		}
		refused, ok := errors.AsType[*remote.Refused](err)
		if !ok || refused.Code != remote.CodeLocked {
			return nil
		}
		holder = cmp.Or(refused.Holder, &remote.Holder{})
	}
	return holder
}

// owner is what the lock records about this run.
func (r *run) owner() remote.Holder {
	return remote.Holder{Who: r.Who, What: fmt.Sprintf("%s %s %s", r.plan.Op, r.stage, r.pkg)}
}

// lock acquires the lock on one host.
func (h *host) lock(ctx context.Context) error {
	r := h.run
	ctx, cancel := within(ctx, r.timeouts().Query)
	defer cancel()
	locked, err := h.session.Lock(ctx, r.stage, r.id, r.owner())
	if err != nil {
		return h.explainOwnLock(err)
	}
	h.locked, h.linked = locked, locked.Linked
	if err := h.readJournalAgain(ctx); err != nil {
		return err
	}
	if len(locked.Fenced) > 0 {
		h.log.Notice("removed a prepared link left behind by a run that crashed")
	}
	if !r.waited && h.linked != h.facts.Stage.Linked {
		message := fmt.Sprintf("the link of %s changed from %s to %s since the check", r.stage, event.LinkText(h.facts.Stage.Linked), event.LinkText(h.linked))
		return event.Refuse(remote.CodeLinkChanged, message, "another user or process changed it: kis status "+r.stage.String())
	}
	return nil
}

// readJournalAgain reads the journal under the lock if it has grown since the check: by a run that
// ended in the meantime, or by the agent's recovery of a run that crashed.
func (h *host) readJournalAgain(ctx context.Context) error {
	if h.journal.Seq() == h.locked.Journal {
		return nil
	}
	facts, err := h.session.Check(ctx, remote.CheckRequest{Stage: h.run.stage})
	if err == nil {
		h.journal, h.linked = remote.ParseJournal(facts.Stage.Lines), facts.Stage.Linked
	}
	return err
}

// beginPackage acquires the package's build lock, which the run of another stage may have, and
// waits for it as for the stage's.
func (h *host) beginPackage(ctx context.Context, s remote.Source) (*remote.Receipt, error) {
	r := h.run
	until := time.Now().Add(r.LockWait)
	for {
		sealed, err := h.session.Begin(ctx, s)
		holder := lockedBy([]error{err})
		if holder == nil || !time.Now().Before(until) {
			return sealed, err
		}
		r.buildWait.Do(func() {
			r.stream.Notice("", fmt.Sprintf("waiting up to %s for the build of %s%s", safetext.Duration(r.LockWait), r.pkg, event.LockedBy(holder)))
		})
		if err := fleet.Wait(ctx, r.timeouts().Pause); err != nil {
			return nil, err
		}
	}
}
