package commit_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/pkg/sftp"

	"github.com/keep-it-simple/kis/internal/fleet"
	"github.com/keep-it-simple/kis/inventory"
	"github.com/keep-it-simple/kis/remote"
)

// simLaptop is the machine of one run: it dials simulated hosts, and may die.
type simLaptop struct {
	nth   int
	hosts map[string]*simHost
	tapes map[string]*simTape // by host: what goes wrong between this machine and it
	conns []*simConn
	dead  bool // nothing is sent any more
	ticks map[string]int
	lost  map[string]int  // by host: messages that did not arrive, or not in time
	worse map[string]bool // by host: something happened there after which no run could put it right
	stop  context.CancelFunc
	// stopped is when the user interrupted the run.
	stopped time.Time
	ended   time.Time // when the report was made
}

// simTape is a list of decisions. 0 means that all goes well, and so does the end of the tape.
type simTape struct {
	bytes []byte
	at    int
}

func (t *simTape) next(n int) int {
	if t.at >= len(t.bytes) {
		return 0
	}
	t.at++
	return int(t.bytes[t.at-1]) % n
}

// delay is how long something takes that is not lost.
func (t *simTape) delay() time.Duration {
	return []time.Duration{
		100 * time.Millisecond, time.Second, 4 * time.Second, 9 * time.Second, 13 * time.Second, 25 * time.Second, 45 * time.Second, 70 * time.Second,
	}[t.next(8)]
}

// simConn is one connection to a simHost. It is the connection of a session and the writer that is
// the agent's standard input.
type simConn struct {
	laptop *simLaptop
	h      *simHost
	tape   *simTape
	agent  *simAgent
	nonce  string
	input  []byte
	out    *simStream
	lease  *time.Timer

	closed  bool // by the controller
	cut     bool // nothing gets through any more
	toHost  time.Time
	toHere  time.Time
	answers []simRead
}

// simRead is an answer that has arrived, and what was linked when it was made.
type simRead struct {
	made    time.Time
	arrived time.Time
	link    string
}

var _ fleet.Connection = (*simConn)(nil)

var errSimulated = errors.New("simulated")

// simLatency is about what a message takes. No two events of a schedule happen at the same time, so
// that a schedule is the same each time.
const simLatency = time.Millisecond

func (l *simLaptop) dial(ctx context.Context, host inventory.Host) (fleet.Connection, remote.Streams, error) {
	h := l.hosts[host.Name]
	if err := fleet.Wait(ctx, l.step(h, 5*simLatency)); err != nil {
		return nil, remote.Streams{}, err
	}
	c, err := l.connect(h)
	if err != nil {
		return nil, remote.Streams{}, err
	}
	return c, remote.Streams{In: c, Out: c.out, Err: strings.NewReader("")}, nil
}

// step is a duration that no other message of this schedule takes.
func (l *simLaptop) step(h *simHost, d time.Duration) time.Duration {
	h.mu.Lock()
	defer h.mu.Unlock()
	return d + l.unique(h)
}

// unique is a few nanoseconds that no other event of the schedule has.
func (l *simLaptop) unique(h *simHost) time.Duration {
	l.ticks[h.name]++
	return time.Duration(64*l.ticks[h.name] + 8*l.nth + h.nth)
}

func (l *simLaptop) connect(h *simHost) (*simConn, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	tape := l.tapes[h.name]
	if !l.dead && !h.quiet {
		switch tape.next(24) {
		case 1:
			l.lost[h.name]++
			return nil, fmt.Errorf("connect: %w", errSimulated)
		case 2:
			h.goDown(tape)
			l.worse[h.name] = true
		case 3:
			h.unmount(tape)
			l.worse[h.name] = true
		case 4:
			l.die(tape)
		}
	}
	if l.dead || h.down {
		l.lost[h.name]++
		return nil, fmt.Errorf("connect: %w", errSimulated)
	}
	c := &simConn{laptop: l, h: h, tape: tape, out: newSimStream()}
	l.conns = append(l.conns, c)
	return c, nil
}

// goDown has the host lose its power: for a while, or for good.
func (h *simHost) goDown(t *simTape) {
	h.reboot()
	h.down = true
	if t.next(3) == 1 {
		return
	}
	h.later(t.delay(), func() { h.down = false })
}

// unmount has the host come back without the volume of its repository, for a while.
func (h *simHost) unmount(t *simTape) {
	h.reboot()
	h.mounted = false
	h.later(t.delay(), func() { h.mounted = true })
}

// later does something on the host.
func (h *simHost) later(d time.Duration, do func()) {
	time.AfterFunc(d+h.unique(), func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		do()
	})
}

// die is the end of the machine that runs the controller: of the process, so that the hosts see it
// soon, or of its power or network.
func (l *simLaptop) die(t *simTape) {
	if l.dead {
		return
	}
	l.dead = true
	silent := t.next(2) == 1
	for _, c := range l.conns {
		if !silent {
			c.hangUp()
		}
		c.out.end(io.EOF)
	}
	l.stop()
}

// hangUp lets the host see the end of the connection.
func (c *simConn) hangUp() {
	if c.cut {
		return
	}
	c.cut = true
	c.arrive(0, func() {
		if c.agent != nil {
			c.agent.end()
		}
	})
}

// lose ends the connection for the controller; the host sees it too, or finds out when its lease
// ends.
func (c *simConn) lose(hostSees bool) {
	if hostSees {
		c.hangUp()
	}
	c.cut = true
	c.laptop.lost[c.h.name]++
	c.arriveHere(0, func() { c.out.end(io.EOF) })
}

// arrive has something happen on the host, after everything that was sent before.
func (c *simConn) arrive(d time.Duration, do func()) {
	c.toHost = later(c.toHost, time.Now().Add(simLatency+d+c.laptop.unique(c.h)))
	time.AfterFunc(time.Until(c.toHost), func() {
		c.h.mu.Lock()
		defer c.h.mu.Unlock()
		do()
	})
}

func (c *simConn) arriveHere(d time.Duration, do func()) {
	c.toHere = later(c.toHere, time.Now().Add(simLatency+d+c.laptop.unique(c.h)))
	time.AfterFunc(time.Until(c.toHere), func() {
		c.h.mu.Lock()
		defer c.h.mu.Unlock()
		do()
	})
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a.Add(time.Nanosecond)
	}
	return b
}

// Write takes what the controller sends: the bootstrap, the agent, and commands.
func (c *simConn) Write(data []byte) (int, error) {
	c.h.mu.Lock()
	defer c.h.mu.Unlock()
	if c.closed || c.laptop.dead {
		return 0, io.ErrClosedPipe
	}
	first := len(c.input) == 0 && c.nonce == ""
	c.input = append(c.input, data...)
	if first && bytes.HasPrefix(data, []byte(":")) {
		c.arriveHere(simLatency, func() { c.out.add([]byte("KIS1 READY 3.11\n")) })
		c.nonce, c.input = "?", nil
		return len(data), nil
	}
	for {
		line, rest, whole := bytes.Cut(c.input, []byte("\n"))
		if !whole {
			return len(data), nil
		}
		c.input = slices.Clone(rest)
		c.line(line)
	}
}

func (c *simConn) line(line []byte) {
	if c.agent == nil {
		c.start(line)
		return
	}
	c.request(line)
}

// start is the agent's line: the host's Python becomes the agent.
func (c *simConn) start(line []byte) {
	nonce := bytes.SplitN(line[:min(len(line), 100)], []byte(`"`), 5)[3]
	c.nonce = string(nonce)
	c.agent = &simAgent{h: c.h, reply: c.answer}
	c.agent.during = func(simCommand) simRan {
		return []simRan{
			{300 * time.Millisecond, true},
			{time.Second, false},
			{20 * time.Second, true},
			{20 * time.Second, false},
			{80 * time.Second, true},
		}[c.tape.next(5)]
	}
	c.h.agents[c.agent] = true
	agent := c.agent
	c.lease = time.AfterFunc(60*time.Second, func() {
		c.h.mu.Lock()
		defer c.h.mu.Unlock()
		agent.end()
	})
	c.frame(0, map[string]any{"ev": "hello", "protocol": remote.Protocol, "host": map[string]any{"python": "3.11.2", "hostname": c.h.name}}, nil)
}

// request is a command on its way to the host.
func (c *simConn) request(line []byte) {
	if c.cut {
		return
	}
	fault, wait := noFault, time.Duration(0)
	if !c.h.quiet {
		switch c.tape.next(32) {
		case 1:
			c.lose(true)
			return
		case 2:
			c.lose(false)
			return
		case 3: // cut for the controller; what was written arrives all the same
			wait = c.tape.delay()
			defer c.lose(c.tape.next(2) == 1)
		case 4:
			c.agent.kill()
			c.lose(true)
			return
		case 5:
			fault = diesMidway
			c.laptop.lost[c.h.name]++
		case 6:
			c.h.goDown(c.tape)
			c.laptop.worse[c.h.name] = true
		case 7:
			c.laptop.die(c.tape)
			return
		case 8:
			c.laptop.die(c.tape) // and this command was out already
		case 9:
			c.laptop.stopped = time.Now()
			c.laptop.stop()
		case 10:
			wait = c.tape.delay()
			c.laptop.lost[c.h.name]++
		case 11:
			fault = refusesIt
			c.laptop.worse[c.h.name] = true
		case 12:
			c.h.replaceByHand("app-9")
			c.laptop.worse[c.h.name] = true
		case 13:
			c.h.force()
			c.laptop.worse[c.h.name] = true
		case 14:
			c.h.removeLock()
			c.laptop.worse[c.h.name] = true
		case 15:
			c.agent.stuck = c.tape.delay()
			c.laptop.worse[c.h.name] = true
		}
	}
	c.arrive(wait, func() {
		if !c.agent.dead && !c.h.down {
			c.lease.Reset(60 * time.Second)
			c.agent.handle(line, fault)
		}
	})
}

// force is kis unlock --force of a user.
func (h *simHost) force() {
	if h.holder == nil {
		return
	}
	victim := h.lockRun
	h.holder.end()
	h.append(map[string]any{"run": victim, "ev": "ended", "by": "bob@laptop"})
}

// answer is an answer on its way to the controller.
func (c *simConn) answer(frame map[string]any, reportsLink bool) {
	var read *simRead
	if reportsLink {
		read = &simRead{made: time.Now(), link: c.h.link}
	}
	if c.cut || c.laptop.dead {
		return
	}
	wait := time.Duration(0)
	if !c.h.quiet {
		switch c.tape.next(24) {
		case 1:
			c.lose(true)
			return
		case 2:
			c.lose(false)
			return
		case 3:
			wait = c.tape.delay()
			c.laptop.lost[c.h.name]++
		case 4:
			c.agent.kill()
			c.lose(true)
			return
		case 5:
			c.laptop.worse[c.h.name] = true
			defer c.h.goDown(c.tape)
		case 6:
			c.laptop.die(c.tape)
			return
		}
	}
	c.frame(wait, frame, read)
}

func (c *simConn) frame(wait time.Duration, frame map[string]any, read *simRead) {
	data, err := json.Marshal(frame)
	if err != nil {
		panic(err)
	}
	c.arriveHere(wait, func() {
		if c.out.add(fmt.Appendf(nil, "KIS1 %s %s\n", c.nonce, data)) && read != nil {
			read.arrived = time.Now()
			c.answers = append(c.answers, *read)
		}
	})
}

// Close ends the fleet.Connection, or closes the agent's standard input: the host sees the end of
// it.
func (c *simConn) Close() error {
	c.h.mu.Lock()
	defer c.h.mu.Unlock()
	if c.closed {
		return nil
	}
	c.closed = true
	if c.laptop.dead {
		return nil
	}
	c.hangUp()
	c.arriveHere(2*simLatency, func() { c.out.end(io.EOF) })
	return nil
}

func (c *simConn) AuthKey() string { return "SHA256:simulated" }
func (c *simConn) Lost() error     { return nil }
func (c *simConn) SFTP(context.Context) (*sftp.Client, error) {
	return nil, errSimulated
}

// simStream is what the controller reads of a host.
type simStream struct {
	data chan []byte
	rest []byte
	over bool
	err  error
}

func newSimStream() *simStream { return &simStream{data: make(chan []byte, 4096)} }

func (s *simStream) add(data []byte) bool {
	if s.over {
		return false
	}
	s.data <- data
	return true
}

func (s *simStream) end(err error) {
	if !s.over {
		s.over, s.err = true, err
		close(s.data)
	}
}

func (s *simStream) Read(p []byte) (int, error) {
	if len(s.rest) == 0 {
		data, more := <-s.data
		if !more {
			return 0, s.err
		}
		s.rest = data
	}
	n := copy(p, s.rest)
	s.rest = s.rest[n:]
	return n, nil
}
