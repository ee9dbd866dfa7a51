package recovery

import (
	"context"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/testenv"
	"github.com/keep-it-simple/kis/internal/testenv/hosttest"
	"github.com/keep-it-simple/kis/internal/testenv/oracle"
	"github.com/keep-it-simple/kis/internal/testenv/ttytest"
)

// unlockAtTerminal runs kis unlock --force at a terminal. The person is shown the holder before the question, and gives the answer after
// thinking; "" is for no question. It returns when the screen says what is expected.
func unlockAtTerminal(t *testing.T, w *testenv.Env, answer string, thinking func(), says string) (screen string, exit int) {
	t.Helper()
	terminal := ttytest.New(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute) // a question that should not be there waits for ever
	defer cancel()
	cmd := w.Command(ctx, "unlock", "staging", "--force")
	terminal.Control(cmd)
	require.NoError(t, cmd.Start())
	if answer != "" {
		terminal.See("end the run that holds the lock of staging? [y/N]")
		shown, _, _ := strings.Cut(terminal.Screen(), "end the run")
		for _, h := range w.Hosts {
			assert.Contains(t, shown, h.Name+"  staging is locked: ")
		}
		assert.Contains(t, shown, "push staging hello-0.4, since ")
		thinking()
		terminal.Type(answer + "\n")
	}
	_ = cmd.Wait() // its status is what the test looks at
	terminal.See(says)
	return terminal.Screen(), cmd.ProcessState.ExitCode()
}

func TestUnlockAsksAboutShownRun_L6(t *testing.T) {
	t.Parallel()
	w := testenv.New(t, 2, hosttest.Options{})
	archive := w.Hold()
	atOnce := func() {}
	screen, exit := unlockAtTerminal(t, w, "", atOnce, "web2  staging is not locked")
	assert.Equal(t, 0, exit)
	assert.NotContains(t, screen, "[y/N]", "nobody holds it")

	p := w.PushHeld(archive)
	_, exit = unlockAtTerminal(t, w, "n", atOnce, "the answer was no")
	assert.Equal(t, 6, exit, "it is still held")
	assert.True(t, p.Running())

	next := p
	_, exit = unlockAtTerminal(t, w, "y", func() {
		p.Signal(syscall.SIGINT)
		assert.Equal(t, 130, p.End(time.Minute).Exit)
		next = w.PushHeld(archive)
	}, "another run holds the lock now")
	assert.Equal(t, 6, exit, "that run was not shown")
	assert.True(t, next.Running())

	_, exit = unlockAtTerminal(t, w, "y", atOnce, "web2  ended: ")
	assert.Equal(t, 0, exit)
	assert.Equal(t, 3, next.End(time.Minute).Exit)
	next.Watch.Check(oracle.Expect{Exit: 3, To: "hello-0.4"})
}
