package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// terminal is a pseudo-terminal with a person at it.
type terminal struct {
	t     *testing.T
	far   *os.File // the person's side
	tty   *os.File
	shown strings.Builder
}

func newTerminal(t *testing.T) *terminal {
	t.Helper()
	far, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	require.NoError(t, err)
	t.Cleanup(func() { _ = far.Close() })
	raw, err := far.SyscallConn()
	require.NoError(t, err)
	var number int
	require.NoError(t, raw.Control(func(fd uintptr) {
		assert.NoError(t, unix.IoctlSetPointerInt(int(fd), unix.TIOCSPTLCK, 0))
		number, err = unix.IoctlGetInt(int(fd), unix.TIOCGPTN)
	}))
	require.NoError(t, err)
	tty, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	require.NoError(t, err)
	t.Cleanup(func() { _ = tty.Close() })
	return &terminal{t: t, far: far, tty: tty}
}

// see waits until text is on the screen.
func (s *terminal) see(text string) {
	s.t.Helper()
	require.NoError(s.t, s.far.SetReadDeadline(time.Now().Add(30*time.Second)))
	buffer := make([]byte, 256)
	for !strings.Contains(s.shown.String(), text) {
		n, err := s.far.Read(buffer)
		require.NoError(s.t, err, "the screen shows %q", s.shown.String())
		s.shown.Write(buffer[:n])
	}
}

func (s *terminal) enter(text string) {
	s.t.Helper()
	_, err := s.far.WriteString(text)
	require.NoError(s.t, err)
}

// question asks beside the test; the answer comes on the channel.
func (s *terminal) question(ctx context.Context, text string, echo bool) <-chan string {
	answers := make(chan string, 1)
	go func() { // the test takes the answer
		answer, err := askAt(ctx, s.tty, text, echo)
		if err != nil {
			answer = "error: " + err.Error()
		}
		answers <- answer
	}()
	return answers
}

func TestSecretsAreNotShown(t *testing.T) {
	t.Parallel()
	s := newTerminal(t)
	answer := s.question(t.Context(), "Password for deploy@web1: ", false)
	s.see("Password for deploy@web1: ")
	s.enter("open sesame\n")
	assert.Equal(t, "open sesame", <-answer)
	answer = s.question(t.Context(), "Name: ", true)
	s.see("Name: ")
	s.enter("ann\n")
	s.see("ann")
	assert.Equal(t, "ann", <-answer)
	assert.NotContains(t, s.shown.String(), "sesame")
}

func TestAQuestionThatIsTakenBackLeavesNothingOfItsAnswer(t *testing.T) {
	t.Parallel()
	s := newTerminal(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	answer := s.question(ctx, "Password: ", false)
	s.see("Password: ")
	s.enter("half of it")
	cancel(errors.New("the host has closed the connection"))
	assert.Equal(t, "error: the host has closed the connection", <-answer)
	answer = s.question(t.Context(), "Next: ", true)
	s.see("Next: ")
	s.enter("yes\n")
	assert.Equal(t, "yes", <-answer)
}

func TestEndOfInputIsNoAnswer(t *testing.T) {
	t.Parallel()
	s := newTerminal(t)
	answer := s.question(t.Context(), "Password: ", false)
	s.see("Password: ")
	s.enter("\x04")
	assert.Equal(t, "error: no answer", <-answer)
}
