package sshx

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/ssh"
)

// Client is one authenticated connection to one host. Its methods may be used
// by several goroutines. Close it; it does not end by itself unless the host or
// the network ends it.
type Client struct {
	name    string
	ssh     *ssh.Client
	conn    *conn
	authKey string

	done  chan struct{}  // closed when the connection has ended
	owned sync.WaitGroup // goroutines of this client; Close waits for them

	asking atomic.Bool // for a sign of life
	silent atomic.Bool // as a jump host it has left a dial without any sign of life

	mu  sync.Mutex
	why error // first reason for the end
}

// newClient takes over c. The target only tells how to keep the connection alive.
func newClient(t Target, c *conn, client *ssh.Client, authKey string) *Client {
	cl := &Client{name: t.Name, ssh: client, conn: c, authKey: authKey, done: make(chan struct{})}
	cl.owned.Go(func() {
		err := client.Wait()
		cl.end(fmt.Errorf("%w: %s", ErrConnectionLost, lostCause(err)))
		close(cl.done)
	})
	interval, count := t.KeepAlive()
	cl.owned.Go(func() { cl.keepAlive(interval, count) })
	return cl
}

// AuthKey is the SHA256 fingerprint of the key that logged in, as ssh-keygen -l
// prints it, or "" when no key did.
func (c *Client) AuthKey() string { return c.authKey }

// Done is closed when the connection has ended, whoever ended it.
func (c *Client) Done() <-chan struct{} { return c.done }

// Err tells why the connection ended: nil while it lasts and after Close,
// otherwise an error that is ErrConnectionLost.
func (c *Client) Err() error {
	select {
	case <-c.done:
	default:
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if errors.Is(c.why, errClosed) {
		return nil
	}
	return fmt.Errorf("%s: %w", c.name, c.why)
}

// aMoment is how long the reason for an end may take to be known.
const aMoment = 200 * time.Millisecond

// Lost is Err for who has seen the end of something that was on the connection,
// which comes a moment before the reason is known. It is nil when the
// connection is there.
func (c *Client) Lost() error {
	if !c.conn.broken() { // as when what arrives is damaged: then it is we who end the connection
		select {
		case <-c.done:
		case <-time.After(aMoment):
			return nil
		}
	}
	<-c.done
	return c.Err()
}

// Close ends the connection and everything started on it, and waits until no
// goroutine of the client is left, but for one that can never end, see opened. A jump host stays connected: it is shared
// and belongs to the Dialer. Closing twice is harmless.
func (c *Client) Close() error {
	c.end(errClosed)
	// A connection that is already gone is as closed as it should be.
	_ = c.ssh.Close()
	c.owned.Wait()
	return nil
}

// errClosed marks an end that the caller asked for.
var errClosed = errors.New("closed")

// end keeps the first reason: what follows is only its consequence.
func (c *Client) end(why error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.why == nil {
		c.why = why
	}
}

// opened is what open returns, which asks the host for a channel, or the reason
// for the end of the connection. x/crypto/ssh never returns when the channel is
// asked for in the very moment in which the connection ends: that goroutine is
// left behind, and nobody waits for it.
func opened[T any](c *Client, open func() (T, error)) (T, error) {
	type result struct {
		channel T
		err     error
	}
	ch := make(chan result, 1)
	go func() { // ends with open
		channel, err := open()
		ch <- result{channel, err}
	}()
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

// openSession opens a channel for one process or subsystem. The session belongs
// to the caller; when ctx ends first, it is closed as soon as it opens.
func (c *Client) openSession(ctx context.Context, prepare func(*ssh.Session) error) (*ssh.Session, error) {
	type result struct {
		sess *ssh.Session
		err  error
	}
	// Unbuffered: either the caller takes the session or it is closed here.
	ch := make(chan result)
	c.owned.Go(func() {
		sess, err := opened(c, c.ssh.NewSession)
		if err == nil {
			// The host's answer to prepare can be missing for ever too, which
			// is why it runs in here.
			stop := context.AfterFunc(ctx, func() { _ = sess.Close() })
			if err = prepare(sess); err != nil {
				_ = sess.Close()
			}
			stop()
		}
		select {
		case ch <- result{sess, err}:
		case <-ctx.Done():
			if sess != nil {
				_ = sess.Close()
			}
		}
	})
	select {
	case o := <-ch:
		return o.sess, o.err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}
