package main

import (
	"context"
	"slices"

	"github.com/spf13/cobra"

	"github.com/keep-it-simple/kis/internal/event"
	"github.com/keep-it-simple/kis/internal/survey"
	"github.com/keep-it-simple/kis/inventory"
	"github.com/keep-it-simple/kis/remote"
)

func newStatus(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "status [stage]",
		Short: "Show what each stage links to on every host, since when, and by whom",
		Long: `Status shows what every host has linked for a stage, whether the stage's services run and for how
long, and reports whether the hosts agree, whether a run was interrupted, and whether something was
changed outside kis. Many hosts with the same state share a row; with -v each has its own. It
changes nothing. It exits with 5 when hosts differ or do not answer.`,
		GroupID:           "inspect",
		Args:              arguments(0, "the stage"),
		ValidArgsFunction: a.completeStage,
		RunE:              func(cmd *cobra.Command, args []string) error { return a.status(cmd.Context(), args) },
	}
}

func (a *app) status(ctx context.Context, names []string) error {
	targets, found, err := a.read(ctx, names, wanted{services: true})
	if err != nil {
		return err
	}
	code := 0
	var stages []survey.Stage
	for _, t := range targets {
		s := survey.Judge(t.Name.String(), t.hosts, found)
		s.AddServices(t.Services, found)
		stages, code = append(stages, s), max(code, s.Exit())
	}
	a.ui.Status(stages)
	if code = a.exitStatus(event.Bugs(survey.Failures(namesOf(union(targets)), found)), code); code != 0 {
		return outcome{status: code}
	}
	return nil
}

// wanted is what is to be read of package repositories.
type wanted struct {
	lines    int  // of each journal; 0 for as many as the state of the stage needs
	packages bool // what is known of them
	services bool // whether those of the stages run
}

// read reads the package repositories of all hosts of the stages, by host.
func (a *app) read(ctx context.Context, names []string, w wanted) ([]target, map[string]survey.Repository, error) {
	inv, err := a.load()
	if err != nil {
		return nil, nil, err
	}
	targets, err := a.targets(inv, names)
	if err != nil {
		return nil, nil, err
	}
	f := a.deployer(inv, a.ui.View().Event).Fleet
	defer f.Dialer.Close() //nolint:errcheck // every client of it is closed already
	request := remote.StateRequest{Lines: w.lines}
	if w.packages {
		request.Keep = inv.Keep()
	}
	if w.services {
		request.Services = services(targets)
	}
	if w.lines > 0 && len(targets) == 1 { // without lines of other stages, which would displace these
		request.Stage = targets[0].Name
	}
	defer a.ui.Waiting("reading the package repositories")()
	found := map[string]survey.Repository{}
	for _, r := range survey.Read(ctx, f, union(targets), request) {
		found[r.Host] = r
	}
	return targets, found, ctx.Err()
}

// services are the services of all targets, each once. A host is asked for those of other hosts' stages, too.
func services(targets []target) []remote.Service {
	var all []remote.Service
	for _, t := range targets {
		for _, s := range t.Services {
			if one := remote.Service(s); !slices.Contains(all, one) {
				all = append(all, one)
			}
		}
	}
	return all
}

// union are the hosts of all targets, each once.
func union(targets []target) []inventory.Host {
	var hosts []inventory.Host
	for _, t := range targets {
		for _, h := range t.hosts {
			if !slices.ContainsFunc(hosts, func(other inventory.Host) bool { return other.Name == h.Name }) {
				hosts = append(hosts, h)
			}
		}
	}
	return hosts
}

// unanswered reports the hosts that did not answer: the result is incomplete without them, and the
// exit status says so.
func (a *app) unanswered(hosts []string, found map[string]survey.Repository) error {
	failures := survey.Failures(hosts, found)
	if len(failures) == 0 {
		return nil
	}
	bugs, status := event.Bugs(failures), event.Split.Exit()
	if len(bugs) > 0 {
		status = event.ExitBug
	}
	a.ui.Unanswered(failures, len(hosts), status)
	return outcome{status: a.exitStatus(bugs, status)}
}
