// Package proxytest forwards TCP connections of tests, and breaks or slows them on request.
package proxytest

import (
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/keep-it-simple/kis/internal/guard"
)

// Direction is a way through a Proxy.
type Direction int

// The two ways.
const (
	ToHost   Direction = iota // from the client to the host
	ToClient                  // from the host to the client
)

// Traffic is what one connection of a Proxy has forwarded, in bytes.
type Traffic struct {
	ToHost, ToClient int64
	Open             bool
}

// Proxy forwards TCP connections and breaks them on request. It stands in front
// of any address, so a real sshd can be cut off too. Its methods may be used by
// several goroutines.
type Proxy struct {
	listener net.Listener
	serving  guard.Group
	bug      atomic.Pointer[guard.Panic] // the first
	ending   chan struct{}               // closed by Close

	mu      sync.Mutex
	changed *sync.Cond
	target  string
	closed  bool
	down    bool
	stalled [2]bool             // by direction
	limit   map[Direction]int64 // bytes until a cut, -1 without
	flip    map[Direction]int64 // bytes until one that arrives with a bit turned, -1 without
	delay   time.Duration
	healed  chan struct{}           // closed by the next Heal
	rate    map[Direction]int       // bytes a second, 0 without
	free    map[Direction]time.Time // when the next byte may pass
	links   []*link
}

// link is one forwarded connection.
type link struct {
	client, host *net.TCPConn
	sent         [2]int64
	open         bool
	forgotten    bool
}

// New listens on a free port of 127.0.0.1 and forwards to target. Close it.
func New(target string) (*Proxy, error) {
	listener, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return nil, fmt.Errorf("proxy: %w", err)
	}
	p := &Proxy{target: target, listener: listener, limit: without(), flip: without(), rate: map[Direction]int{}, free: map[Direction]time.Time{}, ending: make(chan struct{}), healed: make(chan struct{})}
	p.changed = sync.NewCond(&p.mu)
	p.serving.Go(p.accept, p.crashed)
	return p, nil
}

func without() map[Direction]int64 { return map[Direction]int64{ToHost: -1, ToClient: -1} }

// Addr is the proxy's host:port.
func (p *Proxy) Addr() string { return p.listener.Addr().String() }

// Port is the port of Addr.
func (p *Proxy) Port() int { return p.listener.Addr().(*net.TCPAddr).Port }

// Cut resets all open connections now, on both sides. New ones are forwarded.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, l := range p.links {
		l.reset()
	}
	p.changed.Broadcast()
}

// CutAfter cuts all connections as soon as n more bytes have passed in the
// direction d, counted over all connections. Exactly n bytes pass.
func (p *Proxy) CutAfter(n int64, d Direction) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.limit[d] = n
}

// Stall stops forwarding and keeps the sockets open, as a cable that was pulled.
func (p *Proxy) Stall() { p.set(func() { p.stalled = [2]bool{true, true} }) }

// StallOnly is Stall in the direction d alone: in the other everything passes.
func (p *Proxy) StallOnly(d Direction) {
	p.set(func() {
		p.stalled = [2]bool{}
		p.stalled[d] = true
	})
}

// Forget stops forwarding for the connections that are open, for good, as when a
// firewall on the way has forgotten them; new ones are forwarded.
func (p *Proxy) Forget() {
	p.set(func() {
		for _, l := range p.links {
			l.forgotten = true
		}
	})
}

// Down refuses new connections by closing them at once; open ones go on.
func (p *Proxy) Down() { p.set(func() { p.down = true }) }

// Lead forwards new connections to another address, as when another host answers
// in a host's place; open ones go on.
func (p *Proxy) Lead(target string) { p.set(func() { p.target = target }) }

// FlipAfter lets n more bytes pass in the direction d, and turns one bit of the
// next.
func (p *Proxy) FlipAfter(n int64, d Direction) { p.set(func() { p.flip[d] = n }) }

// Delay holds everything that is forwarded for a time, in both directions, as a
// long way does.
func (p *Proxy) Delay(d time.Duration) { p.set(func() { p.delay = d }) }

// Rate bounds what passes in the direction d, over all connections, in bytes a
// second; 0 is without a bound. What does not pass waits, as before a thin line.
func (p *Proxy) Rate(d Direction, rate int) { p.set(func() { p.rate[d] = rate }) }

// Heal undoes Stall, StallOnly, Down, CutAfter, FlipAfter, Delay and Rate. What is on its
// way arrives at once.
func (p *Proxy) Heal() {
	p.set(func() {
		close(p.healed)
		p.healed = make(chan struct{})
		p.stalled, p.down, p.delay = [2]bool{}, false, 0
		clear(p.rate)
		p.limit, p.flip = without(), without()
	})
}

// Connections returns the traffic of every connection so far, oldest first.
func (p *Proxy) Connections() []Traffic {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := make([]Traffic, 0, len(p.links))
	for _, l := range p.links {
		all = append(all, Traffic{ToHost: l.sent[ToHost], ToClient: l.sent[ToClient], Open: l.open})
	}
	return all
}

// Close cuts everything and waits until nothing of the proxy runs.
func (p *Proxy) Close() error {
	err := p.listener.Close()
	p.set(func() {
		if !p.closed {
			close(p.ending)
		}
		p.closed = true
		for _, l := range p.links {
			l.reset()
		}
	})
	p.serving.Wait()
	if bug := p.bug.Load(); bug != nil {
		return bug
	}
	if err != nil && !errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("proxy: %w", err)
	}
	return nil
}

// crashed takes no connections any more because of a panic, which Close returns.
func (p *Proxy) crashed(bug *guard.Panic) {
	p.bug.CompareAndSwap(nil, bug)
	_ = p.listener.Close()
}

func (p *Proxy) set(change func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change()
	p.changed.Broadcast()
}

func (p *Proxy) accept() {
	for {
		c, err := p.listener.Accept()
		if err != nil {
			return // closed
		}
		p.serving.Go(func() { p.connect(c.(*net.TCPConn)) }, p.crashed)
	}
}

func (p *Proxy) connect(client *net.TCPConn) {
	l := &link{client: client}
	p.mu.Lock()
	refuse, target := p.down || p.closed, p.target
	p.mu.Unlock()
	if !refuse {
		if host, err := net.Dial("tcp", target); err == nil { //nolint:noctx // a loopback connect answers at once
			l.host = host.(*net.TCPConn)
		}
	}
	p.mu.Lock()
	if l.host == nil || p.closed {
		l.reset()
		p.mu.Unlock()
		return
	}
	l.open = true
	p.links = append(p.links, l)
	p.mu.Unlock()
	p.serving.Go(func() { p.forward(l, ToHost, l.client, l.host) }, p.crashed)
	p.forward(l, ToClient, l.host, l.client)
}

// forward copies until an end, a cut or an error.
func (p *Proxy) forward(l *link, d Direction, from, to *net.TCPConn) {
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		p.hold()
		p.damage(d, buf[:n])
		n, cut := p.allow(l, d, n)
		if werr := p.write(to, d, buf[:n]); werr != nil {
			err = werr
		}
		switch {
		case cut:
			p.Cut()
			return
		case err != nil:
			// The other direction may still have something to say.
			_ = to.CloseWrite()
			return
		}
	}
}

// damage turns the bit that FlipAfter has named.
func (p *Proxy) damage(d Direction, data []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	at := p.flip[d]
	switch {
	case at < 0:
	case at < int64(len(data)):
		data[at] ^= 1
		p.flip[d] = -1
	default:
		p.flip[d] = at - int64(len(data))
	}
}

// allow waits out a stall and returns how many of n bytes may pass before a cut.
func (p *Proxy) allow(l *link, d Direction, n int) (allowed int, cut bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for (p.stalled[d] || l.forgotten) && !p.closed && l.open {
		p.changed.Wait()
	}
	if limit := p.limit[d]; limit >= 0 && int64(n) >= limit {
		n, cut = int(limit), true
		p.limit[d] = -1
	} else if limit >= 0 {
		p.limit[d] = limit - int64(n)
	}
	l.sent[d] += int64(n)
	return n, cut
}

// reset ends both sides with RST, so that each notices at once. The caller
// holds the proxy's lock.
func (l *link) reset() {
	l.open = false
	for _, c := range []*net.TCPConn{l.client, l.host} {
		if c != nil {
			_ = c.SetLinger(0)
			_ = c.Close()
		}
	}
}
