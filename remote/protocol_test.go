package remote_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/remote"
)

func TestFramesOfAnotherNonceAreIgnored(t *testing.T) {
	t.Parallel()
	agent := pretend(t, func(p *pipes) {
		id := p.next()["id"]
		p.say("KIS1 0123456789abcdef {\"id\":1,\"ev\":\"done\"}\n")
		p.say("KIS1 {\"id\":1,\"ev\":\"done\"}\nKIS1 READY 3.11\n\x1b]0;title\x07\n")
		p.frame(`"id":%v,"ev":"refused","code":"true"`, id)
		p.swallow()
	})
	requireRefused(t, agent.Open(t.Context(), "/"), "true")
}

func TestUnexpectedAnswersAreIgnored(t *testing.T) {
	t.Parallel()
	agent := pretend(t, func(p *pipes) {
		id := p.next()["id"]
		p.frame(`"id":4711,"ev":"done"`)
		p.frame(`"id":%v,"ev":"refused","code":"true"`, id)
		p.swallow()
	})
	requireRefused(t, agent.Open(t.Context(), "/"), "true")
}

func TestTheFirstAnswerCounts(t *testing.T) {
	t.Parallel()
	agent := pretend(t, func(p *pipes) {
		id := p.next()["id"]
		p.frame(`"id":%v,"ev":"refused","code":"first"`, id)
		p.frame(`"id":%v,"ev":"done"`, id)
		p.swallow()
	})
	requireRefused(t, agent.Open(t.Context(), "/"), "first")
}

func TestInvalidAnswersAreNeverDone(t *testing.T) {
	t.Parallel()
	for name, said := range map[string]string{
		"an unknown word":    `{"id":1,"ev":"fine"}` + "\n",
		"no word":            `{"id":1}` + "\n",
		"half a frame":       `{"id":1,"ev":"do` + "\n",
		"another type":       `{"id":1,"ev":["done"]}` + "\n",
		"another shape":      `["id",1,"ev","done"]` + "\n",
		"an unusual refusal": `{"id":1,"ev":"refused","code":[]}` + "\n",
		"too long a line":    `{"id":1,"ev":"done","x":"` + strings.Repeat("x", 16<<20) + `"}` + "\n",
		"the end":            "",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			agent := pretend(t, func(p *pipes) {
				p.next()
				if said != "" {
					p.say("KIS1 " + p.nonce + " " + said)
					p.swallow()
				}
			})
			requireLost(t, agent.Open(t.Context(), "/"))
		})
	}
}

func TestOutputArrivesInOrderBeforeTheAnswer(t *testing.T) {
	t.Parallel()
	agent := pretend(t, func(p *pipes) {
		id := p.next()["id"]
		for _, line := range []string{"a", "b", "c"} {
			p.frame(`"id":%v,"ev":"output","text":%q`, id, line)
		}
		p.frame(`"id":%v,"ev":"done"`, id)
		p.swallow()
	})
	var lines []string
	require.NoError(t, agent.Unpack(t.Context(), remote.Source{}, soon, func(line string) { lines = append(lines, line) }))
	require.Equal(t, []string{"a", "b", "c"}, lines)
}

// TestWheelsThatWereDownloaded are reported before the answer. A host that names something else as a wheel is not believed at all.
func TestWheelsThatWereDownloaded(t *testing.T) {
	t.Parallel()
	good := remote.Wheel{Name: "a-1-py3-none-any.whl", SHA256: strings.Repeat("a", 64), Size: 5}
	for name, bad := range map[string]remote.Wheel{
		"a path":         {Name: "../a.whl", SHA256: good.SHA256, Size: 5},
		"no digest":      {Name: good.Name, SHA256: "../a", Size: 5},
		"no size":        {Name: good.Name, SHA256: good.SHA256, Size: -1},
		"nothing is bad": good,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			agent := pretend(t, func(p *pipes) {
				id := p.next()["id"]
				for _, w := range []remote.Wheel{good, bad} {
					p.frame(`"id":%v,"ev":"wheel","wheel":{"name":%q,"sha256":%q,"size":%d}`, id, w.Name, w.SHA256, w.Size)
				}
				if bad == good {
					p.frame(`"id":%v,"ev":"done","wheels":[],"application":null`, id)
				}
				p.swallow()
			})
			var found []remote.Wheel
			_, err := agent.Wheels(t.Context(), remote.WheelsRequest{}, nil, func(w remote.Wheel) { found = append(found, w) })
			if bad == good {
				require.NoError(t, err)
				require.Equal(t, []remote.Wheel{good, good}, found)
				return
			}
			requireLost(t, err)
			require.Equal(t, []remote.Wheel{good}, found)
		})
	}
}

func TestLastMessageOfAHostIsInTheError(t *testing.T) {
	t.Parallel()
	long := "MemoryError: " + strings.Repeat("x", 4000)
	agent := pretend(t, func(p *pipes) {
		p.next()
		_, _ = io.WriteString(p.said, long+"\n")
	})
	err := agent.Open(t.Context(), "/")
	requireLost(t, err)
	require.ErrorContains(t, err, "MemoryError: xxxx", "the beginning of a line that is too long")
	require.Less(t, len(err.Error()), 500)
}

// An answer truncated by the end of the connection is not reported as unreadable: the host's last
// message helps more.
func TestTruncatedAnswerReportsTheLastMessageOfTheHost(t *testing.T) {
	t.Parallel()
	agent := pretend(t, func(p *pipes) {
		p.next()
		_, _ = io.WriteString(p.said, "MemoryError")
		p.say("KIS1 " + p.nonce + ` {"id":1,"ev":"do`)
	})
	err := agent.Open(t.Context(), "/")
	requireLost(t, err)
	require.EqualError(t, err, "connection lost: EOF; last said: MemoryError")
}

func TestSilentAgentTimesOut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		agent := pretend(t, func(p *pipes) { p.swallow() })
		begin := time.Now()
		<-agent.Done()
		assert.Equal(t, 40*time.Second, time.Since(begin))
		requireLost(t, agent.Open(t.Context(), "/"))
	})
}

// An answer that takes long to arrive is a sign of life: those to pings queue behind it.
func TestAnswerInFlightDoesNotTimeOut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		data := bytes.Repeat([]byte("x"), 300)
		agent := pretend(t, func(p *pipes) {
			waiting := p.next()
			text := fmt.Sprintf(`KIS1 %s {"id":%v,"ev":"done","data":%q}`, p.nonce, waiting["id"], base64.StdEncoding.EncodeToString(data))
			for i := 0; i < len(text); i += 10 {
				p.say(text[i:min(len(text), i+10)])
				<-time.After(5 * time.Second)
			}
			p.say("\n")
			for command := p.next(); command != nil; command = p.next() {
				p.frame(`"id":%v,"ev":"done"`, command["id"])
			}
		})
		begin := time.Now()
		got, err := agent.Read(t.Context(), strings.Repeat("a", 64), 0)
		require.NoError(t, err)
		require.Equal(t, data, got)
		require.Greater(t, time.Since(begin), 200*time.Second)
		require.NoError(t, agent.Open(t.Context(), "/"))
	})
}

func TestAnsweringAgentDoesNotTimeOut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		agent := pretend(t, func(p *pipes) {
			for command := p.next(); command != nil; command = p.next() {
				p.frame(`"id":%v,"ev":"done","wall":1`, command["id"])
			}
		})
		select {
		case <-agent.Done():
			t.Error("ended")
		case <-time.After(time.Hour):
		}
	})
}

func TestNothingIsSentForAContextThatHasEnded(t *testing.T) {
	t.Parallel()
	agent := pretend(t, func(p *pipes) {
		p.frame(`"id":%v,"ev":"refused","code":%q`, 1, p.next()["op"])
		p.swallow()
	})
	over, cancel := context.WithCancel(t.Context())
	cancel()
	requireLost(t, agent.Abort(over))
	requireRefused(t, agent.Open(t.Context(), "/"), "open")
}

func TestHostThatDoesNotReadTimesOut(t *testing.T) {
	t.Parallel()
	for name, call := range map[string]func(context.Context, *remote.Agent) error{
		"command": func(ctx context.Context, a *remote.Agent) error { return a.Open(ctx, "/") },
		"upload": func(ctx context.Context, a *remote.Agent) error {
			return a.Put(ctx, "part0000", strings.NewReader("x"), 1, nil)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				agent := pretend(t, func(*pipes) { <-time.After(time.Minute) })
				ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
				defer cancel()
				begin := time.Now()
				requireLost(t, call(ctx, agent))
				assert.Equal(t, 3*time.Second, time.Since(begin))
			})
		})
	}
}

// slow returns one byte a minute.
type slow struct{ left int }

func (s *slow) Read(p []byte) (int, error) {
	if s.left == 0 {
		return 0, io.EOF
	}
	s.left--
	<-time.After(time.Minute)
	p[0] = 'x'
	return 1, nil
}

func TestLongUploadDoesNotTimeOut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		agent := pretend(t, func(p *pipes) {
			for command := p.next(); command != nil; command = p.next() {
				if command["op"] == "put" {
					_, _ = io.CopyN(io.Discard, p.in, 5)
				}
				p.frame(`"id":%v,"ev":"done"`, command["id"])
			}
		})
		require.NoError(t, agent.Put(t.Context(), "part0000", &slow{left: 5}, 5, nil))
		<-time.After(time.Hour)
		require.NoError(t, agent.Open(t.Context(), "/"))
	})
}

// Written bytes have not arrived: over a slow connection megabytes are in flight, and a ping would
// queue behind them.
func TestUploadInFlightDoesNotTimeOut(t *testing.T) {
	t.Parallel()
	const size = 1 << 20
	for name, c := range map[string]struct {
		takes time.Duration
		lost  bool
	}{"a thin line": {takes: 100 * time.Second}, "a host that stands still": {takes: time.Hour, lost: true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				agent := pretend(t, func(p *pipes) {
					for command := p.next(); command != nil; command = p.next() {
						if command["op"] == "put" {
							_, _ = io.CopyN(io.Discard, p.in, size)
							<-time.After(c.takes)
						}
						p.frame(`"id":%v,"ev":"done"`, command["id"])
					}
				})
				begin := time.Now()
				err := agent.Put(t.Context(), "part0000", bytes.NewReader(make([]byte, size)), size, nil)
				if c.lost {
					requireLost(t, err)
					require.ErrorContains(t, err, "the upload stalled")
					require.Less(t, time.Since(begin), 10*time.Minute)
					return
				}
				require.NoError(t, err)
				<-time.After(time.Minute)
				require.NoError(t, agent.Open(t.Context(), "/"))
			})
		})
	}
}
