package fleet

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/keep-it-simple/kis/internal/guard"
	"github.com/keep-it-simple/kis/inventory"
	"github.com/keep-it-simple/kis/sshx"
)

// resolveLimit is how many hosts are resolved at a time: each may take a process with pipes.
const resolveLimit = 8

// Ready checks, before any host is contacted, whether this machine can reach the hosts of a run:
// that it supports their settings, that keys which the inventory names can be used, and that it may
// open enough files. Connect uses the settings that it found.
func (f *Fleet) Ready(ctx context.Context, hosts []inventory.Host) error {
	if may := openFiles(); may < spareDescriptors { // the least that resolving takes
		return f.enough(len(hosts), may)
	}
	found := make([]sshx.Target, len(hosts))
	errs := make([]error, len(hosts))
	named := namedKeys{fleet: f, checked: map[string]func() error{}}
	Each(len(hosts), resolveLimit, func(i int) {
		if found[i], errs[i] = f.Resolver.Resolve(ctx, SSHHost(hosts[i], f.Dir)); errs[i] == nil && hosts[i].SSH.IdentityFile != "" {
			errs[i] = named.check(ctx, found[i])
		}
	}, func(i int, p *guard.Panic) { errs[i] = p })
	if ctx.Err() != nil {
		return ctx.Err() // the user interrupted: errors of processes that were killed mean nothing
	}
	if err := together(hosts, errs); err != nil {
		return err
	}
	targets := map[string]sshx.Target{}
	for i, h := range hosts {
		targets[h.Name] = found[i]
	}
	f.targets = targets
	return f.enough(descriptors(found), openFiles())
}

// target is how a host is reached, as Ready resolved it or as it is resolved now.
func (f *Fleet) target(ctx context.Context, h inventory.Host) (sshx.Target, error) {
	if t, resolved := f.targets[h.Name]; resolved {
		return t, nil
	}
	return f.Resolver.Resolve(ctx, SSHHost(h, f.Dir))
}

// namedKeys checks each key of the inventory once, however many hosts it is for.
type namedKeys struct {
	fleet *Fleet

	mu      sync.Mutex
	checked map[string]func() error
}

func (n *namedKeys) check(ctx context.Context, t sshx.Target) error {
	where := strings.Join(append(slices.Clone(t.IdentityFiles), t.IdentityAgent), "\n")
	n.mu.Lock()
	check := n.checked[where]
	if check == nil {
		check = sync.OnceValue(func() error {
			if err := n.fleet.Dialer.Ready(ctx, t); err != nil {
				return errors.New(strings.TrimPrefix(err.Error(), t.Name+": "))
			}
			return nil
		})
		n.checked[where] = check
	}
	n.mu.Unlock()
	return check()
}

// together is one error about all hosts; those with the same error share a text.
func together(hosts []inventory.Host, errs []error) error {
	on := map[string][]string{}
	for i, err := range errs {
		if bug, ok := errors.AsType[*guard.Panic](err); ok {
			return fmt.Errorf("%s: %w", hosts[i].Name, bug)
		}
		if err != nil {
			text := strings.TrimPrefix(err.Error(), hosts[i].Name+": ")
			on[text] = append(on[text], hosts[i].Name)
		}
	}
	var all []string
	for _, text := range slices.Sorted(maps.Keys(on)) {
		all = append(all, fmt.Sprintf("%s: %s", strings.Join(on[text], ", "), text))
	}
	if len(all) == 0 {
		return nil
	}
	return errors.New(strings.Join(all, "; "))
}
