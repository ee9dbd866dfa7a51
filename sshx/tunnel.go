package sshx

import (
	"context"
	"io"
	"net"

	"github.com/keep-it-simple/kis/internal/guard"
)

// tunnel is a channel through a jump host (RFC 4254 section 7.2) that closes at once. The channel
// itself ends only when the jump host closes it, or when the connection to the jump host ends;
// until then, reads block, and so do writes beyond its window.
type tunnel struct {
	net.Conn

	in  *io.PipeReader     // from the host
	out *io.PipeWriter     // to the host
	end context.CancelFunc // closes the channel without waiting
}

// tunnel opens a channel through the client's host to an address. The host counts as unresponsive
// when ctx ends and nothing at all has arrived from it meanwhile: it should have answered the
// probe.
func (c *Client) tunnel(ctx context.Context, addr string) (net.Conn, error) {
	before := c.conn.received.Load()
	c.probe()
	nc, err := openChannel(c, func() (net.Conn, error) { return c.ssh.DialContext(ctx, "tcp", addr) })
	if err != nil {
		if ctx.Err() != nil && c.conn.received.Load() == before {
			c.unresponsive.Store(true)
		}
		return nil, err
	}
	in, fromHost := io.Pipe()
	toHost, out := io.Pipe()
	c.owned.Go(func() {
		_, err := io.Copy(fromHost, nc)
		_ = fromHost.CloseWithError(err) // nil is io.EOF
	}, func(p *guard.Panic) { _ = fromHost.CloseWithError(p) })
	c.owned.Go(func() {
		_, err := io.Copy(nc, toHost)
		_ = toHost.CloseWithError(err)
	}, func(p *guard.Panic) { _ = toHost.CloseWithError(p) })
	wanted, end := context.WithCancel(context.WithoutCancel(ctx)) // ctx limits the dial only
	c.owned.Go(func() {
		select {
		case <-wanted.Done():
		case <-c.done:
		}
		_ = nc.Close()
	}, c.crashed)
	return &tunnel{Conn: nc, in: in, out: out, end: end}, nil
}

func (t *tunnel) Read(b []byte) (int, error) { return t.in.Read(b) }

func (t *tunnel) Write(b []byte) (int, error) { return t.out.Write(b) }

// Close ends both directions at once and drops unsent data; the channel closes later.
func (t *tunnel) Close() error {
	_ = t.in.Close()
	_ = t.out.Close()
	t.end()
	return nil
}
