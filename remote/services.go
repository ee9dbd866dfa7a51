package remote

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/keep-it-simple/kis/internal/name"
)

// Service is a systemd unit of a stage.
type Service struct {
	Unit name.Unit `json:"name"`
	User bool      `json:"user"` // of the deploying user's own manager (systemctl --user), not of the system's
}

// Unit is a systemd service that somebody has written for a host.
type Unit struct {
	Name      string `json:"name"`
	User      bool   `json:"user"` // of the deploying user's own manager
	Exec      string `json:"exec"` // its command line
	Directory string `json:"directory"`
}

// ServiceState is whether a service runs.
type ServiceState struct {
	Name    string   `json:"name"` // of the unit
	User    bool     `json:"user,omitempty"`
	State   string   `json:"state"`             // ActiveState of org.freedesktop.systemd1(5), "missing" for no such unit, or "unknown"
	Seconds *float64 `json:"seconds,omitempty"` // since it entered that state; nil: not to be known, or on its way to another
}

// Failing reports whether the service should run and does not: it has failed, or systemd starts it again. A
// service that is inactive was ended by somebody, or has done what it had to do.
func (s ServiceState) Failing() bool { return s.State == "failed" || s.State == "activating" }

// check refuses what no service can be.
func (s *ServiceState) check() error {
	if _, err := name.ParseUnit(s.Name); err != nil {
		return err
	}
	if s.State == "" || len(s.State) > maxWord || strings.Trim(s.State, "abcdefghijklmnopqrstuvwxyz") != "" {
		return fmt.Errorf("service %s is %.40q", s.Name, s.State)
	}
	if s.Seconds != nil && (*s.Seconds < 0 || *s.Seconds > maxSeconds) {
		return fmt.Errorf("service %s is %s for %g s", s.Name, s.State, *s.Seconds)
	}
	return nil
}

// What is taken from a host: a state's length in bytes, and for how long it may have been in it.
const (
	maxWord    = 20
	maxSeconds = 1e10
)

// unitsAnswer is the answer to a request for units.
type unitsAnswer struct {
	Units []Unit `json:"units"`
}

// maxUnits is how many units are taken from a host.
const maxUnits = 200

func (u *unitsAnswer) check(raw json.RawMessage) error {
	u.Units = slices.DeleteFunc(u.Units[:min(len(u.Units), maxUnits)], func(one Unit) bool {
		_, err := name.ParseUnit(one.Name)
		return err != nil
	})
	for i := range u.Units {
		u.Units[i].Exec, u.Units[i].Directory = cut(u.Units[i].Exec, maxText), cut(u.Units[i].Directory, maxText)
	}
	return requireMembers(raw, "units")
}

// Units lists the services that somebody has written for the host: not those of the distribution.
func (a *Agent) Units(ctx context.Context) ([]Unit, error) {
	var answer unitsAnswer
	err := a.call(ctx, opUnits, nil, &answer, nil)
	return answer.Units, err
}

// RestartServices restarts units in their order, and waits until each is active and has only processes that were started by
// this restart. It needs the stage's lock. within bounds all of it. *Refused has the code "no-unit", "no-sudo", "no-systemd",
// "not-active", or "old-process" when a process survived the restart; units before the named one have been restarted.
func (a *Agent) RestartServices(ctx context.Context, s name.Stage, run name.Run, services []Service, within time.Duration) error {
	return a.call(ctx, opServices, servicesRequest{runRequest{s, run}, services, seconds(within)}, nil, nil)
}
