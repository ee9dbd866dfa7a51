package ttytest

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// Terminal is a pseudo-terminal with a person at it. Its methods are for the goroutine of the test.
type Terminal struct {
	Far *os.File // the person's side
	TTY *os.File // the program's side

	tb    testing.TB
	shown strings.Builder
}

// New opens a terminal; it is closed with the test.
func New(tb testing.TB) *Terminal {
	tb.Helper()
	far, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	require.NoError(tb, err)
	tb.Cleanup(func() { _ = far.Close() })
	raw, err := far.SyscallConn()
	require.NoError(tb, err)
	var number int
	var failed error
	require.NoError(tb, raw.Control(func(fd uintptr) {
		if failed = unix.IoctlSetPointerInt(int(fd), unix.TIOCSPTLCK, 0); failed == nil {
			number, failed = unix.IoctlGetInt(int(fd), unix.TIOCGPTN)
		}
	}))
	require.NoError(tb, failed)
	tty, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	require.NoError(tb, err)
	tb.Cleanup(func() { _ = tty.Close() })
	return &Terminal{Far: far, TTY: tty, tb: tb}
}

// Control makes the terminal the controlling one of a command that is not started yet, with its input and output there.
func (s *Terminal) Control(cmd *exec.Cmd) {
	cmd.Stdin, cmd.Stdout, cmd.Stderr = s.TTY, s.TTY, s.TTY
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
}

// See waits until a text is on the screen.
func (s *Terminal) See(text string) {
	s.tb.Helper()
	require.NoError(s.tb, s.Far.SetReadDeadline(time.Now().Add(time.Minute)))
	buffer := make([]byte, 256)
	for !strings.Contains(s.shown.String(), text) {
		n, err := s.Far.Read(buffer)
		require.NoError(s.tb, err, "the screen shows %q", s.shown.String())
		s.shown.Write(buffer[:n])
	}
}

// Screen is everything that See has seen so far.
func (s *Terminal) Screen() string { return s.shown.String() }

// Type types a text; "\n" is the Enter key.
func (s *Terminal) Type(text string) {
	s.tb.Helper()
	_, err := s.Far.WriteString(text)
	require.NoError(s.tb, err)
}
