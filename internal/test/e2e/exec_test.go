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

// TestExec: a command on all hosts, its output folded, its end told per host; at a terminal on one.
func TestExec(t *testing.T) {
	t.Parallel()
	w := testenv.New(t, 3, hosttest.Options{})
	r := w.Kis("exec", "staging", "--", "true")
	assert.Equal(t, 3, r.Exit)
	assert.Contains(t, r.Err, "web1, web2, web3: exec: staging is not linked to a complete package\n  hint: see: kis status staging\n")
	w.Run(0, "hello-0.3", "push", "staging", "--sdist", w.Archive())

	w.Tell([]testenv.Chapter{
		{Name: "the same output has one block", Tell: func(w *testenv.Env) {
			r := w.Kis("exec", "staging", "--", "python", "-c", "import hello, os; print(os.environ['KIS_PACKAGE'], os.environ['KIS_STAGE']); print(os.getcwd())")
			assert.Equal(w.T, 0, r.Exit, r.Screen())
			assert.Equal(w.T, "web1, web2, web3\n    hello-0.3 staging\n    /var/webcode/hello-0.3\n", r.Out)
		}},
		{Name: "arguments are no shell text, one argument is", Tell: func(w *testenv.Env) {
			r := w.Kis("exec", "staging", "--hosts", "web1", "--", "printf", "%s\n", "a  b", "$HOME; exit 7", "'")
			assert.Equal(w.T, "a  b\n$HOME; exit 7\n'\n", r.Out)
			r = w.Kis("exec", "staging", "--hosts", "web1", "--", "echo $KIS_HOST | tr w W; command -v python")
			assert.Equal(w.T, "Web1\n/var/webcode/hello-0.3/.venv/bin/python\n", r.Out)
		}},
		{Name: "hosts end differently", Tell: func(w *testenv.Env) {
			r := w.Kis("exec", "staging", "--", "echo on its way >&2; test $KIS_HOST != web2 || exit 7")
			assert.Equal(w.T, 5, r.Exit)
			assert.Equal(w.T, "web1, web3\n    on its way\nweb2  exit status 7\n    on its way\n", r.Out)
			assert.Equal(w.T, "kis: echo on its way >&2; test $KIS_HOST != web2 || exit 7: failed on 1 of 3 hosts\n", r.Err)
			r = w.Kis("exec", "staging", "-v", "--hosts", "web2", "--", "exit 7")
			assert.Equal(w.T, "web2: exit status 7\nkis: exit 7: failed on 1 of 1 hosts\n", r.Err)
		}},
		{Name: "no such program, and a package that nobody may change", Tell: func(w *testenv.Env) {
			r := w.Kis("exec", "staging", "--hosts", "web1", "--", "nosuch", "x")
			assert.Equal(w.T, 5, r.Exit)
			assert.Contains(w.T, r.Err, "exit status 127")
			r = w.Kis("exec", "staging", "--hosts", "web1", "--", "echo x > VERSION")
			assert.Equal(w.T, 5, r.Exit)
			w.Run(0, "hello-0.3", "link", "staging", "hello-0.3")
		}},
		{Name: "one that takes too long, and ends well when it is told to", Tell: func(w *testenv.Env) {
			r := w.Kis("exec", "staging", "--hosts", "web1", "--timeout", "1s", "--", "trap 'exit 0' TERM; sleep 100 & wait")
			assert.Equal(w.T, 5, r.Exit)
			assert.Contains(w.T, r.Err, "web1: still running at its deadline, killed\n")
		}},
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
			assert.Equal(w.T, "web1, web2, web3\n    0.3\n", r.Out)
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
		{Name: "flags of the command are not those of kis", Tell: func(w *testenv.Env) {
			r := w.Kis("exec", "staging", "ls", "-l", "web1")
			assert.Equal(w.T, 2, r.Exit)
			assert.Contains(w.T, r.Err, "kis: write -- between the stage and the command\n")
		}},
		{Name: "-t is for one host", Tell: func(w *testenv.Env) {
			r := w.Kis("exec", "staging", "-t", "--", "sh")
			assert.Equal(w.T, 2, r.Exit)
			assert.Contains(w.T, r.Err, "kis: -t is for one host, and staging has 3\n  hint: name it: kis exec staging --hosts web1 -t -- …\n")
			r = w.Kis("exec", "staging", "-t", "--hosts", "web1", "--", "sh")
			assert.Equal(w.T, 2, r.Exit)
			assert.Contains(w.T, r.Err, "kis: -t: input and output are no terminal\n")
		}},
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
	terminal.Type("import time; print('about' + ' to sleep'); time.sleep(1000)\n")
	terminal.See("about to sleep") // Python drops a Ctrl-C that comes while it prepares its prompt
	terminal.Type("\x03")          // Ctrl-C is the program's
	terminal.See("KeyboardInterrupt")
	terminal.Type("sys.exit(9)\n")
	err := cmd.Wait()
	assert.Equal(w.T, 9, cmd.ProcessState.ExitCode(), fmt.Sprint(err))
	assert.Empty(w.T, strings.TrimSpace(w.Hosts[0].Shell(w.T, "ls /var/webcode/.kis/run")), "nothing is left of it")
}
