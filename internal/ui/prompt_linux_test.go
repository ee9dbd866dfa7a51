package ui

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/keep-it-simple/kis/internal/testenv/ttytest"
)

// question asks beside the test; the answer comes on the channel.
func question(ctx context.Context, s *ttytest.Terminal, text string, echo bool) <-chan string {
	answers := make(chan string, 1)
	go func() { // the test takes the answer
		answer, err := askAt(ctx, s.TTY, []string{text}, echo)
		if err != nil {
			answer = "error: " + err.Error()
		}
		answers <- answer
	}()
	return answers
}

func TestSecretsAreNotShown(t *testing.T) {
	t.Parallel()
	s := ttytest.New(t)
	answer := question(t.Context(), s, "Password for deploy@web1: ", false)
	s.See("Password for deploy@web1: ")
	s.Type("open sesame\n")
	assert.Equal(t, "open sesame", <-answer)
	answer = question(t.Context(), s, "Name: ", true)
	s.See("Name: ")
	s.Type("ann\n")
	s.See("ann")
	assert.Equal(t, "ann", <-answer)
	assert.NotContains(t, s.Screen(), "sesame")
}

func TestAWithdrawnQuestionLeavesNothingOfItsAnswer(t *testing.T) {
	t.Parallel()
	s := ttytest.New(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	answer := question(ctx, s, "Code: ", true)
	s.See("Code: ")
	s.Type("half of it")
	s.See("half of it") // it has arrived: terminals take their time
	cancel(errors.New("the host has closed the connection"))
	assert.Equal(t, "error: the host has closed the connection", <-answer)
	answer = question(t.Context(), s, "Next: ", true)
	s.See("Next: ")
	s.Type("yes\n")
	assert.Equal(t, "yes", <-answer)
}

func TestEndOfInputIsNoAnswer(t *testing.T) {
	t.Parallel()
	s := ttytest.New(t)
	answer := question(t.Context(), s, "Password: ", false)
	s.See("Password: ")
	s.Type("\x04")
	assert.Equal(t, "error: no answer", <-answer)
}
