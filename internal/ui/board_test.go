package ui

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/event"
)

// screen feeds a board and gathers what it prints.
type screen struct {
	board *board
	lines []string
}

func (s *screen) say(host string, step event.Step, state event.State, seconds float64) {
	s.add(s.board.follow(event.Event{Type: event.TypeStep, Host: host, Step: step, State: state, Seconds: seconds, Message: "because"}))
}

func (s *screen) add(lines []boardLine) {
	for _, l := range lines {
		mark, more := l.text(painter{})
		s.lines = append(s.lines, strings.TrimSpace(fmt.Sprintf("%s %s %s  %s", l.hosts, l.step, mark, more)))
	}
}

func newScreen(hosts int) (*screen, []string) {
	var names []string
	for i := range hosts {
		names = append(names, fmt.Sprintf("web%d", i+1))
	}
	return &screen{board: newBoard(names)}, names
}

func TestManyHostsShareTheLineOfAStep(t *testing.T) {
	t.Parallel()
	s, hosts := newScreen(9)
	for _, h := range hosts {
		s.say(h, event.StepConnect, event.Started, 0)
	}
	for i, h := range hosts {
		s.say(h, event.StepConnect, event.Done, 0.1*float64(i+1))
	}
	assert.Equal(t, []string{"9 hosts connect done  0.1 s to 0.9 s"}, s.lines)
}

func TestALineIsPrintedOnceTheLastHostIsThrough(t *testing.T) {
	t.Parallel()
	s, hosts := newScreen(7)
	for _, h := range hosts {
		s.say(h, event.StepUnpack, event.Started, 0)
	}
	for _, h := range hosts[1:] {
		s.say(h, event.StepUnpack, event.Done, 1)
		s.say(h, event.StepEnvironment, event.Started, 0)
	}
	assert.Empty(t, s.lines)
	s.say(hosts[0], event.StepUnpack, event.Done, 2)
	assert.Equal(t, []string{"7 hosts unpack done  1 s to 2 s"}, s.lines)
}

func TestTheFirstFailuresAreShownImmediatelyAndTheRestTogether(t *testing.T) {
	t.Parallel()
	s, hosts := newScreen(9)
	for _, h := range hosts {
		s.say(h, event.StepEnvironment, event.Started, 0)
	}
	for _, h := range hosts[:5] {
		s.say(h, event.StepEnvironment, event.Refused, 1)
	}
	told := []string{"web1 environment failed  because", "web2 environment failed  because", "web3 environment failed  because"}
	assert.Equal(t, told, s.lines)
	for _, h := range hosts[5:] {
		s.say(h, event.StepEnvironment, event.Done, 1)
	}
	assert.Equal(t, append(told, "4 hosts environment done  1 s", "2 more environment failed"), s.lines)
}

// A host that failed at a command after the switch is rolled back like the others.
func TestARollbackIsShown(t *testing.T) {
	t.Parallel()
	s, hosts := newScreen(7)
	each := func(step event.Step, state event.State) {
		for _, h := range hosts {
			s.say(h, step, state, 0)
		}
	}
	each(event.StepLink, event.Started)
	each(event.StepLink, event.Done)
	each(event.StepAfterLink, event.Started)
	s.say(hosts[0], event.StepAfterLink, event.Refused, 0)
	for _, h := range hosts[1:] {
		s.say(h, event.StepAfterLink, event.Done, 0)
	}
	each(event.StepRevert, event.Started)
	each(event.StepRevert, event.Done)
	assert.Equal(t, []string{"7 hosts link done", "web1 after_link failed  because", "6 hosts after_link done", "7 hosts revert done"}, s.lines)
}

func TestWhatWasHeldBackIsShownAtTheEnd(t *testing.T) {
	t.Parallel()
	s, hosts := newScreen(7)
	for _, h := range hosts[1:] {
		s.say(h, event.StepConnect, event.Started, 0)
		s.say(h, event.StepConnect, event.Done, 0)
	}
	assert.Empty(t, s.lines)
	s.add(s.board.ready(true))
	assert.Equal(t, []string{"6 hosts connect done"}, s.lines)
}

func TestHostsWithTheSameNoticeShareIt(t *testing.T) {
	t.Parallel()
	var n grouped
	n.add("web1", "prints")
	n.add("web2", "prints")
	n.add("web1", "prints")
	n.add("", "of nobody")
	assert.Equal(t, grouped{{"prints", []string{"web1", "web2"}}, {"of nobody", nil}}, n)
}

// TestEveryStepHasItsPlace: a step that the board does not know is never shown.
func TestEveryStepHasItsPlace(t *testing.T) {
	t.Parallel()
	sources, err := filepath.Glob("../event/*.go")
	require.NoError(t, err)
	steps := 0
	for _, file := range sources {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		for _, found := range regexp.MustCompile(`\bStep\w+ +Step = "([^"]+)"`).FindAllStringSubmatch(string(text), -1) {
			assert.Contains(t, stepOrder(), event.Step(found[1]))
			steps++
		}
	}
	assert.Greater(t, steps, 20)
}
