package deploy

import (
	"context"
	"errors"
	"time"

	"github.com/keep-it-simple/kis/internal/event"
	"github.com/keep-it-simple/kis/internal/fleet"
	"github.com/keep-it-simple/kis/internal/guard"
	"github.com/keep-it-simple/kis/internal/name"
	"github.com/keep-it-simple/kis/inventory"
	"github.com/keep-it-simple/kis/remote"
	"github.com/keep-it-simple/kis/sshx"
)

// unlimited is how long programs of a user may run if no timeout is set.
const unlimited = 365 * 24 * time.Hour

// Exec runs a program in what a stage is linked to, on all hosts at the same time, beside whatever else
// runs there: it needs no lock. output takes its lines, from several goroutines.
func (d *Deployer) Exec(ctx context.Context, hosts []inventory.Host, stage name.Stage, argv []string, output func(host, line string)) []event.Ran {
	return d.onPrograms(ctx, hosts, event.StepExec, func(ctx context.Context, i int, s *fleet.Session, ran *event.Ran) (remote.Exit, error) {
		p, err := d.program(ctx, s, hosts[i], stage, argv)
		if err != nil {
			return remote.Exit{}, err
		}
		ran.Package = p.Package.String()
		return s.Exec(ctx, p, func(line string) { output(hosts[i].Name, line) })
	})
}

// Logs shows what the services of a stage have written to the journals of its hosts.
func (d *Deployer) Logs(ctx context.Context, hosts []inventory.Host, wanted remote.Logs, output func(host, line string)) []event.Ran {
	wanted.Within = unlimited
	return d.onPrograms(ctx, hosts, event.StepLogs, func(ctx context.Context, i int, s *fleet.Session, _ *event.Ran) (remote.Exit, error) {
		return s.Logs(ctx, wanted, func(line string) { output(hosts[i].Name, line) })
	})
}

// onPrograms runs a program on every host. When ctx ends, the programs are terminated.
func (d *Deployer) onPrograms(ctx context.Context, hosts []inventory.Host, step event.Step, start func(context.Context, int, *fleet.Session, *event.Ran) (remote.Exit, error)) []event.Ran {
	all := make([]event.Ran, len(hosts))
	failures := d.onHosts(ctx, hosts, step, func(ctx context.Context, i int, s *fleet.Session) error {
		ended := make(chan struct{})
		var canceling guard.Group
		var bug error
		canceling.Go(func() { d.cancelWhenDone(ctx, s, ended) }, func(p *guard.Panic) { bug = p })
		exit, err := start(context.WithoutCancel(ctx), i, s, &all[i])
		close(ended)
		canceling.Wait()
		all[i].Exit, all[i].Ended = exit.Status, exit.Failure
		return errors.Join(err, bug)
	})
	for i, h := range hosts {
		all[i].Host, all[i].Failure = h.Name, failures[i]
		if failures[i] != nil {
			all[i].Exit = -1
		}
	}
	return all
}

// cancelAgain is how long a host may take to end a program before it is told once more: it may have begun the program
// only after it was told.
const cancelAgain = time.Second

// cancelWhenDone terminates the program of a session when ctx ends; it returns when the program has ended.
func (d *Deployer) cancelWhenDone(ctx context.Context, s *fleet.Session, ended <-chan struct{}) {
	select {
	case <-ended:
		return
	case <-ctx.Done():
	}
	again := time.NewTicker(cancelAgain)
	defer again.Stop()
	for {
		bounded, cancel := within(context.WithoutCancel(ctx), d.timeouts().Query)
		_ = s.Cancel(bounded)
		cancel()
		select {
		case <-ended:
			return
		case <-again.C:
		}
	}
}

// program is a program of the user in what a stage is linked to.
func (d *Deployer) program(ctx context.Context, s *fleet.Session, h inventory.Host, stage name.Stage, argv []string) (remote.Program, error) {
	bounded, cancel := within(ctx, d.timeouts().Query)
	defer cancel()
	facts, err := s.Check(bounded, remote.CheckRequest{Stage: stage})
	if err != nil {
		return remote.Program{}, err
	}
	p, err := name.ParsePackage(facts.Stage.Linked)
	if err != nil || !facts.Stage.Sealed {
		return remote.Program{}, event.Refuse(remote.CodeNotLinked, stage.String()+" is not linked to a complete package", "see: kis status "+stage.String())
	}
	env := hostVariables(h, p)
	env["KIS_STAGE"] = stage.String()
	timeout := d.Timeout
	if timeout == 0 {
		timeout = unlimited
	}
	return remote.Program{Package: p, Argv: argv, Env: env, Within: timeout}, nil
}

// Terminal runs a program in what a stage is linked to on one host, at a terminal. use is called with it, and
// returns when it has ended.
func (d *Deployer) Terminal(ctx context.Context, h inventory.Host, stage name.Stage, argv []string, t sshx.Terminal, use func(*sshx.Process) error) error {
	session, err := d.Fleet.Connect(ctx, h)
	if err != nil {
		return event.NewFailure(h.Name, event.StepConnect, err)
	}
	defer session.Close()
	process, err := d.atTerminal(ctx, session, h, stage, argv, t)
	if err != nil {
		return event.NewFailure(h.Name, event.StepExec, session.WhyLost(err))
	}
	return use(process)
}

func (d *Deployer) atTerminal(ctx context.Context, s *fleet.Session, h inventory.Host, stage name.Stage, argv []string, t sshx.Terminal) (*sshx.Process, error) {
	p, err := d.program(ctx, s, h, stage, argv)
	if err != nil {
		return nil, err
	}
	bounded, cancel := within(ctx, d.timeouts().Query)
	defer cancel()
	script, err := s.Agent.Terminal(bounded, p, name.NewRun(), remote.Holder{Who: d.Who, What: "exec " + stage.String()})
	if err != nil {
		return nil, err
	}
	return s.Terminal(bounded, h, script, t)
}
