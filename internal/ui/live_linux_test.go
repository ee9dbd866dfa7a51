package ui

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/keep-it-simple/kis/internal/event"
	"github.com/keep-it-simple/kis/internal/guard"
	"github.com/keep-it-simple/kis/internal/testenv/ttytest"
)

// terminalUI is a user interface at a pseudo-terminal.
func terminalUI(t *testing.T, s *ttytest.Terminal) *UI {
	t.Helper()
	u := &UI{Streams: NewStreams(s.TTY, s.TTY, s.TTY), Color: "never"}
	u.Caught = func(p *guard.Panic) { t.Error(p) }
	resize(t, s, 80)
	return u
}

func resize(t *testing.T, s *ttytest.Terminal, columns uint16) {
	t.Helper()
	raw, err := s.TTY.SyscallConn()
	require.NoError(t, err)
	require.NoError(t, raw.Control(func(fd uintptr) {
		assert.NoError(t, unix.IoctlSetWinsize(int(fd), unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: columns}))
	}))
}

// screenOf is what a terminal shows that got what was seen.
func screenOf(t *testing.T, s *ttytest.Terminal) string {
	t.Helper()
	screen := newEmulator(80, 24)
	_, err := screen.Write([]byte(s.Screen()))
	require.NoError(t, err)
	assert.Empty(t, screen.unknown)
	return screen.screen()
}

// TestCtrlCIsAnsweredOnALineOfItsOwn: the terminal itself shows ^C, wherever the cursor is.
func TestCtrlCIsAnsweredOnALineOfItsOwn(t *testing.T) {
	t.Setenv("TERM", "xterm")
	for name, rows := range map[string]bool{"with rows": true, "without rows": false} {
		t.Run(name, func(t *testing.T) {
			s := ttytest.New(t)
			u := terminalUI(t, s)
			u.Out.Lines("before")
			if rows {
				v := u.View()
				defer v.Begin()()
				v.Event(event.Event{Type: event.TypeStart, Op: event.Push, Stage: "live", Hosts: []string{"web1"}, Time: time.Now().Add(-time.Minute)})
				v.Event(event.Event{Type: event.TypeStep, State: event.Started, Host: "web1", Step: event.StepVerify, Time: time.Now().Add(-time.Minute)})
				s.See("0 of 1 ready")
			}
			s.Type("\x03")
			s.See("^C")
			u.Interrupted("interrupted: waiting")
			s.See("interrupted: waiting\r\n")
			u.EndLive()
			u.Out.Lines("after")
			s.See("after\r\n")
			want := "before\nkis: interrupted: waiting\nafter\n"
			if rows {
				want = "before\npush live on web1\nkis: interrupted: waiting\nafter\n"
			}
			assert.Equal(t, want, screenOf(t, s))
		})
	}
}

func TestCtrlCAtADumbTerminal(t *testing.T) {
	t.Setenv("TERM", "dumb")
	s := ttytest.New(t)
	u := terminalUI(t, s)
	s.Type("\x03")
	s.See("^C")
	u.Interrupted("interrupted")
	s.See("interrupted\r\n")
	assert.Equal(t, "^C\r\nkis: interrupted\r\n", s.Screen())
}

// TestTheTerminalIsAsked for its size whenever rows are drawn.
func TestTheTerminalIsAsked(t *testing.T) {
	t.Setenv("TERM", "xterm")
	s := ttytest.New(t)
	u := terminalUI(t, s)
	defer u.Waiting("one two three four five six seven eight nine ten")()
	s.See("nine ten\x1b[K")
	resize(t, s, 20)
	s.See("one two three four…\x1b[K")
	resize(t, s, 40)
	s.See("one two three four five six seven eigh…\x1b[K")
}
