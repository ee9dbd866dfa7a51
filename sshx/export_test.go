package sshx

import "net"

// Opened is opened.
func Opened[T any](c *Client, open func() (T, error)) (T, error) { return opened(c, open) }

// UseResolver makes the dialer ask another name server than the system's.
func (d *Dialer) UseResolver(r *net.Resolver) { d.state.resolver = r }
