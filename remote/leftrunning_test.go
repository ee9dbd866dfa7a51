package remote_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A process leaves its group with setsid(1); a step that ended before that would show nothing. And
// it is a sleep only once it is no shell any more.
const (
	behind  = `sleep MARK & until grep -q sleep /proc/$!/comm; do :; done`
	escape  = `setsid sh -c 'echo $$ >"$TMPDIR/up"; exec sleep MARK' `
	escaped = `until test -s "$TMPDIR/up" && grep -q sleep /proc/$(cat "$TMPDIR/up")/comm; do :; done`
)

func TestProcessesOfAVerificationAreKilled(t *testing.T) {
	t.Parallel()
	for name, command := range map[string]string{
		"in the background":       behind,
		"in a session of its own": escape + "& " + escaped,
		"with output closed":      escape + ">/dev/null 2>&1 </dev/null & " + escaped,
		"ignoring signals":        "trap '' HUP TERM INT; " + behind,
		"after a failure":         escape + "& " + escaped + "; exit 3",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l, mark := prepared(t), marker(t)
			begin, said := time.Now(), []string{}
			err := l.Run(t.Context(), commands(t, strings.ReplaceAll(command, "MARK", mark)), func(line string) { said = append(said, line) })
			if name == "after a failure" {
				requireRefused(t, err, "command-failed")
			} else {
				require.NoError(t, err)
			}
			require.Less(t, time.Since(begin), 10*time.Second, "the step does not wait for what it left")
			gone(t, mark)
			require.Equal(t, []string{"kis: this step left 1 process running; kis killed it: sleep"}, said)
		})
	}
}

func TestAfterLinkCommandsMayLeaveDaemons(t *testing.T) {
	t.Parallel()
	l, mark := prepared(t), marker(t)
	require.NoError(t, l.Command(t.Context(), l.stage, l.run, commands(t, strings.ReplaceAll(escape+">/dev/null 2>&1 & "+escaped, "MARK", mark)), nil))
	// Not even the steps that follow end it, although they end what they leave themselves.
	require.NoError(t, l.Run(t.Context(), commands(t, ":"), nil))
	require.NoError(t, l.Close())
	l.requireEnd(t)
	require.Equal(t, 1, count(t, mark))
	end(t, mark)
}

func TestEndOfTheSessionEndsTheStep(t *testing.T) {
	t.Parallel()
	l, mark := prepared(t), marker(t)
	begun, result := make(chan struct{}), make(chan error, 1)
	c := commands(t, "sleep "+mark+" & setsid sleep "+mark+" & echo begun; sleep "+mark)
	go func() {
		err := l.Run(context.WithoutCancel(t.Context()), c, func(line string) {
			if line == "begun" {
				close(begun)
			}
		})
		result <- err
	}()
	<-begun
	require.Eventually(t, func() bool { return count(t, mark) > 3 }, soon, 5*time.Millisecond, "three that sleep, and their shell")
	l.stop()
	requireLost(t, <-result)
	l.requireEnd(t)
	gone(t, mark)
}

// After-link commands may leave daemons when they complete. An interrupted one leaves no process.
func TestEndOfTheSessionEndsAnAfterLinkCommand(t *testing.T) {
	t.Parallel()
	l, mark := installed(t, "1"), marker(t)
	begun, result, c := make(chan struct{}), make(chan error, 1), commands(t, "sleep "+mark+" & echo begun; sleep "+mark)
	go func() {
		result <- l.Command(context.WithoutCancel(t.Context()), l.stage, l.run, c, func(string) { close(begun) })
	}()
	<-begun
	l.stop()
	requireLost(t, <-result)
	l.requireEnd(t)
	gone(t, mark)
}
