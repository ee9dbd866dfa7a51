package remote_test

import (
	"bytes"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/guard"
	"github.com/keep-it-simple/kis/remote"
)

type panickingReader struct {
	io.Reader
	at string
}

func (r panickingReader) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	if bytes.Contains(p[:n], []byte(r.at)) {
		panic("a bug")
	}
	return n, err
}

type panickingWriter struct {
	io.WriteCloser
	at string
}

func (w panickingWriter) Write(p []byte) (int, error) {
	if bytes.Contains(p, []byte(w.at)) {
		panic("a bug")
	}
	return w.WriteCloser.Write(p)
}

func requireBug(t *testing.T, err error) {
	t.Helper()
	var lost *remote.Lost
	require.ErrorAs(t, err, &lost, "its result is unknown")
	var bug *guard.Panic
	require.ErrorAs(t, err, &bug)
	assert.Equal(t, "a bug", bug.Value)
	assert.Contains(t, bug.Stack, "panic_test.go")
}

// TestPanicOfAGoroutineEndsTheSession at any time, with the panic as its reason; the host reads end
// of file.
func TestPanicOfAGoroutineEndsTheSession(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		change func(s *remote.Streams)
		starts bool
	}{
		"who writes the bootstrap":   {func(s *remote.Streams) { s.In = panickingWriter{s.In, "NOPYTHON"} }, false},
		"who reads the greeting":     {func(s *remote.Streams) { s.Out = panickingReader{s.Out, "READY"} }, false},
		"who reads the agent's word": {func(s *remote.Streams) { s.Out = panickingReader{s.Out, "hello"} }, false},
		"who writes a command":       {func(s *remote.Streams) { s.In = panickingWriter{s.In, `"ping"`} }, true},
		"who reads an answer":        {func(s *remote.Streams) { s.Out = panickingReader{s.Out, `"id":1`} }, true},
		"who reads the errors":       {func(s *remote.Streams) { s.Err = panickingReader{s.Err, "noise"} }, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			in, p := newPipes()
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				defer p.hangUp()
				p.say("KIS1 READY 3.11\n")
				order := p.next()
				if order == nil {
					return
				}
				p.nonce, _ = order["nonce"].(string)
				p.frame(`"ev":"hello","protocol":1,"host":{"hostname":"web1"}`)
				for command := p.next(); command != nil; command = p.next() {
					_, _ = io.WriteString(p.said, "noise\n")
					p.frame(`"id":%v,"ev":"done","now":1,"mono":1,"wall":1`, command["id"])
				}
			}()
			streams := p.streams(in)
			test.change(&streams)
			agent, err := remote.Start(t.Context(), streams)
			if !test.starts {
				requireBug(t, err)
				<-ended
				return
			}
			require.NoError(t, err)
			if _, err = agent.Ping(t.Context()); err == nil { // who reads the errors may come later
				<-agent.Done()
				_, err = agent.Ping(t.Context())
			}
			requireBug(t, err)
			<-agent.Done()
			_, err = agent.Ping(t.Context())
			requireBug(t, err)
			require.NoError(t, agent.Close())
			<-ended
		})
	}
}

// TestPanicInAnUploadEndsTheSession: the host would take the next command for the missing bytes.
func TestPanicInAnUploadEndsTheSession(t *testing.T) {
	t.Parallel()
	l := owner(t, repository(t))
	err := guard.Run(func() error {
		return l.Put(t.Context(), newPart(), strings.NewReader("1234"), 4, func(int64) { panic("a bug") })
	})
	var bug *guard.Panic
	require.ErrorAs(t, err, &bug)
	<-l.Done()
	_, err = l.Ping(t.Context())
	var lost *remote.Lost
	require.ErrorAs(t, err, &lost)
	assert.ErrorContains(t, err, "the upload was not completed")
}
