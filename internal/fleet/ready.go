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

// resolveLimit is how many hosts are resolved at a time: each may take a process, and its pipes.
const resolveLimit = 8

// Ready finds out what keeps this machine from reaching the hosts of a run, before it contacts any: settings that cannot be followed, keys
// that the inventory names and that cannot be used, too few file descriptors. Run and Look go by what it has found.
func (f *Fleet) Ready(ctx context.Context, hosts []inventory.Host) error {
	if may := openFiles(); may < spareDescriptors { // which to find out about the hosts takes alone
		return f.enough(len(hosts), may)
	}
	found := make([]sshx.Target, len(hosts))
	errs := make([]error, len(hosts))
	named := namedKeys{fleet: f, known: map[string]*namedKey{}}
	Each(len(hosts), resolveLimit, func(i int) {
		if found[i], errs[i] = f.Resolver.Resolve(ctx, SSHHost(hosts[i], f.Dir)); errs[i] == nil && hosts[i].SSH.IdentityFile != "" {
			errs[i] = named.check(ctx, found[i])
		}
	}, func(i int, p *guard.Panic) { errs[i] = p })
	if ctx.Err() != nil {
		return ctx.Err() // nothing is wrong with this machine: somebody does not want to know any more
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

// target is how a host is reached, as Ready has found or as it is found now.
func (f *Fleet) target(ctx context.Context, h inventory.Host) (sshx.Target, error) {
	if t, known := f.targets[h.Name]; known {
		return t, nil
	}
	return f.Resolver.Resolve(ctx, SSHHost(h, f.Dir))
}

// namedKeys looks at each key of the inventory once, however many hosts it is for.
type namedKeys struct {
	fleet *Fleet

	mu    sync.Mutex
	known map[string]*namedKey
}

type namedKey struct {
	once sync.Once
	err  error
}

func (n *namedKeys) check(ctx context.Context, t sshx.Target) error {
	where := strings.Join(append(slices.Clone(t.IdentityFiles), t.IdentityAgent), "\n")
	n.mu.Lock()
	key := n.known[where]
	if key == nil {
		key = &namedKey{}
		n.known[where] = key
	}
	n.mu.Unlock()
	key.once.Do(func() {
		if err := n.fleet.Dialer.Ready(ctx, t); err != nil {
			key.err = errors.New(strings.TrimPrefix(err.Error(), t.Name+": "))
		}
	})
	return key.err
}

// together is one error about all hosts; those with the same trouble share it.
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
