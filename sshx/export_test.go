package sshx

import "net"

// OpenChannel is openChannel.
func OpenChannel[T any](c *Client, open func() (T, error)) (T, error) { return openChannel(c, open) }

// UseResolver makes the dialer ask another name server than the system's.
func (d *Dialer) UseResolver(r *net.Resolver) { d.state.resolver = r }

// ReadVersion reads once from nc, with what is done when the server's version has come.
func ReadVersion(nc net.Conn, onVersion func()) (int, error) {
	return newConn(nc, 0, onVersion).Read(make([]byte, 100))
}

// NewConn monitors a connection as Dial does.
func NewConn(nc net.Conn) net.Conn { return newConn(nc, 0, func() {}) }
