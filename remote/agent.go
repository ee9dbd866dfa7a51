package remote

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"sync"
	"sync/atomic"
	"time"

	"github.com/keep-it-simple/kis/internal/guard"
	"github.com/keep-it-simple/kis/internal/safetext"
	"github.com/keep-it-simple/kis/internal/tail"
	"github.com/keep-it-simple/kis/internal/timeouts"
)

// Protocol is the version of the agent's protocol that this program speaks.
const Protocol = 1

// Streams are the standard streams of the command that Command returns. Agent closes only In.
type Streams struct {
	In       io.WriteCloser
	Out, Err io.Reader
	Root     string            // of the package repository, where the agent keeps its modules compiled; "": nowhere
	Login    Login             // for the hints of errors; may be zero
	Timeouts timeouts.Timeouts // the zero value stands for timeouts.Default
}

// Host describes the machine and the user that the agent runs as.
type Host struct {
	Hostname   string `json:"hostname"`
	Python     string `json:"python"`     // version of the interpreter, "3.11.2"
	Executable string `json:"executable"` // its path
}

// Agent is a session with the agent on one host. Several goroutines may call its methods, but the
// host does one step at a time: during a step all methods but Ping and Cancel return *Refused.
// Every method returns nil (done), *Refused (not done, as the host itself says) or
// *Lost (unknown). Call Close in the end.
type Agent struct {
	host     Host
	hostID   string // of the package repository
	root     string
	login    Login
	noise    string
	timeouts timeouts.Timeouts

	in     io.WriteCloser
	writer chan struct{} // a semaphore: the holder of its one token may write to in
	nonce  string

	mu      sync.Mutex
	last    int
	pending map[int]*call
	err     error // why the session has ended

	stderr     tail.Lines    // the end of the standard error stream
	stderrDone chan struct{} // closed when that stream has ended

	begun   time.Time
	heard   atomic.Int64  // when something came from the agent last, in nanoseconds since begun
	ended   chan struct{} // closed with err set
	workers guard.Group
	stop    context.CancelFunc
}

// call is a command that waits for its answer.
type call struct {
	answer chan frame
	output func(line string)
	wheel  func(Wheel)
}

func newCall(output func(string)) *call { return &call{answer: make(chan frame, 1), output: output} }

// Start starts the agent over the streams of a command that was started as Command says. The error
// is *StartError when the other end is not a shell with Python, and *Lost when the connection was
// lost. ctx bounds the start only.
func Start(ctx context.Context, s Streams) (*Agent, error) {
	a := &Agent{in: s.In, root: s.Root, login: s.Login, timeouts: s.Timeouts.OrDefault(), nonce: rand.Text(), pending: map[int]*call{}, begun: time.Now(), writer: make(chan struct{}, 1)}
	a.ended, a.stderrDone = make(chan struct{}), make(chan struct{})
	// Two goroutines read the streams all the time, so that a host that prints much never blocks.
	starting := make(chan started, 3) // as many as a successful start sends, so that the reader never waits
	a.workers.Go(func() { a.readErrors(newLineReader(s.Err, tail.MaxWidth)) }, a.endByPanic)
	a.workers.Go(func() { a.read(newLineReader(hearing{s.Out, a}, maxGreeting), starting) }, func(p *guard.Panic) {
		offer(starting, started{err: p})
		a.endByPanic(p)
	})
	a.workers.Go(func() { _, _ = agentProgram() }, a.endByPanic) // greet needs it, when the host has started its Python
	if err := a.greet(ctx, starting); err != nil {
		_ = s.In.Close() // the host reads end of file and ends
		return nil, err
	}
	alive, stop := context.WithCancel(context.WithoutCancel(ctx))
	a.stop = stop
	a.workers.Go(func() { a.keepLease(alive) }, a.endByPanic)
	return a, nil
}

// Host returns what the agent reported in its greeting.
func (a *Agent) Host() Host { return a.host }

// Noise returns what the login shell printed before the agent's greeting, shortened; "" for
// nothing, as it should be.
func (a *Agent) Noise() string { return a.noise }

// Done is closed when the session has ended.
func (a *Agent) Done() <-chan struct{} { return a.ended }

// Close ends the session: the host releases its locks and removes the files of the run. It waits a
// few seconds at most. It does nothing when called again, or after the connection was lost.
func (a *Agent) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), a.timeouts.Close) //nolint:forbidigo // closing must not depend on a context that has ended
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

// call sends one command and waits for its answer. result may be nil. output gets the lines of the
// step's output, in order, from one goroutine.
func (a *Agent) call(ctx context.Context, op operation, args, result any, output func(string)) error {
	return a.do(ctx, newCall(output), op, args, result)
}

// do is call for a command that gets more than lines of output.
func (a *Agent) do(ctx context.Context, c *call, op operation, args, result any) error {
	if err := a.acquireWriter(ctx); err != nil {
		return &Lost{Cause: err}
	}
	return a.doAndRelease(ctx, c, op, args, result)
}

// doAndRelease is do for the holder of the writer's token, which it releases once the command is sent.
func (a *Agent) doAndRelease(ctx context.Context, c *call, op operation, args, result any) error {
	id, err := a.register(c)
	if err == nil {
		defer a.forget(id)
		err = a.sendAndRelease(ctx, id, op, args)
	} else {
		a.releaseWriter()
	}
	if err != nil {
		return &Lost{Cause: err}
	}
	return a.await(ctx, c, result)
}

// await waits for the answer to c. An answer that has arrived counts, even if the session or ctx
// has ended since.
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

func (a *Agent) sendAndRelease(ctx context.Context, id int, op operation, args any) error {
	defer a.releaseWriter()
	return a.send(ctx, id, op, args)
}

func (a *Agent) send(ctx context.Context, id int, op operation, args any) error {
	line, err := encode(id, op, args)
	if err != nil {
		return err
	}
	return a.write(ctx, line)
}

// acquireWriter waits until no other goroutine writes. Nothing is sent for a ctx that has ended.
func (a *Agent) acquireWriter(ctx context.Context) error {
	select {
	case a.writer <- struct{}{}:
	case <-a.ended:
		return a.reason()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if ctx.Err() != nil {
		a.releaseWriter()
		return context.Cause(ctx)
	}
	return nil
}

func (a *Agent) releaseWriter() { <-a.writer }

// write sends data, and does not block longer than ctx lasts. After an error the number of bytes
// sent is unknown: the session is over.
func (a *Agent) write(ctx context.Context, data []byte) error {
	done := make(chan error, 1)
	a.workers.Go(func() {
		_, err := a.in.Write(data)
		done <- err
	}, func(p *guard.Panic) {
		done <- p
		a.endByPanic(p)
	})
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		select {
		case err := <-done: // both at once: the write has completed
			return err
		default:
		}
		a.end(context.Cause(ctx))
		a.workers.Go(func() { _ = a.in.Close() }, a.endByPanic) // ends the write, at the latest with the connection
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

// end records the first reason and wakes all who wait.
func (a *Agent) end(err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.err == nil {
		a.err = err
		close(a.ended)
	}
}

// endByPanic ends the session with a panic as its reason. The agent reads end of file and ends.
func (a *Agent) endByPanic(p *guard.Panic) {
	a.end(p)
	_ = guard.Try(a.in.Close) // Close may be what has panicked
}

// keepLease pings the agent regularly, and ends the session when it does not answer.
func (a *Agent) keepLease(ctx context.Context) {
	ticker := time.NewTicker(a.timeouts.Ping)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
		case <-a.ended:
			return
		case <-ctx.Done():
			return
		}
		// During an upload its bytes keep the lease. The timeout begins once the writer is free.
		if a.acquireWriter(ctx) != nil {
			return
		}
		within, cancel := a.untilSilent(ctx, a.timeouts.PingAnswer)
		err := a.doAndRelease(within, newCall(nil), opPing, nil, nil)
		cancel()
		if errors.Is(err, context.DeadlineExceeded) {
			a.end(fmt.Errorf("the agent has not answered for %s", safetext.Duration(a.timeouts.PingAnswer)))
			_ = a.in.Close()
			return
		}
	}
}

// untilSilent returns a context that ends when nothing has come from the agent for so long: on a slow line, a large answer
// may be on its way before that to a ping.
func (a *Agent) untilSilent(ctx context.Context, silence time.Duration) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	var watch func()
	watch = func() {
		left := silence - time.Since(a.begun) + time.Duration(a.heard.Load())
		switch {
		case ctx.Err() != nil:
		case left <= 0:
			cancel(context.DeadlineExceeded)
		default:
			time.AfterFunc(left, guard.Func(watch, a.endByPanic))
		}
	}
	time.AfterFunc(silence, guard.Func(watch, a.endByPanic))
	return ctx, func() { cancel(nil) }
}

// hearing notes when something was read.
type hearing struct {
	io.Reader
	a *Agent
}

func (h hearing) Read(p []byte) (int, error) {
	n, err := h.Reader.Read(p)
	if n > 0 {
		h.a.heard.Store(int64(time.Since(h.a.begun)))
	}
	return n, err
}
