package fleet

import (
	"context"
	"errors"
	"io"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/keep-it-simple/kis/inventory"
	"github.com/keep-it-simple/kis/remote"
	"github.com/keep-it-simple/kis/sshx"
	"github.com/keep-it-simple/kis/transfer"
)

// Session is one connection to a host with an agent at its other end.
type Session struct {
	Connection
	*remote.Agent

	ended func() // tells the fleet; nil: nobody wants to know
}

// Connect connects to a host, starts the agent and opens the package repository. Close the session.
func (f *Fleet) Connect(ctx context.Context, h inventory.Host) (*Session, error) {
	return f.connect(ctx, h, f.Timeouts.OrDefault().Query)
}

// Reconnect is Connect for a host whose answer was lost. Its agent may take no longer to open the repository than for an
// answer about the link: otherwise one message that is late would take all the time that is left to reach the host.
func (f *Fleet) Reconnect(ctx context.Context, h inventory.Host) (*Session, error) {
	return f.connect(ctx, h, f.Timeouts.OrDefault().Link)
}

// connect is Connect with a bound for opening the repository.
func (f *Fleet) connect(ctx context.Context, h inventory.Host, opening time.Duration) (*Session, error) {
	dial := f.Dial
	if dial == nil {
		dial = f.dialSSH
	}
	ended, opened := f.begun(h.Name), false
	defer func() {
		if !opened {
			ended()
		}
	}()
	connection, streams, err := dial(ctx, h)
	if err != nil {
		return nil, err
	}
	streams.Timeouts = f.Timeouts
	s := &Session{Connection: connection, ended: ended}
	defer func() {
		if !opened { // by an error or a panic
			s.Close()
		}
	}()
	streams.Root = h.Root
	if s.Agent, err = remote.Start(ctx, streams); err == nil {
		err = s.openWithin(ctx, h.Root, opening)
	}
	if err != nil {
		return nil, err
	}
	opened = true
	return s, nil
}

// openWithin opens the repository within a time.
func (s *Session) openWithin(ctx context.Context, root string, d time.Duration) error {
	bounded, cancel := context.WithTimeoutCause(ctx, d, errors.New("the package repository was not opened in time"))
	defer cancel()
	return s.Open(bounded, root)
}

// begun tells that kis begins to connect to a host; ended, that nothing is awaited of it any more.
func (f *Fleet) begun(host string) (ended func()) {
	if f.Watch == nil {
		return func() {}
	}
	f.Watch(host, true)
	return sync.OnceFunc(func() { f.Watch(host, false) })
}

func (f *Fleet) dialSSH(ctx context.Context, h inventory.Host) (Connection, remote.Streams, error) {
	target, err := f.target(ctx, h)
	if err != nil {
		return nil, remote.Streams{}, err
	}
	client, err := f.Dialer.Dial(ctx, target)
	if err != nil {
		return nil, remote.Streams{}, err
	}
	process, err := client.Start(ctx, remote.Command(h.Python, h.Become))
	if err != nil {
		_ = client.Close()
		return nil, remote.Streams{}, err
	}
	login := remote.Login{Host: h.Name, User: target.User, Become: h.Become.String()}
	return client, remote.Streams{In: process.Stdin, Out: process.Stdout, Err: process.Stderr, Login: login}, nil
}

// Close says goodbye, so that locks are free and temporary files removed when it returns, and hangs
// up. A nil session is closed already.
func (s *Session) Close() {
	if s == nil {
		return
	}
	defer s.HangUp()
	if s.Agent != nil {
		_ = s.Agent.Close()
	}
}

// HangUp closes the connection without waiting for the agent, which sees the end of its input.
func (s *Session) HangUp() {
	_ = s.Connection.Close()
	if s.ended != nil {
		s.ended()
	}
}

// WhyLost replaces a bare io.EOF with the reason the connection ended, such as a reset or damaged
// packets.
func (s *Session) WhyLost(err error) error {
	if s == nil || !lostSilently(err) {
		return err
	}
	if why := s.Lost(); why != nil {
		return why
	}
	return err
}

func lostSilently(err error) bool {
	if sent, ok := errors.AsType[*transfer.Error](err); ok && sent.Kind == transfer.Lost {
		return true
	}
	_, lost := errors.AsType[*remote.Lost](err)
	return lost && errors.Is(err, io.EOF)
}

// SSHHost is what the inventory says about reaching a host, for sshx. Relative paths start at dir.
func SSHHost(h inventory.Host, dir string) sshx.Host {
	key := h.SSH.IdentityFile
	if key != "" && !strings.HasPrefix(key, "~") && !filepath.IsAbs(key) {
		key = filepath.Join(dir, key)
	}
	return sshx.Host{
		Name: h.Name, Address: h.Address, User: h.SSH.User, Port: h.SSH.Port, IdentityFile: key, Jump: h.SSH.Jump, HostKey: h.SSH.HostKey,
	}
}
