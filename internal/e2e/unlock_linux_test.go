package e2e

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/hosttest"
	"github.com/keep-it-simple/kis/internal/oracle"
	"github.com/keep-it-simple/kis/internal/site"
	"github.com/keep-it-simple/kis/internal/ttytest"
)

// unlockAtTerminal runs kis unlock --force at a terminal. The person is shown the holder before the question, and gives the answer; "" is for
// no question.
func unlockAtTerminal(t *testing.T, w *site.World, answer string) (screen string, exit int) {
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
		terminal.Type(answer + "\n")
	}
	_ = cmd.Wait() // its status is what the test looks at
	terminal.See(map[string]string{"": "web2  staging is not locked", "n": "the answer was no", "y": "web2  ended: "}[answer])
	return terminal.Screen(), cmd.ProcessState.ExitCode()
}

func TestUnlockAsksAboutTheRunThatItHasShown(t *testing.T) {
	t.Parallel()
	w := site.New(t, 2, hosttest.Options{})
	archive := w.Hold()
	screen, exit := unlockAtTerminal(t, w, "")
	assert.Equal(t, 0, exit)
	assert.NotContains(t, screen, "[y/N]", "nobody holds it")

	p := w.PushHeld(archive)
	_, exit = unlockAtTerminal(t, w, "n")
	assert.Equal(t, 6, exit, "it is still held")
	assert.True(t, p.Running())
	_, exit = unlockAtTerminal(t, w, "y")
	assert.Equal(t, 0, exit)
	assert.Equal(t, 3, p.End(time.Minute).Exit)
	p.Watch.Check(oracle.Expect{Exit: 3, To: "hello-0.4"})
}
