package remote_test

import (
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/remote"
)

// login is a shell with a start-up file, which it reads before the command (BASH_ENV, bash(1)).
func login(t *testing.T, rc string) *exec.Cmd {
	t.Helper()
	path := filepath.Join(t.TempDir(), "rc")
	require.NoError(t, os.WriteFile(path, []byte(rc+"\n"), 0o600))
	command := exec.Command("bash", "-c", "exec /bin/sh -s -- python3")
	command.Env = append(os.Environ(), "BASH_ENV="+path)
	return command
}

// interpreter is a script in place of Python.
func interpreter(t *testing.T, script string) *exec.Cmd {
	t.Helper()
	path := filepath.Join(t.TempDir(), "python3")
	require.NoError(t, os.WriteFile(path, []byte("#!/bin/sh\n"+script), 0o755))
	return exec.Command("/bin/sh", "-s", "--", path)
}

// eaten replaces a part of the bootstrap that a login script has read and printed.
const eaten = "(what kis sent to the shell: a login script reads its input)"

func TestAgentStartsBehindUnusualLoginShells(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ rc, noise string }{
		"silent":                     {"", ""},
		"prints":                     {"echo welcome; echo to web1; echo trouble >&2", "welcome / to web1"},
		"prints no whole line":       {"printf welcome", "welcome"},
		"prints a frame":             {`echo 'KIS1 0123 {"ev":"hello","protocol":1}'`, `KIS1 0123 {"ev":"hello","protocol":1}`},
		"reads a line":               {"read -r line", ""},
		"prints what it reads":       {`read -r a; read -r b; echo "$a"; echo "<$b>"`, eaten + " / " + eaten},
		"has a strict umask":         {"umask 077", ""},
		"has an unusual environment": {"export PYTHONPATH=/nowhere PYTHONHOME=/nowhere LC_ALL=tr_TR PATH=/nowhere CDPATH=/ IFS=/ ENV=/nowhere", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l, err := launch(t, login(t, test.rc))
			require.NoError(t, err)
			assert.Equal(t, test.noise, l.Noise())
			_, err = l.Ping(t.Context())
			require.NoError(t, err)
			assert.NotEmpty(t, l.Host().Python)
		})
	}
}

func TestStartErrorSaysWhy(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		command             *exec.Cmd
		message, hint, tail string
	}{
		"the login shell exits with 0":  {login(t, "exit 0"), "the command was not run", "nologin", ""},
		"the login shell says no":       {login(t, "echo No entry today; exit 1"), "the command was not run", "nologin", "No entry today"},
		"the login shell eats much":     {login(t, `while read -r x && [ "$x" != kis_whole=yes ]; do :; done`), "has read a part", "~/.bashrc", ""},
		"no python":                     {exec.Command("/bin/sh", "-s", "--", "python3.99"), "python3.99 is missing", "python: python3", ""},
		"an old python":                 {interpreter(t, `printf '\nKIS1 READY 3.6\n'; exec cat >/dev/null`), "python is 3.6, kis needs 3.8", "inventory", ""},
		"python of no version":          {interpreter(t, `printf '\nKIS1 READY three\n'; exec cat >/dev/null`), "python is three", "inventory", ""},
		"python that dies before":       {interpreter(t, "echo 'no memory' >&2; exit 1"), "the command was not run", "nologin", "no memory"},
		"python that dies in the agent": {interpreter(t, `printf '\nKIS1 READY 3.9\n'; read -r order; echo 'MemoryError' >&2`), "kis's agent did not", "", "MemoryError"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := launch(t, test.command)
			var start *remote.StartError
			require.ErrorAs(t, err, &start)
			assert.Contains(t, start.Message, test.message)
			assert.Contains(t, start.Hint, test.hint)
			assert.Contains(t, strings.Join(start.Tail, "\n"), test.tail)
		})
	}
}

func TestWaitingLoginShellTimesOut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		in, host := newPipes()
		begin := time.Now()
		_, err := remote.Start(t.Context(), host.streams(in))
		var start *remote.StartError
		require.ErrorAs(t, err, &start)
		require.Contains(t, start.Message, "does a login script wait for input?")
		require.Equal(t, 20*time.Second, time.Since(begin))
		host.hangUp()
	})
}

func TestPythonWithoutGreetingTimesOut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		in, host := newPipes()
		go host.swallow()
		go host.say("KIS1 READY 3.11\n")
		_, err := remote.Start(t.Context(), host.streams(in))
		var start *remote.StartError
		require.ErrorAs(t, err, &start)
		host.hangUp()
	})
}

// The reader must not wait for a start that has ended; synctest fails when a goroutine is left.
func TestHostThatRepeatsItselfLeavesNoGoroutine(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		in, host := newPipes()
		go host.swallow()
		go func() {
			<-time.After(time.Minute)
			host.say(strings.Repeat("KIS1 READY 3.11\n", 20))
			host.hangUp()
		}()
		_, err := remote.Start(t.Context(), host.streams(in))
		require.Error(t, err)
		<-time.After(2 * time.Minute)
	})
}

// endless is a host that prints endlessly without a newline.
type endless struct {
	over   atomic.Bool
	given  int
	most   atomic.Uint64 // of the heap while it printed
	enough func()        // called once half a gigabyte has been printed
}

func (e *endless) Read(p []byte) (int, error) {
	if e.over.Load() {
		return 0, io.EOF
	}
	for i := 0; i < len(p); {
		i += copy(p[i:], "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx")
	}
	// Whoever keeps what is printed still holds it here.
	if before := e.given; (before+len(p))>>26 > before>>26 {
		runtime.GC()
		var stats runtime.MemStats
		runtime.ReadMemStats(&stats)
		e.most.Store(max(e.most.Load(), stats.HeapAlloc))
	}
	if e.given += len(p); e.given > 512<<20 {
		e.enough()
	}
	return len(p), nil
}

// Not parallel: the memory of other tests would count.
//
//nolint:paralleltest // see above
func TestEndlessGreetingTakesBoundedMemory(t *testing.T) {
	host := new(endless)
	defer host.over.Store(true)
	ctx, cancel := context.WithCancel(t.Context())
	host.enough = cancel
	_, err := remote.Start(ctx, remote.Streams{In: discard{}, Out: host, Err: strings.NewReader("")})
	requireLost(t, err)
	assert.Positive(t, host.most.Load())
	assert.Less(t, host.most.Load(), uint64(8<<20))
}

type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }
func (discard) Close() error                { return nil }
