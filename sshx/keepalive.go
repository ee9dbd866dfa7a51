package sshx

import (
	"time"
)

// keepAlive sends a probe every interval and closes the connection after count intervals in which
// nothing arrived. All received bytes count, as in ssh(1), so that an answer queued behind a long
// download does not matter. It returns when the connection has ended.
func (c *Client) keepAlive(interval time.Duration, count int) {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	idle, seen := 0, int64(-1)
	for {
		select {
		case <-c.done:
			return
		case <-ticker.C:
			if now := c.conn.received.Load(); now != seen {
				seen, idle = now, 0
			} else {
				idle++
			}
			if idle >= count {
				c.setErr(ErrUnresponsive)
				_ = c.ssh.Close()
				return
			}
			c.probe()
		}
	}
}

// probe sends a keep-alive and does not wait for the answer. A request that is not answered blocks
// all later ones, so there is at most one.
func (c *Client) probe() {
	if !c.probing.CompareAndSwap(false, true) {
		return
	}
	c.owned.Go(func() {
		defer c.probing.Store(false)
		_, _, _ = c.ssh.SendRequest("keepalive@openssh.com", true, nil) // conn counts the answer, and Client.Wait sees the end
	}, c.crashed)
}
