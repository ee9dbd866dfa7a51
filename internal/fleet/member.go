package fleet

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/pkg/sftp"

	"github.com/keep-it-simple/kis/internal/name"
	"github.com/keep-it-simple/kis/inventory"
	"github.com/keep-it-simple/kis/remote"
	"github.com/keep-it-simple/kis/sshx"
	"github.com/keep-it-simple/kis/transfer"
)

// member is one host in one run. Each step of it is done by one goroutine at a time; what it learns is read after each has waited.
type member struct {
	run  *run
	host inventory.Host

	conn    *conversation
	facts   remote.Facts
	locked  remote.Locked
	receipt *remote.Receipt // of the package, once it is sealed on this host
	plan    string          // what a dry run found
	already bool            // linked and confirmed before this run
	again   redial
	// repository is the host-id of what the switch is about; "" before that.
	repository string

	failures []Failure // in the order in which they happened
	spent    time.Duration
}

// connection carries the streams of an agent: *sshx.Client, or a simulated one.
type connection interface {
	Close() error
	AuthKey() string // fingerprint of the key that logged in, "" for none
	Lost() error     // why the connection ended; nil while it works
	SFTP(ctx context.Context) (*sftp.Client, error)
}

var _ connection = (*sshx.Client)(nil)

// conversation is one connection with an agent on its far side.
type conversation struct {
	client connection
	agent  *remote.Agent
}

// converse connects, starts the agent and names the package repository to it.
func (f *Fleet) converse(ctx context.Context, h inventory.Host) (*conversation, error) {
	dial := f.dial
	if f.simulate != nil {
		dial = f.simulate
	}
	client, streams, err := dial(ctx, h)
	if err != nil {
		return nil, err
	}
	c := &conversation{client: client}
	if c.agent, err = remote.Start(ctx, streams); err == nil {
		err = c.agent.Open(ctx, h.Root)
	}
	if err != nil {
		c.close()
		return nil, err
	}
	return c, nil
}

// dial connects over SSH and starts what becomes the agent.
func (f *Fleet) dial(ctx context.Context, h inventory.Host) (connection, remote.Streams, error) {
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

// close says goodbye, so that locks are free and temporary files gone when it returns, and hangs up.
func (c *conversation) close() {
	if c == nil {
		return
	}
	if c.agent != nil {
		_ = c.agent.Close()
	}
	_ = c.client.Close()
}

// SSHHost is what the inventory says of reaching a host, for sshx. Relative paths start at dir.
func SSHHost(h inventory.Host, dir string) sshx.Host {
	key := h.SSH.IdentityFile
	if key != "" && !strings.HasPrefix(key, "~") {
		key = absolute(dir, key)
	}
	return sshx.Host{
		Name: h.Name, Address: h.Address, User: h.SSH.User, Port: h.SSH.Port, IdentityFile: key, Jump: h.SSH.Jump, HostKey: h.SSH.HostKey,
	}
}

// step does one step on this host, tells the stream about it, and remembers its failure. It reports whether the step was done.
func (m *member) step(s Step, work func() error) bool {
	return m.begin(s)(work())
}

// begin tells the stream that a step has begun, and returns what takes its result.
func (m *member) begin(s Step) (end func(error) bool) {
	m.run.emit(Event{Type: TypeStep, Host: m.host.Name, Step: s, State: Started})
	begin := m.run.fleet.now()
	return func(err error) bool {
		took := m.run.fleet.now().Sub(begin)
		m.spent += took
		e := Event{Type: TypeStep, Host: m.host.Name, Step: s, State: Done, Seconds: took.Seconds()}
		if err != nil {
			f := failure(m.host.Name, s, m.whyLost(err))
			m.failures = append(m.failures, *f)
			e.State, e.Failure, e.Message = f.State, f, f.Message
		}
		m.run.emit(e)
		return err == nil
	}
}

// whyLost puts the connection's own reason in place of an end of file, which is all that who reads from it sees of a reset, or of bytes that were
// damaged on the way.
func (m *member) whyLost(err error) error {
	sent, sending := errors.AsType[*transfer.Error](err)
	ended := isLost(err) && errors.Is(err, io.EOF) || sending && sent.Kind == transfer.Lost
	if !ended || m.conn == nil {
		return err
	}
	if why := m.conn.client.Lost(); why != nil {
		return why
	}
	return err
}

// last returns the newest failure. There must be one.
func (m *member) last() *Failure { return &m.failures[len(m.failures)-1] }

// forgive takes a failure back that turned out to be none.
func (m *member) forgive(s Step) {
	m.failures = slices.DeleteFunc(m.failures, func(f Failure) bool { return f.Step == s })
}

// output is where the lines of a step's output go.
func (m *member) output(s Step) func(string) {
	return func(line string) { m.run.emit(Event{Type: TypeOutput, Host: m.host.Name, Step: s, Message: line}) }
}

// variables are what the inventory's commands find in their environment. The prefix keeps the inventory's own variables apart from ours.
func (m *member) variables(p name.Package) map[string]string {
	previous := m.facts.Stage.Linked
	if previous == p.String() { // taken back: what was there before is what is taken back from
		previous = m.run.pkg.String()
	}
	all := map[string]string{
		"KIS_STAGE": m.run.stage.String(), "KIS_PACKAGE": p.String(), "KIS_VERSION": p.Version(),
		"KIS_PREVIOUS": previous, "KIS_HOST": m.host.Name, "KIS_RUN": m.run.name.String(),
	}
	for name, value := range m.host.Vars {
		all["KIS_VAR_"+strings.ToUpper(name)] = value
	}
	return all
}

func (m *member) commands(p name.Package, list []string) remote.Commands {
	return remote.Commands{Package: p, Commands: list, Env: m.variables(p), Within: m.run.fleet.timeout()}
}

// within bounds a step that runs on the host: the host's own deadline comes first, ours is for the case that it does not answer.
func (m *member) within(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, d, fmt.Errorf("no answer within %v", d))
}
