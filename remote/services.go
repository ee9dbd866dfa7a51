package remote

import (
	"context"
	"time"

	"github.com/keep-it-simple/kis/internal/name"
)

// Service is a systemd unit of a stage.
type Service struct {
	Unit name.Unit `json:"name"`
	User bool      `json:"user"` // of the deploying user's own manager (systemctl --user), not of the system's
}

// RestartServices restarts units in their order, and waits until each is active and has only processes that were started by
// this restart. It needs the stage's lock. within bounds all of it. *Refused has the code "no-unit", "no-sudo", "no-systemd",
// "not-active", or "old-process" when a process survived the restart; units before the named one have been restarted.
func (a *Agent) RestartServices(ctx context.Context, s name.Stage, run name.Run, services []Service, within time.Duration) error {
	return a.call(ctx, opServices, servicesRequest{runRequest{s, run}, services, seconds(within)}, nil, nil)
}
