package deploy

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/keep-it-simple/kis/internal/event"
	"github.com/keep-it-simple/kis/remote"
)

// environment is the wheels of one platform.
type environment struct {
	wheels      []remote.Wheel // without that of the application
	application *remote.Wheel  // where hosts made it; nil: this machine did, or pip installs it from the package
	by          *host          // that made them in this run; nil: no host had to
}

// makeFunc makes wheels. It ends early when unneeded does, once the host has ended what it was doing.
type makeFunc func(ctx, unneeded context.Context) (*environment, error)

// maxMakers is how many hosts of a platform try to make its wheels before the
// platform is given up: what fails on three of them is no matter of the host.
const maxMakers = 3

// maxEarly bounds the wheels that are copied before it is known whether they are needed, in bytes: they take that space of
// each host until the run ends, and pip may try many versions before it chooses one.
const maxEarly = 32 << 20

// platform is the hosts of a run that need the same environment. One of them makes the wheels for all.
type platform struct {
	mu       sync.Mutex
	changed  chan struct{} // closed, and replaced, at every change
	members  map[*host]bool
	failed   map[*host]error         // those that tried
	working  map[*host]func()        // those that are trying, with what cancels it
	early    []remote.Wheel          // those that were downloaded before it was known
	found    *environment            // once it is known
	known    context.Context         // until then
	tellAll  context.CancelFunc      // that it is known
	patience func() <-chan time.Time // after which another host tries as well
	turn     chan struct{}           // a semaphore: the holder of its one token copies early
	bytecode *bytecode
}

// newPlatform is for an installation that lasts as long as ctx.
func newPlatform(ctx context.Context, patience time.Duration) *platform {
	known, tellAll := context.WithCancel(ctx)
	return &platform{
		known: known, tellAll: tellAll, changed: make(chan struct{}), members: map[*host]bool{}, failed: map[*host]error{}, working: map[*host]func(){},
		patience: func() <-chan time.Time { return time.After(patience) }, turn: make(chan struct{}, 1), bytecode: newBytecode(),
	}
}

// environment returns the wheels of the platform. One host makes them, and the others wait. Where that fails, the next one
// tries, and where it takes long, a second one at the same time: a host without a route to the index gets the wheels that
// another one has made. A host that waits copies what is there already.
func (p *platform) environment(ctx context.Context, h *host, make makeFunc) (*environment, error) {
	late, waits, copies := p.patience(), "", h.newEarly()
	defer copies.close()
	for {
		p.mu.Lock()
		switch {
		case p.found != nil:
			p.mu.Unlock()
			return p.found, nil
		case p.mayTry(h, late == nil):
			copies.close()      // sshd allows few sessions
			p.try(ctx, h, make) // unlocks
			if err := ctx.Err(); err != nil {
				return nil, context.Cause(ctx)
			}
			continue
		case p.isLost():
			p.mu.Unlock()
			return nil, p.failure(h)
		}
		changed, makers, wheels := p.changed, p.makers(), p.early
		p.mu.Unlock()
		if makers != waits {
			waits = makers
			h.log.Doing(event.StepWheels, "waiting for the wheels of "+makers)
		}
		chosen, turn := copies.choose(wheels), p.turn
		if len(chosen) == 0 {
			turn = nil
		}
		select {
		case <-changed:
		case <-late:
			late = nil
		case turn <- struct{}{}:
			copies.copy(ctx, p.known, chosen)
			<-turn
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// makers names the hosts that are making the wheels. The lock is held.
func (p *platform) makers() string { return listed(p.working) }

// listed are the names of hosts, sorted.
func listed[V any](hosts map[*host]V) string {
	names := namesOf(slices.Collect(maps.Keys(hosts)), nil)
	slices.Sort(names)
	return strings.Join(names, ", ")
}

// mayTry reports whether the host is to make the wheels. The lock is held.
func (p *platform) mayTry(h *host, late bool) bool {
	_, tried := p.failed[h]
	_, trying := p.working[h]
	return !tried && !trying && len(p.failed)+len(p.working) < maxMakers && (len(p.working) == 0 || late && len(p.working) == 1)
}

// isLost reports whether nobody will make the wheels any more. The lock is held.
func (p *platform) isLost() bool {
	if len(p.working) > 0 {
		return false
	}
	return len(p.failed) >= maxMakers || !slices.ContainsFunc(slices.Collect(maps.Keys(p.members)), func(h *host) bool {
		_, tried := p.failed[h]
		return !tried
	})
}

// try makes the wheels on a host, and tells the others. It is called with the lock, and releases it.
func (p *platform) try(ctx context.Context, h *host, make makeFunc) {
	unneeded, cancel := context.WithCancel(ctx)
	defer cancel()
	p.working[h] = cancel
	p.mu.Unlock()
	found, err := make(ctx, unneeded)
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.working, h)
	switch {
	case p.found != nil: // another one was faster
	case err != nil:
		p.failed[h] = err
	default:
		p.found = found
		p.tellAll()
		for _, stop := range p.working {
			stop()
		}
	}
	p.tell()
}

// downloaded says that a host has a wheel that the environment may need. It reports whether other hosts may copy it.
func (p *platform) downloaded(w remote.Wheel) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	isThere := slices.ContainsFunc(p.early, func(one remote.Wheel) bool { return one.SHA256 == w.SHA256 })
	if isThere || w.Size <= 0 || w.Size > maxEarly-sizeOf(p.early) {
		return false
	}
	p.early = append(p.early, w)
	p.tell()
	return true
}

// leave says that the host will not make the wheels any more.
func (p *platform) leave(h *host) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.members, h)
	p.tell()
}

// isShared reports whether another host needs the environment, too.
func (p *platform) isShared() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.members) > 1
}

func (p *platform) tell() {
	close(p.changed)
	p.changed = make(chan struct{})
}

// failure is why the host does not get the wheels: its own failure, or that of the others.
func (p *platform) failure(h *host) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.failed[h]; err != nil {
		return err
	}
	return event.Refuse(event.CodeNoWheels, fmt.Sprintf("the wheels of its platform could not be made on %s", listed(p.failed)), "")
}
