package remote_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/remote"
)

// pipes are the other ends of a session's streams, for hosts that misbehave.
type pipes struct {
	in        *bufio.Reader
	inEnd     *io.PipeReader
	out, said *io.PipeWriter
	outNear   *io.PipeReader
	saidNear  *io.PipeReader
	nonce     string
}

func newPipes() (io.WriteCloser, *pipes) {
	p := new(pipes)
	inEnd, in := io.Pipe()
	p.inEnd, p.in = inEnd, bufio.NewReader(inEnd)
	p.outNear, p.out = io.Pipe()
	p.saidNear, p.said = io.Pipe()
	return in, p
}

func (p *pipes) streams(in io.WriteCloser) remote.Streams {
	return remote.Streams{In: in, Out: p.outNear, Err: p.saidNear}
}

func (p *pipes) say(text string) { _, _ = io.WriteString(p.out, text) }

// frame writes one frame as the agent: the members of the object, without braces.
func (p *pipes) frame(format string, args ...any) {
	p.say("KIS1 " + p.nonce + " {" + fmt.Sprintf(format, args...) + "}\n")
}

// swallow reads commands without answering, until bye or end of file.
func (p *pipes) swallow() {
	for command := p.next(); command != nil && command["op"] != "bye"; {
		command = p.next()
	}
}

func (p *pipes) hangUp() {
	_, _, _ = p.inEnd.Close(), p.out.Close(), p.said.Close()
}

// next returns the next line that is JSON; nil at the end.
func (p *pipes) next() map[string]any {
	for {
		line, err := p.in.ReadString('\n')
		if err != nil {
			return nil
		}
		var command map[string]any
		if strings.HasPrefix(line, "{") && json.Unmarshal([]byte(line), &command) == nil {
			return command
		}
	}
}

// pretend starts a session with a host that sends a valid greeting and then runs serve.
func pretend(t *testing.T, serve func(p *pipes)) *remote.Agent {
	t.Helper()
	in, p := newPipes()
	served := make(chan struct{})
	go func() {
		defer close(served)
		defer p.hangUp()
		go p.say("KIS1 READY 3.11\n")
		order := p.next()
		p.nonce, _ = order["nonce"].(string)
		p.frame(`"ev":"hello","protocol":1,"host":{"hostname":"web1"}`)
		serve(p)
	}()
	agent, err := remote.Start(t.Context(), p.streams(in))
	require.NoError(t, err)
	require.Equal(t, "web1", agent.Host().Hostname)
	t.Cleanup(func() {
		_ = agent.Close()
		<-served
	})
	return agent
}
