package remote

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"sync"
	"time"

	"github.com/keep-it-simple/kis/internal/guard"
	"github.com/keep-it-simple/kis/internal/tail"
	"github.com/keep-it-simple/kis/scripts"
)

// Protocol is the version of the agent's protocol this program speaks.
const Protocol = 1

// Bounds of waiting. The agent's own lease is a minute, see scripts/kisagent/main.py.
const (
	pingEvery  = 10 * time.Second
	pingWithin = 30 * time.Second
	endWithin  = 5 * time.Second
)

// Streams are the standard streams of the command that Command names. Agent closes none but In.
type Streams struct {
	In       io.WriteCloser
	Out, Err io.Reader
	Login    Login // for the hints of errors; may be zero
}

// Host is what the agent says of the machine and the user it runs as.
type Host struct {
	Hostname   string `json:"hostname"`
	Python     string `json:"python"`     // version of the interpreter, "3.11.2"
	Executable string `json:"executable"` // its path
	System     string `json:"system"`     // "Linux x86_64"
	User       string `json:"user"`
	Boot       string `json:"boot"` // the kernel's boot id
}

// Agent is a conversation with the agent on one host. Its methods may be called by several goroutines, but the host does one step at a
// time: all but Ping answer *Refused while another step is in progress. Every method returns nil (done), *Refused (not done, by the host's
// own word) or *Lost (unknown). Close it when done.
type Agent struct {
	host   Host
	hostID string // of the package repository
	login  Login
	noise  string

	in    io.WriteCloser
	turn  chan struct{} // holds one token: who has put it there may write to in
	nonce string

	mu      sync.Mutex
	last    int
	pending map[int]*call
	err     error // why the conversation has ended

	said       tail.Lines    // the end of the standard error stream
	errorsDone chan struct{} // closed when that stream has ended

	ended   chan struct{} // closed with err set
	workers guard.Group
	stop    context.CancelFunc
}

// call is a command that waits for its answer.
type call struct {
	answer chan frame
	output func(line string)
}

// Start brings the agent up over the streams of a command that was started as Command says. The error is *StartError when what is there is
// not a shell with Python, *Lost when the connection went away. ctx bounds the start; the conversation outlives it.
func Start(ctx context.Context, s Streams) (*Agent, error) {
	a := &Agent{in: s.In, login: s.Login, nonce: rand.Text(), pending: map[int]*call{}, turn: make(chan struct{}, 1)}
	a.ended, a.errorsDone = make(chan struct{}), make(chan struct{})
	// Nobody but these two reads the streams, so that a host that prints much never stands still because of us.
	starting := make(chan started, 3) // as many as there are in a good start, so that the reader need not wait
	a.workers.Go(func() { a.readErrors(newLineReader(s.Err, tail.MaxWidth)) }, a.crashed)
	a.workers.Go(func() { a.read(newLineReader(s.Out, maxGreeting), starting) }, func(p *guard.Panic) {
		tell(starting, started{err: p})
		a.crashed(p)
	})
	if err := a.greet(ctx, starting); err != nil {
		_ = s.In.Close() // the host sees end of file and leaves
		return nil, err
	}
	alive, stop := context.WithCancel(context.WithoutCancel(ctx))
	a.stop = stop
	a.workers.Go(func() { a.keepLease(alive) }, a.crashed)
	return a, nil
}

// Host is what the agent said of itself in its greeting.
func (a *Agent) Host() Host { return a.host }

// Noise is what the login shell printed before the agent spoke, cut short; "" when it was silent, as it should be.
func (a *Agent) Noise() string { return a.noise }

// Done is closed when the conversation has ended.
func (a *Agent) Done() <-chan struct{} { return a.ended }

// Close says goodbye, which lets the host release its locks and remove what belongs to the run, and ends the conversation. It waits some
// seconds at most. Calling it again, or after the connection was lost, does nothing.
func (a *Agent) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), endWithin) //nolint:forbidigo // closing must not depend on a context that has ended
	defer cancel()
	_ = a.call(ctx, opBye, nil, nil, nil)
	a.stop()
	err := a.in.Close()
	select {
	case <-a.ended:
	case <-ctx.Done():
	}
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, fs.ErrClosed) {
		return fmt.Errorf("close: %w", err)
	}
	return nil
}

// call sends one command and waits for its answer. result may be nil. output gets lines of the step's output, in order, from one goroutine.
func (a *Agent) call(ctx context.Context, op operation, args, result any, output func(string)) error {
	if err := a.takeTurn(ctx); err != nil {
		return &Lost{Cause: err}
	}
	return a.ask(ctx, op, args, result, output)
}

// ask is call for who has the turn to write; it gives the turn back once the command is sent.
func (a *Agent) ask(ctx context.Context, op operation, args, result any, output func(string)) error {
	c := &call{answer: make(chan frame, 1), output: output}
	id, err := a.register(c)
	if err == nil {
		defer a.forget(id)
		err = a.sendInTurn(ctx, id, op, args)
	} else {
		a.endTurn()
	}
	if err != nil {
		return &Lost{Cause: err}
	}
	return a.await(ctx, c, result)
}

// await waits for the answer to c. One that is here counts, even if the conversation or ctx has ended since.
func (a *Agent) await(ctx context.Context, c *call, result any) error {
	var lost error
	select {
	case f := <-c.answer:
		return read(f, result)
	case <-a.ended:
		lost = &Lost{Cause: a.reason()}
	case <-ctx.Done():
		lost = &Lost{Cause: context.Cause(ctx)}
	}
	select {
	case f := <-c.answer:
		return read(f, result)
	default:
		return lost
	}
}

func (a *Agent) sendInTurn(ctx context.Context, id int, op operation, args any) error {
	defer a.endTurn()
	return a.send(ctx, id, op, args)
}

func (a *Agent) send(ctx context.Context, id int, op operation, args any) error {
	line, err := encode(id, op, args)
	if err != nil {
		return err
	}
	return a.write(ctx, line)
}

// takeTurn waits until nobody else writes. Nothing is sent for a ctx that has ended.
func (a *Agent) takeTurn(ctx context.Context) error {
	select {
	case a.turn <- struct{}{}:
	case <-a.ended:
		return a.reason()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if ctx.Err() != nil {
		a.endTurn()
		return context.Cause(ctx)
	}
	return nil
}

func (a *Agent) endTurn() { <-a.turn }

// write sends data without blocking longer than ctx lasts. After an error nobody knows how much has been sent: the conversation is over.
func (a *Agent) write(ctx context.Context, data []byte) error {
	done := make(chan error, 1)
	a.workers.Go(func() {
		_, err := a.in.Write(data)
		done <- err
	}, func(p *guard.Panic) {
		done <- p
		a.crashed(p)
	})
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		select {
		case err := <-done: // both at once: what was written was written
			return err
		default:
		}
		a.end(context.Cause(ctx))
		a.workers.Go(func() { _ = a.in.Close() }, a.crashed) // ends the write, at the latest when the connection ends
		return context.Cause(ctx)
	}
}

func (a *Agent) register(c *call) (int, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.err != nil {
		return 0, a.err
	}
	a.last++
	a.pending[a.last] = c
	return a.last, nil
}

func (a *Agent) forget(id int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.pending, id)
}

func (a *Agent) reason() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.err
}

// end remembers the first reason and wakes everybody who waits.
func (a *Agent) end(err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.err == nil {
		a.err = err
		close(a.ended)
	}
}

// crashed ends the conversation with a panic as its reason. The agent sees the end of its input, and gives up.
func (a *Agent) crashed(p *guard.Panic) {
	a.end(p)
	_ = guard.Try(a.in.Close) // that may be what has panicked
}

// keepLease tells the agent again and again that we are here, and ends the conversation when it does not answer.
func (a *Agent) keepLease(ctx context.Context) {
	ticker := time.NewTicker(pingEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
		case <-a.ended:
			return
		case <-ctx.Done():
			return
		}
		// While an upload has the turn its bytes keep the lease; only then does the time for the answer begin.
		if a.takeTurn(ctx) != nil {
			return
		}
		within, cancel := context.WithTimeout(ctx, pingWithin)
		err := a.ask(within, opPing, nil, nil, nil)
		cancel()
		if errors.Is(err, context.DeadlineExceeded) {
			a.end(fmt.Errorf("the agent has not answered for %v", pingWithin))
			_ = a.in.Close()
			return
		}
	}
}

// order is the line that the loader of the agent reads: see scripts/bootstrap.sh.
func (a *Agent) order() ([]byte, error) {
	program, err := agentProgram()
	return fmt.Appendf(nil, "{\"nonce\":%q,%s\n", a.nonce, program[1:]), err
}

// agentProgram is the agent, encoded once however many hosts it is for: it is some hundred kilobytes.
//
//nolint:gochecknoglobals // a constant that takes a computation
var agentProgram = sync.OnceValues(func() ([]byte, error) {
	var program struct {
		Modules [][2]string       `json:"modules"`
		Steps   map[string]string `json:"steps"`
	}
	program.Steps = scripts.Steps()
	for _, m := range scripts.Modules() {
		program.Modules = append(program.Modules, [2]string{m.Name, m.Source})
	}
	return json.Marshal(program)
})
