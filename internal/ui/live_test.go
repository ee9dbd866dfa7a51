package ui

import (
	"bytes"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/event"
	"github.com/keep-it-simple/kis/internal/guard"
)

func TestLiveLineShowsWhatKisWaitsFor(t *testing.T) {
	t.Parallel()
	begin := time.Now()
	var out bytes.Buffer
	l := newLiveLine(Printer{&out}, func() int { return 64 }, func(p *guard.Panic) { t.Error(p) })
	defer l.stop()
	step := func(host string, s event.Step, state event.State, at time.Duration) {
		l.follow(event.Event{Type: event.TypeStep, Host: host, Step: s, State: state, Time: begin.Add(at)})
	}
	step("web1", event.StepEnvironment, event.Started, 0)
	step("web2", event.StepEnvironment, event.Started, 2*time.Second)
	step("web3", event.StepUpload, event.Started, 3*time.Second)
	l.follow(event.Event{Type: event.TypeProgress, Host: "web3", Step: event.StepUpload, Done: 30, Total: 120})
	require.Empty(t, l.text(begin), "a step that has just begun would flicker")
	require.Equal(t, "… environment on web1, web2 (9 s), upload on web3 (25 %, 6 s)", l.text(begin.Add(9*time.Second)))
	step("web1", event.StepEnvironment, event.Done, 9*time.Second)
	step("web3", event.StepUpload, event.Refused, 9*time.Second)
	require.Equal(t, "… environment on web2 (8 s)", l.text(begin.Add(10*time.Second)))
	step("a-host-with-quite-a-long-name.somewhere.example.org", event.StepVerify, event.Started, 0)
	require.Len(t, []rune(l.text(begin.Add(10*time.Second))), 63, "one column stays free, or some terminals wrap")
}

func TestLiveLineIsGoneWhenSomethingIsPrinted(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	l := newLiveLine(Printer{&out}, func() int { return 80 }, func(p *guard.Panic) { t.Error(p) })
	l.follow(event.Event{Type: event.TypeStep, Host: "web1", Step: event.StepVerify, State: event.Started, Time: time.Now().Add(-time.Minute)})
	l.around(func() { out.WriteString("first\n") })
	l.around(func() { out.WriteString("second\n") })
	l.stop()
	require.Equal(t, "first\n… verify on web1 (60 s)\r\x1b[Ksecond\n… verify on web1 (60 s)\r\x1b[K", out.String())
}

func TestLiveLineGivesWayToQuestions(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	l := newLiveLine(Printer{&out}, func() int { return 80 }, func(p *guard.Panic) { t.Error(p) })
	l.follow(event.Event{Type: event.TypeStep, Host: "web1", Step: event.StepVerify, State: event.Started, Time: time.Now().Add(-time.Minute)})
	release := l.pause()
	l.around(func() { out.WriteString("first\n") })
	require.Empty(t, out.String(), "somebody is typing")
	inner := l.pause()
	inner()
	require.Empty(t, out.String())
	release()
	require.Equal(t, "first\n… verify on web1 (60 s)", out.String())
	release = l.pause()
	l.around(func() { out.WriteString("second\n") })
	l.stop()
	release()
	require.Equal(t, "first\n… verify on web1 (60 s)\r\x1b[Ksecond\n", out.String())
}
