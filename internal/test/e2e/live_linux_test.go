package e2e

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/keep-it-simple/kis/internal/testenv"
	"github.com/keep-it-simple/kis/internal/testenv/hosttest"
	"github.com/keep-it-simple/kis/internal/testenv/ttytest"
)

// TestRowsOfAPushAtATerminal: they show the output of a command while it runs, and Ctrl-C leaves nothing of them. The
// terminal is as it was.
func TestRowsOfAPushAtATerminal(t *testing.T) {
	t.Parallel()
	for name, keys := range map[string][]string{"interrupted": {"\x03"}, "interrupted twice": {"\x03", "\x03"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := testenv.New(t, 2, hosttest.Options{})
			w.Inventory(testenv.InventoryText(w.Hosts, "verify: ['echo so far so good; sleep 1000']\n"))
			terminal := ttytest.New(t)
			before := settings(t, terminal)
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
			defer cancel()
			cmd := w.Command(ctx, "push", "staging", "--color", "never")
			cmd.Env = append(cmd.Env, "TERM=xterm")
			terminal.Control(cmd)
			require.NoError(t, cmd.Start())
			terminal.See("| so far so good")
			for _, key := range keys {
				terminal.Type(key)
				terminal.See("kis: interrupted")
			}
			_ = cmd.Wait() // the exit status tells
			assert.Equal(t, 130, cmd.ProcessState.ExitCode())
			assert.Equal(t, before, settings(t, terminal))
			terminal.Type("the next line\n")
			terminal.See("the next line\r\n")
			screen := ttytest.NewEmulator(80, 24)
			_, err := screen.Write([]byte(terminal.Screen()))
			require.NoError(t, err)
			assert.Empty(t, screen.Unknown)
			text := screen.Text()
			assert.Contains(t, text, "\nkis: interrupted: waiting for hosts to release their locks", "on a line of its own")
			assert.NotContains(t, text, "so far so good")
			assert.NotContains(t, text, "──  ")
			assert.Regexp(t, `(?m)^the next line\n\z`, text)
		})
	}
}

// settings are those of a terminal, as stty(1) shows them.
func settings(t *testing.T, s *ttytest.Terminal) unix.Termios {
	t.Helper()
	raw, err := s.TTY.SyscallConn()
	require.NoError(t, err)
	var found *unix.Termios
	require.NoError(t, raw.Control(func(fd uintptr) { found, err = unix.IoctlGetTermios(int(fd), unix.TCGETS) }))
	require.NoError(t, err)
	return *found
}
