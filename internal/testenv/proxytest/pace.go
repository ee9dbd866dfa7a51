package proxytest

import (
	"net"
	"time"
)

// hold waits as long as the way takes.
func (p *Proxy) hold() {
	p.mu.Lock()
	delay, healed := p.delay, p.healed
	p.mu.Unlock()
	p.wait(delay, healed)
}

// wait ends early when the proxy is healed or closed.
func (p *Proxy) wait(d time.Duration, healed <-chan struct{}) {
	if d <= 0 {
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-healed:
	case <-p.ending:
	}
}

// write passes data on, as fast as Rate lets it.
func (p *Proxy) write(to *net.TCPConn, d Direction, data []byte) error {
	for len(data) > 0 {
		n, wait, healed := p.share(d, len(data))
		p.wait(wait, healed)
		if _, err := to.Write(data[:n]); err != nil {
			return err
		}
		data = data[n:]
	}
	return nil
}

// share returns how many of n bytes may pass next, a tenth of a second's worth at
// most, and how long they are on their way.
func (p *Proxy) share(d Direction, n int) (int, time.Duration, <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	rate := p.rate[d]
	if rate == 0 {
		return n, 0, nil
	}
	n = min(n, max(1, rate/10))
	now := time.Now()
	// What a busy machine passes on late is caught up with: the line would be
	// thinner than asked for. Later than this, nothing has waited for it.
	if now.Sub(p.free[d]) > time.Second {
		p.free[d] = now
	}
	p.free[d] = p.free[d].Add(time.Duration(n) * time.Second / time.Duration(rate))
	return n, p.free[d].Sub(now), p.healed
}
