package remote

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/keep-it-simple/kis/internal/guard"
	"github.com/keep-it-simple/kis/internal/name"
	"github.com/keep-it-simple/kis/internal/safetext"
	"github.com/keep-it-simple/kis/internal/tail"
	"github.com/keep-it-simple/kis/scripts"
)

// oldestPython is the oldest interpreter that can run the agent.
const oldestPython = "3.8"

// canDecompress follows the version of a Python that has zlib. Some are built without it.
const canDecompress = " zlib"

// started is what the reader found before and in the agent's greeting.
type started struct {
	word  string // READY, NOPYTHON, EATEN, NOWORDS or HELLO, "" at the end of the stream
	rest  string
	hello frame
	noise []string
	err   error
}

// errSilent is the cause when the greeting timed out.
var errSilent = errors.New("silent")

// greet proceeds from the login shell to the agent's greeting. Before the greeting it sends only
// the bootstrap, which is constant, and the agent: a login script that consumes input must not
// consume a command.
func (a *Agent) greet(ctx context.Context, starting <-chan started) error {
	s, err := a.exchange(ctx, []byte(scripts.Bootstrap()), starting)
	if err != nil {
		return err
	}
	if err := a.checkStart(s); err != nil {
		return err
	}
	a.noise = strings.Join(s.noise, " / ")
	order, err := a.order(strings.HasSuffix(s.rest, canDecompress))
	if err != nil {
		return err
	}
	if s, err = a.exchange(ctx, order, starting); err != nil {
		return err
	}
	if s.word != "HELLO" {
		return &StartError{Message: "python started, but kis's agent did not", Tail: s.noise}
	}
	var hello struct {
		Protocol int  `json:"protocol"`
		Host     Host `json:"host"`
	}
	if err := json.Unmarshal(s.hello.raw, &hello); err != nil || hello.Protocol != Protocol {
		return &StartError{Message: "the agent's greeting is unreadable"}
	}
	a.host = hello.Host
	return nil
}

// exchange is one half of the greeting: it sends data and waits for the host's next message, within
// a.timeouts.Greeting.
func (a *Agent) exchange(ctx context.Context, data []byte, starting <-chan started) (started, error) {
	bounded, cancel := context.WithTimeoutCause(ctx, a.timeouts.Greeting, errSilent)
	defer cancel()
	// A write fails when the shell has ended: its last message says more than the broken pipe.
	if bug, ok := errors.AsType[*guard.Panic](a.write(bounded, data)); ok {
		return started{}, &Lost{Cause: bug}
	}
	var err error
	select {
	case s := <-starting:
		if s.err == nil || errors.Is(s.err, io.EOF) {
			return s, nil
		}
		err = s.err
	case <-bounded.Done():
		err = context.Cause(bounded)
	}
	if errors.Is(err, errSilent) {
		return started{}, &StartError{
			Message: fmt.Sprintf("no answer from a shell within %s: does a login script wait for input?", safetext.Duration(a.timeouts.Greeting)),
			Hint:    a.login.waiting(),
		}
	}
	return started{}, &Lost{Cause: err}
}

func (a *Agent) checkStart(s started) error {
	switch s.word {
	case "READY":
		version := strings.TrimSuffix(s.rest, canDecompress)
		if !isSupported(version) {
			return &StartError{
				Message: fmt.Sprintf("python is %s, kis needs %s or newer", cut(version, maxCode), oldestPython),
				Hint:    "name a newer one in the inventory: python: /usr/bin/python3.11",
			}
		}
		return nil
	case "NOPYTHON":
		return noPython(s.rest)
	case "EATEN":
		return &StartError{Message: "a login script has read a part of what was sent to the shell", Hint: a.login.waiting(), Tail: s.noise}
	}
	if r, known := a.login.explain(s.noise); known {
		return &StartError{Message: r.message, Hint: r.hint, Tail: s.noise}
	}
	return &StartError{Message: "the command was not run, although the login succeeded", Hint: a.login.silent(), Tail: s.noise}
}

// noPython is the error for an interpreter that the host does not have.
func noPython(wanted string) error {
	if python, err := name.ParseInterpreter(wanted); err == nil && python != name.Python3() {
		return &StartError{Message: wanted + " is missing", Hint: "install it with its venv module, or name another one in the inventory: python: python3"}
	}
	return &StartError{
		Message: "python3 is missing",
		Hint:    "install it (apt install python3 python3-venv), or name it in the inventory: python: /path/to/python3",
	}
}

// isSupported reports whether a version of Python, of two numbers, is not older than oldestPython.
func isSupported(version string) bool {
	first, second, _ := strings.Cut(version, ".")
	major, err1 := strconv.Atoi(first)
	minor, err2 := strconv.Atoi(second)
	return err1 == nil && err2 == nil && (major > 3 || major == 3 && minor >= 8)
}

// read is the only reader of the host's standard output, for the whole session.
func (a *Agent) read(lines *lineReader, starting chan<- started) {
	var noise tail.Lines
	greeted := false
	for {
		line, whole, err := lines.next()
		if err != nil {
			words := a.lastStderr()
			if !greeted {
				appendLine(&noise, maskBootstrap(line))
				offer(starting, started{noise: append(noise.Lines(), words...), err: err})
			}
			if len(words) > 0 {
				err = fmt.Errorf("%w; last said: %s", err, words[len(words)-1])
			}
			a.end(err)
			return
		}
		if !greeted {
			var s started
			if s, greeted = a.starting(line, &noise); s.word != "" {
				offer(starting, s)
			}
			if greeted {
				lines.limit = maxFrame
			}
			continue
		}
		if err := a.dispatch(line, whole); err != nil {
			a.end(err)
			return
		}
	}
}

// offer does not wait. Nobody receives when the start is over or a host repeats itself.
func offer(starting chan<- started, s started) {
	select {
	case starting <- s:
	default:
	}
}

// starting looks for the messages of the loader and for the greeting in the output of a login
// shell.
func (a *Agent) starting(line []byte, noise *tail.Lines) (started, bool) {
	if f, ok, err := parseFrame(line, a.nonce); ok && err == nil && f.Ev == "hello" {
		return started{word: "HELLO", hello: f}, true
	}
	if rest, ok := bytes.CutPrefix(line, []byte(prefix)); ok {
		word, rest, _ := strings.Cut(string(rest), " ")
		if word == "READY" || word == "NOPYTHON" || word == "EATEN" || word == "NOWORDS" {
			s := started{word: word, rest: rest, noise: noise.Lines()}
			noise.Reset()
			return s, false
		}
	}
	appendLine(noise, maskBootstrap(line))
	return started{}, false
}

func appendLine(l *tail.Lines, line []byte) {
	_, _ = l.Write(line)
	_, _ = l.Write([]byte("\n"))
}

// maskBootstrap returns a line of noise, unless it is part of the bootstrap: a login script may
// print the input that it has read, and pieces of a shell program in a notice do not help the user.
func maskBootstrap(line []byte) []byte {
	const telling = 12 // bytes that do not occur in both by chance
	text := bytes.TrimSpace(line)
	if len(text) < telling {
		return line
	}
	sent := []byte(scripts.Bootstrap())
	if bytes.Contains(sent, text) {
		return []byte(consumed)
	}
	for ours := range bytes.Lines(sent) {
		if len(ours) > telling && bytes.Contains(text, ours[:telling]) {
			return []byte(consumed)
		}
	}
	return line
}

// consumed replaces, in a notice, a part of the bootstrap that a login script has read and printed.
const consumed = "(what kis sent to the shell: a login script reads its input)"

// dispatch passes one line to the call that waits for it. Lines that are no frames are ignored:
// they come from a child of the login shell.
func (a *Agent) dispatch(line []byte, whole bool) error {
	f, ok, err := parseFrame(line, a.nonce)
	if !ok {
		return nil
	}
	if err != nil || !whole {
		return errFrame
	}
	a.mu.Lock()
	c := a.pending[f.ID]
	a.mu.Unlock()
	switch {
	case c == nil:
	case f.Ev == "output":
		if c.output != nil {
			c.output(f.Text)
		}
	case f.Ev == "wheel":
		if err := f.Wheel.check(); err != nil {
			return fmt.Errorf("%w: %w", errFrame, err)
		}
		if c.wheel != nil {
			c.wheel(f.Wheel)
		}
	case f.Ev != "done" && f.Ev != "refused": // an unknown event must not pass for "done"
		return errFrame
	default:
		select {
		case c.answer <- f:
		default: // a second answer to the same command
			return errFrame
		}
	}
	return nil
}

// readErrors reads the standard error stream: of login scripts, sh and sudo, and of the agent when
// it dies.
func (a *Agent) readErrors(lines *lineReader) {
	defer close(a.stderrDone)
	for {
		line, _, err := lines.next()
		appendLine(&a.stderr, line)
		if err != nil {
			return
		}
	}
}

// lastStderr returns the end of the standard error stream, after waiting for its end, so that no
// message is missed.
func (a *Agent) lastStderr() []string {
	select {
	case <-a.stderrDone:
	case <-time.After(time.Second):
	}
	return a.stderr.Lines()
}
