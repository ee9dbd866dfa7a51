package remote_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/remote"
)

// limitFiles limits the size of files that the agent writes, like a quota or a full disk.
func (l *local) limitFiles(t *testing.T, bytes uint64) {
	t.Helper()
	out, err := exec.Command("prlimit", fmt.Sprintf("--pid=%d", l.command.Process.Pid), fmt.Sprintf("--fsize=%d", bytes)).CombinedOutput()
	require.NoError(t, err, "%s", out)
}

// commands are commands in the sealed package app-1.
func commands(t *testing.T, list ...string) remote.Commands {
	t.Helper()
	return remote.Commands{Package: pkg(t, "app-1"), Commands: list, Within: soon, Daemons: true}
}

// sleep starts a long step, and returns once it runs.
func (l *local) sleep(t *testing.T) <-chan error {
	t.Helper()
	begun, result, c := make(chan struct{}), make(chan error, 1), commands(t, "printf 'begun\\n'; exec sleep 300")
	go func() {
		result <- l.Command(context.WithoutCancel(t.Context()), l.stage, l.run, c, func(line string) {
			if line == "begun" {
				close(begun)
			}
		})
	}()
	select {
	case <-begun:
	case <-time.After(soon):
		require.Fail(t, "the step has not begun")
	}
	return result
}

// gone waits until no process has this marker on its command line. Markers are unique to a test.
func gone(t *testing.T, marker string) {
	t.Helper()
	require.Eventually(t, func() bool { return count(t, marker) == 0 }, soon, 5*time.Millisecond, "%s is still there", marker)
}

func count(t *testing.T, marker string) int {
	t.Helper()
	found, err := filepath.Glob("/proc/[0-9]*/cmdline")
	require.NoError(t, err)
	n := 0
	for _, path := range found {
		if text, err := os.ReadFile(path); err == nil && bytes.Contains(text, []byte(marker)) {
			n++
		}
	}
	return n
}

// marker is a unique argument of sleep(1): about five minutes.
func marker(t *testing.T) string {
	t.Helper()
	name := strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return r
		}
		return '0' + r%10
	}, newPart())
	return "300." + name
}

// prepared is an owner with the sealed package app-1 and an environment for the step verify.
func prepared(t *testing.T) *local {
	t.Helper()
	l, a := unsealed(t)
	l.freeze(t)
	_, err := l.Seal(t.Context(), a.Source, remote.Provenance{})
	require.NoError(t, err)
	return l
}

func unsealed(t *testing.T) (*local, archive) {
	t.Helper()
	l, a := owner(t, repository(t)), source(t, "app", "1")
	l.unpack(t, a)
	bin := filepath.Join(l.root, "app-1/.venv/bin")
	require.NoError(t, os.MkdirAll(bin, 0o755))
	// A stand-in: "pip check" is content, and the one import succeeds.
	stub := "#!/bin/sh\ncase $* in *import*) printf 'imported\\tapp\\n' >&3 ;; esac\n"
	require.NoError(t, os.WriteFile(filepath.Join(bin, "python"), []byte(stub), 0o755))
	return l, a
}

// end kills the one process with this marker.
func end(t *testing.T, mark string) {
	t.Helper()
	found, err := filepath.Glob("/proc/[0-9]*/cmdline")
	require.NoError(t, err)
	for _, path := range found {
		if text, err := os.ReadFile(path); err == nil && bytes.Contains(text, []byte(mark)) {
			pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
			require.NoError(t, err)
			require.NoError(t, syscall.Kill(pid, syscall.SIGKILL))
		}
	}
}

func TestStepIsKilledAtItsDeadline(t *testing.T) {
	t.Parallel()
	l, mark := prepared(t), marker(t)
	c := commands(t, "setsid sleep "+mark+" & sleep "+mark)
	c.Within = 200 * time.Millisecond
	err := l.Run(t.Context(), c, nil)
	requireRefused(t, err, "command-failed")
	require.ErrorContains(t, err, "still running at its deadline")
	gone(t, mark)
}

func TestCanceledStepIsRefusedWithAnyExitStatus(t *testing.T) {
	t.Parallel()
	l := installed(t, "1")
	begun, result := make(chan struct{}), make(chan error, 1)
	c := commands(t, "trap 'exit 0' TERM; printf 'begun\\n'; while :; do sleep 0.1; done", "printf 'next\\n'")
	go func() {
		result <- l.Command(t.Context(), l.stage, l.run, c, func(line string) {
			switch line {
			case "begun":
				close(begun)
			case "next":
				t.Error("the command after the canceled one has run")
			}
		})
	}()
	<-begun
	require.NoError(t, l.Cancel(t.Context()))
	err := <-result
	requireRefused(t, err, "command-failed")
	require.ErrorContains(t, err, "canceled")
}

func TestOnlyOneStepAtATime(t *testing.T) {
	t.Parallel()
	l := installed(t, "1")
	step := l.sleep(t)
	requireRefused(t, l.Abort(t.Context()), "busy")
	_, err := l.Ping(t.Context())
	require.NoError(t, err)
	require.NoError(t, l.Cancel(t.Context()))
	requireRefused(t, <-step, "command-failed")
	require.NoError(t, l.Abort(t.Context()))
}

func TestAgentKilledInAStepIsLost(t *testing.T) {
	t.Parallel()
	l := installed(t, "1")
	step := l.sleep(t)
	l.kill(t)
	requireLost(t, <-step)
	<-l.Done()
	requireLost(t, l.Abort(t.Context()))
	next := opened(t, l.root)
	next.lock(t, "staging")
}

// memory is the agent's resident memory in KiB.
func (l *local) memory(t *testing.T) int {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", l.command.Process.Pid))
	require.NoError(t, err)
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kilobytes, err := strconv.Atoi(strings.Fields(rest)[0])
			require.NoError(t, err)
			return kilobytes
		}
	}
	require.Fail(t, "no VmHWM")
	return 0
}

func TestEndlessOutputTakesBoundedMemory(t *testing.T) {
	t.Parallel()
	for name, program := range map[string]string{
		"without newline": "head -c 200000000 /dev/zero | tr '\\0' x",
		"short lines":     "yes | head -c 50000000",
		"records":         "seq -f 'kis\t%.0f\tx' 300000",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := installed(t, "1")
			before, sent := l.memory(t), 0
			err := l.Command(t.Context(), l.stage, l.run, commands(t, program+"; printf '\\nthe end\\n'; exit 7"), func(line string) { sent += len(line) })
			requireRefused(t, err, "command-failed")
			tail := refusal(t, err).Tail
			assert.Equal(t, "the end", tail[len(tail)-1])
			assert.LessOrEqual(t, len(tail), 20)
			assert.Less(t, sent, 1<<20)
			assert.Less(t, l.memory(t)-before, 24<<10, "KiB more than before")
		})
	}
}

func TestControlCharactersOfOutputArriveAsDataNotAsBytes(t *testing.T) {
	t.Parallel()
	raw, err := os.CreateTemp(t.TempDir(), "wire")
	require.NoError(t, err)
	c := command()
	c.Args = []string{"bash", "-c", `exec /bin/sh -s -- python3 > >(exec tee "$0")`, raw.Name()}
	c.Path = "/bin/bash"
	l, err := launch(t, c)
	require.NoError(t, err)
	l.root = repository(t)
	require.NoError(t, l.Open(t.Context(), l.root))
	l.lock(t, "staging")
	l.install(t, source(t, "app", "1"))
	var lines []string
	program := `printf '\033]0;title\007 \033[31mred \233 \302\205 \342\200\256 \377\rover\n'`
	require.NoError(t, l.Command(t.Context(), l.stage, l.run, commands(t, program), func(line string) { lines = append(lines, line) }))
	require.Equal(t, []string{"\x1b]0;title\a \x1b[31mred \ufffd \u0085 \u202e \ufffd", "over"}, lines)
	require.NoError(t, l.Close())
	l.requireEnd(t)
	text, err := os.ReadFile(raw.Name())
	require.NoError(t, err)
	require.Contains(t, string(text), `"ev":"output"`)
	require.Zero(t, bytes.IndexFunc(text, func(r rune) bool { return r != '\n' && (r < ' ' || r > '~') })+1)
}

func TestFullDiskForTheBuildLogKeepsTheSession(t *testing.T) {
	t.Parallel()
	l, _ := unsealed(t)
	l.limitFiles(t, 8<<20)
	err := l.Run(t.Context(), commands(t, "head -c 9000000 /dev/zero | tr '\\0' x; exit 3"), nil)
	requireRefused(t, err, "command-failed")
	require.ErrorContains(t, err, "exit status 3")
}

func TestCommandsThatCannotRunAreRefused(t *testing.T) {
	t.Parallel()
	l := installed(t, "1")
	for _, text := range []string{"nul\x00byte", strings.Repeat("x", 200_000)} {
		var refused *remote.Refused
		err := l.Command(t.Context(), l.stage, l.run, commands(t, text), nil)
		require.ErrorAs(t, err, &refused)
	}
	require.NoError(t, l.Command(t.Context(), l.stage, l.run, commands(t, ":"), nil))
}

// TestProcessesOfAnEarlierPackageAreReported: a switch restarts nothing by itself.
func TestProcessesOfAnEarlierPackageAreReported(t *testing.T) {
	t.Parallel()
	l, old, fresh := prepared(t), marker(t), marker(t)
	l.install(t, source(t, "app", "2"))
	l.link(t, "", "app-1")
	start := func(mark, directory string) {
		t.Helper()
		sleep := exec.Command("sleep", mark)
		sleep.Dir = filepath.Join(l.root, directory)
		require.NoError(t, sleep.Start())
		t.Cleanup(func() { _ = sleep.Process.Kill(); _ = sleep.Wait() })
	}
	start(old, "staging")
	processes := func() []remote.Process {
		t.Helper()
		state, err := l.State(t.Context(), remote.StateRequest{})
		require.NoError(t, err)
		require.Len(t, state.Stages, 1)
		return state.Stages[0].Processes
	}
	assert.Empty(t, processes())
	l.link(t, "app-1", "app-2")
	start(fresh, "staging")
	found := processes()
	require.Len(t, found, 1)
	assert.Equal(t, [2]string{"sleep", "app-1"}, [2]string{found[0].Name, found[0].Package})
}
