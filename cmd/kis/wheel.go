package main

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/keep-it-simple/kis/internal/deploy"
	"github.com/keep-it-simple/kis/internal/pybuild"
	"github.com/keep-it-simple/kis/internal/sdist"
	"github.com/keep-it-simple/kis/internal/wheel"
	"github.com/keep-it-simple/kis/inventory"
	"github.com/keep-it-simple/kis/remote"
)

// applicationWheel builds the wheel of an application once, and keeps it for all hosts.
type applicationWheel struct {
	archive *sdist.Archive
	options pybuild.Options

	mu     sync.Mutex
	tried  bool
	built  *wheel.Archive
	failed error
	at     map[string]*wheel.Archive // of an editable one, by directory of the package on a host
}

func newApplicationWheel(a *sdist.Archive, dir string, inv *inventory.Inventory) *applicationWheel {
	return &applicationWheel{archive: a, at: map[string]*wheel.Archive{}, options: pybuild.Options{
		Dir: dir, Editable: inv.Install().Mode == inventory.ModeEditable,
	}}
}

// Build builds the wheel unless that was tried. say gets sentences for the user meanwhile. For returns its error.
func (w *applicationWheel) Build(ctx context.Context, say func(string)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.tried {
		w.tried, w.options.Say = true, say
		w.built, w.failed = pybuild.Wheel(ctx, w.archive, w.options)
	}
}

// For is the wheel for a package in a directory of a host.
func (w *applicationWheel) For(ctx context.Context, dir string, say func(string)) (*deploy.Wheel, error) {
	w.Build(ctx, say)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.failed != nil {
		return nil, withCause(w.failed)
	}
	a := w.built
	if a.Editable() {
		if a = w.at[dir]; a == nil {
			var err error
			if a, err = w.built.At(dir); err != nil {
				return nil, fmt.Errorf("its wheel for %s: %w", dir, err)
			}
			w.at[dir] = a
		}
	}
	return &deploy.Wheel{Wheel: remote.Wheel{Name: a.Name, SHA256: a.SHA256, Size: a.Size}, Requires: a.RequiresDist, Open: a.Open}, nil
}

// withCause adds why a build failed, as far as its output says it.
func withCause(err error) error {
	failed, some := errors.AsType[*pybuild.Error](err)
	switch {
	case some && failed.Cause != "":
		return fmt.Errorf("%w: %s", err, failed.Cause)
	case some && len(failed.Tail) > 0:
		return fmt.Errorf("%w: %s", err, failed.Tail[len(failed.Tail)-1])
	}
	return err
}

// Close frees the files.
func (w *applicationWheel) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	var errs []error
	for _, a := range w.at {
		errs = append(errs, a.Close())
	}
	if w.built != nil {
		errs = append(errs, w.built.Close())
	}
	return errors.Join(errs...)
}
