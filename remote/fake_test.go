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

// pipes are the far ends of a conversation's streams, for hosts that behave as no real one would.
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

// frame says one frame of the agent: the members of the object, without its braces.
func (p *pipes) frame(format string, args ...any) {
	p.say("KIS1 " + p.nonce + " {" + fmt.Sprintf(format, args...) + "}\n")
}

// swallow answers nothing, until the other side says goodbye or hangs up.
func (p *pipes) swallow() {
	for command := p.next(); command != nil && command["op"] != "bye"; {
		command = p.next()
	}
}

func (p *pipes) hangUp() {
	_, _, _ = p.inEnd.Close(), p.out.Close(), p.said.Close()
}

// next is the next line that is JSON, as a member → value map; nil at the end.
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

// pretend starts a conversation with a host that greets well and then does what serve says, until serve returns.
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
