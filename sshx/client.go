package sshx

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/keep-it-simple/kis/internal/guard"
)

// Client is an authenticated connection to a host. Several goroutines can use it. The caller must
// Close it.
type Client struct {
	name    string
	ssh     *ssh.Client
	conn    *conn
	authKey string

	done  chan struct{} // closed when the connection has ended
	owned guard.Group   // goroutines of this client

	probing      atomic.Bool // a keep-alive has not been answered
	unresponsive atomic.Bool // a dial through this jump host got no answer at all

	mu  sync.Mutex
	err error // why the connection ended
}

// newClient owns c.
func newClient(t Target, c *conn, client *ssh.Client, authKey string) *Client {
	cl := &Client{name: t.Name, ssh: client, conn: c, authKey: authKey, done: make(chan struct{})}
	cl.owned.Go(func() {
		defer close(cl.done)
		err := client.Wait()
		if bug := c.bug.Load(); bug != nil {
			cl.crashed(bug)
			return
		}
		cl.setErr(fmt.Errorf("%w: %s", ErrConnectionLost, lostCause(err)))
	}, cl.crashed)
	interval, count := t.KeepAlive()
	cl.owned.Go(func() { cl.keepAlive(interval, count) }, cl.crashed)
	return cl
}

// AuthKey is the fingerprint of the key that logged in, as `ssh-keygen -l` prints it, or "".
func (c *Client) AuthKey() string { return c.authKey }

// Done is closed when the connection has ended.
func (c *Client) Done() <-chan struct{} { return c.done }

// Err is why the connection was lost. It wraps ErrConnectionLost, or is nil before the end and
// after Close.
func (c *Client) Err() error {
	select {
	case <-c.done:
	default:
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if errors.Is(c.err, errClosed) {
		return nil
	}
	return fmt.Errorf("%s: %w", c.name, c.err)
}

// lossGrace limits the wait for the reason of a loss.
const lossGrace = 200 * time.Millisecond

// Lost is Err for a caller whose stream has ended: that can happen shortly before Err is set, so
// Lost waits for it. It is nil when the connection has not ended.
func (c *Client) Lost() error {
	if !c.conn.hasEnded() { // x/crypto closes the connection itself when a packet is damaged
		select {
		case <-c.done:
		case <-time.After(lossGrace):
			return nil
		}
	}
	<-c.done
	return c.Err()
}

// Close closes the connection with everything on it, and waits for the goroutines of the client,
// except one that can never end, see openChannel. The connection to a jump host belongs to the
// Dialer and stays open. Close can be called more than once.
func (c *Client) Close() error {
	c.setErr(errClosed)
	// An error would say that the connection has ended already.
	_ = c.ssh.Close()
	c.owned.Wait()
	return nil
}

// errClosed is the reason of an end by Close.
var errClosed = errors.New("closed")

// setErr keeps the first reason, because later errors are its consequences.
func (c *Client) setErr(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err == nil {
		c.err = err
	}
}

// crashed ends the connection because one of its goroutines has panicked.
func (c *Client) crashed(p *guard.Panic) {
	c.setErr(fmt.Errorf("%w: %w", ErrConnectionLost, p))
	_ = guard.Try(c.ssh.Close) // that may be what has panicked
}

// openChannel returns the result of open, which requests a channel, or the reason why the
// connection ended. x/crypto/ssh never returns when the connection ends while it sends the request:
// that goroutine is leaked.
func openChannel[T any](c *Client, open func() (T, error)) (T, error) {
	type result struct {
		channel T
		err     error
	}
	ch := make(chan result, 1)
	guard.Go(func() { // ends with open
		channel, err := open()
		ch <- result{channel, err}
	}, func(p *guard.Panic) {
		c.crashed(p)
		ch <- result{err: p}
	})
	var r result
	select {
	case r = <-ch:
	case <-c.done:
		if r.err = c.Err(); r.err == nil {
			r.err = errClosed
		}
	}
	return r.channel, r.err
}

// openSession opens a channel for one process or subsystem. The caller owns the session. When ctx
// ends first, the session is closed as soon as it opens.
func (c *Client) openSession(ctx context.Context, prepare func(*ssh.Session) error) (*ssh.Session, error) {
	type result struct {
		sess *ssh.Session
		err  error
	}
	// Unbuffered: either the caller receives the session, or it is closed here.
	ch := make(chan result)
	hand := func(r result) {
		select {
		case ch <- r:
		case <-ctx.Done():
			if r.sess != nil {
				_ = r.sess.Close()
			}
		}
	}
	c.owned.Go(func() {
		sess, err := openChannel(c, c.ssh.NewSession)
		if err == nil {
			// The host may never answer prepare either, so it runs in this goroutine.
			stop := context.AfterFunc(ctx, guard.Func(func() { _ = sess.Close() }, c.crashed))
			if err = prepare(sess); err != nil {
				_ = sess.Close()
			}
			stop()
		}
		hand(result{sess, err})
	}, func(p *guard.Panic) {
		c.crashed(p)
		hand(result{err: p})
	})
	select {
	case o := <-ch:
		return o.sess, o.err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}
