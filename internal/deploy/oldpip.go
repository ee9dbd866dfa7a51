package deploy

import (
	"context"
	"fmt"
	"slices"

	"github.com/keep-it-simple/kis/internal/event"
	"github.com/keep-it-simple/kis/remote"
)

// checkPip refuses an editable application that the host's pip would have to install and cannot:
// pip is too old, and the wheels of the inventory, which replace the index, contain no newer one.
// Whether this machine builds the application, so that no pip installs it, is known once it was
// tried.
func (h *host) checkPip(ctx context.Context) error {
	plan := h.run.plan
	wheels := plan.Recipe.Wheels
	if plan.Archive == nil || plan.Recipe.Mode != remote.Editable || h.facts.OldPip == "" || len(wheels) == 0 || slices.ContainsFunc(wheels, installsEditable) || h.facts.Package.State == remote.Sealed {
		return nil
	}
	if wheel, err := h.applicationWheel(ctx); err != nil || wheel != nil {
		return err
	}
	message := fmt.Sprintf("pip %s on this host is too old for editable installs (PEP 660), and wheels: contains no newer one", h.facts.OldPip)
	return event.Refuse(remote.CodeNoPip, message, "add a wheel of pip to wheels:, set install: {mode: regular}, or name a newer python:")
}

// installsEditable reports whether a wheel is a pip that makes editable installs.
func installsEditable(w remote.Wheel) bool {
	var major, minor int
	if n, _ := fmt.Sscanf(w.Name, "pip-%d.%d", &major, &minor); n == 0 { // a version may have one number
		return false
	}
	return major > 21 || major == 21 && minor >= 3
}
