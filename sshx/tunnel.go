package sshx

import (
	"context"
	"io"
	"net"
)

// tunnel is a channel through a jump host (RFC 4254 7.2) that can be closed
// whatever the jump host does. The channel itself ends only when the jump host
// says so, or when the connection to it ends: until then whoever reads from it,
// or writes more than its window takes, would wait.
type tunnel struct {
	net.Conn

	in  *io.PipeReader     // what the host says
	out *io.PipeWriter     // what it is told
	end context.CancelFunc // closes the channel, without waiting for that
}

// tunnel opens a channel to an address as the client's host sees it. When ctx
// ends first and nothing at all has come from that host meanwhile, it counts as
// silent: it would have said something, because it was asked for more than the
// channel.
func (c *Client) tunnel(ctx context.Context, addr string) (net.Conn, error) {
	before := c.conn.received.Load()
	c.ask()
	nc, err := opened(c, func() (net.Conn, error) { return c.ssh.DialContext(ctx, "tcp", addr) })
	if err != nil {
		if ctx.Err() != nil && c.conn.received.Load() == before {
			c.silent.Store(true)
		}
		return nil, err
	}
	in, fromHost := io.Pipe()
	toHost, out := io.Pipe()
	c.owned.Go(func() {
		_, err := io.Copy(fromHost, nc)
		_ = fromHost.CloseWithError(err) // nil is io.EOF
	})
	c.owned.Go(func() {
		_, err := io.Copy(nc, toHost)
		_ = toHost.CloseWithError(err)
	})
	wanted, end := context.WithCancel(context.WithoutCancel(ctx)) // ctx is of the dial only
	c.owned.Go(func() {
		select {
		case <-wanted.Done():
		case <-c.done:
		}
		_ = nc.Close()
	})
	return &tunnel{Conn: nc, in: in, out: out, end: end}, nil
}

func (t *tunnel) Read(b []byte) (int, error) { return t.in.Read(b) }

func (t *tunnel) Write(b []byte) (int, error) { return t.out.Write(b) }

// Close ends both directions at once; the channel follows when it can. What the
// jump host has not taken yet is dropped.
func (t *tunnel) Close() error {
	_ = t.in.Close()
	_ = t.out.Close()
	t.end()
	return nil
}
