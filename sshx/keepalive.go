package sshx

import (
	"time"
)

// keepAlive asks the host for a sign of life every interval and closes the
// connection after count intervals without one. Anything that arrives is a sign
// of life, as in ssh(1), so a reply queued behind a long download is no reason
// to hang up. It returns when the connection has ended.
func (c *Client) keepAlive(interval time.Duration, count int) {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	silent, seen := 0, int64(-1)
	for {
		select {
		case <-c.done:
			return
		case <-ticker.C:
			if now := c.conn.received.Load(); now != seen {
				seen, silent = now, 0
			} else {
				silent++
			}
			if silent >= count {
				c.end(ErrUnresponsive)
				_ = c.ssh.Close()
				return
			}
			c.ask()
		}
	}
}

// ask asks the host for a sign of life and does not wait for it. A request
// without an answer blocks every later one, so there is never more than one on
// its way.
func (c *Client) ask() {
	if !c.asking.CompareAndSwap(false, true) {
		return
	}
	c.owned.Go(func() {
		defer c.asking.Store(false)
		_, _, _ = c.ssh.SendRequest("keepalive@openssh.com", true, nil) // what arrives is counted, and an end is seen elsewhere
	})
}
