package e2e

import (
	"context"
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/testenv"
	"github.com/keep-it-simple/kis/internal/testenv/hosttest"
	"github.com/keep-it-simple/kis/internal/testenv/ttytest"
)

// TestExecAndItsSurroundings: pipes, locks, signals and terminals. What kis prints is in testdata/exec.txtar.
func TestExecAndItsSurroundings(t *testing.T) {
	t.Parallel()
	w := testenv.New(t, 2, hosttest.Options{})
	w.Earlier("0.3")

	w.Tell([]testenv.Chapter{
		{Name: "much output arrives complete, also where kis reads slowly", Tell: func(w *testenv.Env) {
			cmd := w.Command(w.T.Context(), "exec", "staging", "--hosts", "web1", "--", "seq 1 60000")
			sums := exec.CommandContext(w.T.Context(), "md5sum")
			pipe, err := cmd.StdoutPipe()
			require.NoError(w.T, err)
			sums.Stdin = pipe
			require.NoError(w.T, cmd.Start())
			w.Hosts[0].Shell(w.T, "until grep -qs pipe /proc/$(pgrep -x seq)/wchan; do sleep .05; done") // it has to wait
			sum, err := sums.Output()
			require.NoError(w.T, err)
			require.NoError(w.T, cmd.Wait())
			want, err := exec.CommandContext(w.T.Context(), "sh", "-c", "seq 1 60000 | md5sum").Output()
			require.NoError(w.T, err)
			assert.Equal(w.T, string(want), string(sum))
		}},
		{Name: "beside a run that holds the lock", Tell: func(w *testenv.Env) {
			w.Version("0.4")
			archive := w.Hold()
			push := w.PushHeld(archive)
			w.Reached()
			r := w.Kis("exec", "staging", "--", "echo $KIS_VERSION")
			assert.Equal(w.T, "web1, web2\n    0.3\n", r.Out)
			w.Release()
			assert.Equal(w.T, 0, push.End(time.Minute).Exit)
		}},
		{Name: "Ctrl-C ends it on the hosts", Tell: func(w *testenv.Env) {
			s := w.Start("exec", "staging", "-v", "--", "echo ready; exec sleep 1000.25")
			s.Says(" | ready", time.Minute) // of one host; others may be on their way
			s.Signal(2)
			assert.Equal(w.T, 130, s.End(time.Minute).Exit)
			for _, h := range w.Hosts {
				assert.Empty(w.T, strings.TrimSpace(h.Shell(w.T, "pgrep -f '[s]leep 1000.25' || true")))
			}
		}},
		{Name: "at a terminal", Tell: atTerminal},
	})
}

// atTerminal types into a shell on a host.
func atTerminal(w *testenv.Env) {
	terminal := ttytest.New(w.T)
	ctx, cancel := context.WithTimeout(w.T.Context(), time.Minute)
	defer cancel()
	cmd := w.Command(ctx, "exec", "staging", "--hosts", "web1", "-t", "--", "python", "-q")
	terminal.Control(cmd)
	require.NoError(w.T, cmd.Start())
	terminal.See(">>> ")
	terminal.Type("import os, sys; print(os.environ['KIS_STAGE'] + '!', sys.stdin.isatty(), os.getcwd())\n")
	terminal.See("staging! True /var/webcode/hello-0.4")
	// Python drops a Ctrl-C that comes while it prepares its prompt, and one that comes just before a sleep waits for its end.
	terminal.Type("import time; print('about' + ' to sleep'); [time.sleep(0.1) for _ in iter(int, 1)]\n")
	terminal.See("about to sleep")
	terminal.Type("\x03") // Ctrl-C is the program's
	terminal.See("KeyboardInterrupt")
	terminal.Type("sys.exit(9)\n")
	err := cmd.Wait()
	assert.Equal(w.T, 9, cmd.ProcessState.ExitCode(), fmt.Sprint(err))
	assert.Empty(w.T, strings.TrimSpace(w.Hosts[0].Shell(w.T, "ls /var/webcode/.kis/run")), "nothing is left of it")
}
