package remote

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"sync"
	"time"

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
	host  Host
	noise string

	in     io.WriteCloser
	writes sync.Mutex
	nonce  string

	mu      sync.Mutex
	last    int
	pending map[int]*call
	err     error // why the conversation has ended

	said       tail          // the end of the standard error stream
	errorsDone chan struct{} // closed when that stream has ended

	ended   chan struct{} // closed with err set
	readers sync.WaitGroup
	stop    context.CancelFunc
}

// call is a command that waits for its answer.
type call struct {
	answer chan frame
	output func(line string)
}

// order is the one line the loader of the agent reads.
type order struct {
	Nonce   string            `json:"nonce"`
	Modules [][2]string       `json:"modules"`
	Steps   map[string]string `json:"steps"`
}

// Start brings the agent up over the streams of a command that was started as Command says. The error is *StartError when what is there is
// not a shell with Python, *Lost when the connection went away. ctx bounds the start; the conversation outlives it.
func Start(ctx context.Context, s Streams) (*Agent, error) {
	nonce := make([]byte, 16)
	if _, err := rand.Read(nonce); err != nil {
		return nil, fmt.Errorf("random numbers: %w", err)
	}
	a := &Agent{in: s.In, nonce: hex.EncodeToString(nonce), pending: map[int]*call{}}
	a.ended, a.errorsDone = make(chan struct{}), make(chan struct{})
	// Nobody but these two reads the streams, so that a host that prints much never stands still because of us.
	starting := make(chan started, 1)
	a.readers.Go(func() { a.readErrors(newLineReader(s.Err, tailWidth)) })
	a.readers.Go(func() { a.read(newLineReader(s.Out, maxFrame), starting) })
	if err := a.greet(ctx, starting); err != nil {
		_ = s.In.Close() // the host sees end of file and leaves
		return nil, err
	}
	alive, stop := context.WithCancel(context.WithoutCancel(ctx))
	a.stop = stop
	a.readers.Go(func() { a.keepLease(alive) })
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
	_ = a.call(ctx, "bye", nil, nil, nil)
	a.stop()
	err := a.in.Close()
	select {
	case <-a.ended:
	case <-ctx.Done():
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("close: %w", err)
	}
	return nil
}

// call sends one command and waits for its answer. result may be nil. output gets lines of the step's output, in order, from one goroutine.
func (a *Agent) call(ctx context.Context, op string, args map[string]any, result any, output func(string)) error {
	c := &call{answer: make(chan frame, 1), output: output}
	id, err := a.register(c)
	if err != nil {
		return err
	}
	defer a.forget(id)
	if err := a.send(id, op, args); err != nil {
		return &Lost{Cause: err}
	}
	select {
	case f := <-c.answer:
		return read(f, result)
	case <-a.ended:
		select {
		case f := <-c.answer: // it came just before the end
			return read(f, result)
		default:
			return &Lost{Cause: a.reason()}
		}
	case <-ctx.Done():
		return &Lost{Cause: context.Cause(ctx)}
	}
}

func read(f frame, result any) error {
	if f.Ev == "refused" {
		refused := new(Refused)
		if err := json.Unmarshal(f.raw, refused); err != nil {
			return &Lost{Cause: fmt.Errorf("%w: %w", errFrame, err)}
		}
		return refused
	}
	if result == nil {
		return nil
	}
	if err := json.Unmarshal(f.raw, result); err != nil {
		return &Lost{Cause: fmt.Errorf("%w: %w", errFrame, err)}
	}
	return nil
}

func (a *Agent) send(id int, op string, args map[string]any) error {
	command := map[string]any{"id": id, "op": op}
	maps.Copy(command, args)
	line, err := json.Marshal(command)
	if err != nil {
		return err
	}
	a.writes.Lock()
	defer a.writes.Unlock()
	_, err = a.in.Write(append(line, '\n'))
	return err
}

func (a *Agent) register(c *call) (int, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.err != nil {
		return 0, &Lost{Cause: a.err}
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
		within, cancel := context.WithTimeout(ctx, pingWithin)
		err := a.call(within, "ping", nil, nil, nil)
		cancel()
		if errors.Is(err, context.DeadlineExceeded) {
			a.end(fmt.Errorf("the agent has not answered for %v", pingWithin))
			_ = a.in.Close()
			return
		}
	}
}

func (a *Agent) order() ([]byte, error) {
	o := order{Nonce: a.nonce, Steps: scripts.Steps()}
	for _, m := range scripts.Modules() {
		o.Modules = append(o.Modules, [2]string{m.Name, m.Source})
	}
	line, err := json.Marshal(o)
	return append(line, '\n'), err
}
