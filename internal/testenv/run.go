package testenv

import (
	"bytes"
	"cmp"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/testenv/oracle"
	"github.com/keep-it-simple/kis/internal/testenv/testcache"
)

// Result is what a run of kis has come to.
type Result struct {
	Exit     int // -1 when it was killed
	Out, Err string
	Took     time.Duration
}

// Screen is everything a person has before them.
func (r Result) Screen() string { return r.Out + r.Err }

// Command is kis as the person would run it in the project's folder.
func (w *Env) Command(ctx context.Context, args ...string) *exec.Cmd {
	w.T.Helper()
	argv := slices.Concat(w.Through, []string{cmp.Or(w.Program, Binary()), "--ssh-config", w.Client.Config}, args)
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Dir = w.Dir
	cmd.Env = w.Environ()
	cmd.WaitDelay = 10 * time.Second
	return cmd
}

// Environ is the environment that kis is run in.
func (w *Env) Environ() []string {
	w.T.Helper()
	env := append([]string{
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8", "HOME=" + w.Home,
		"GORACE=atexit_sleep_ms=50", // the race detector waits a second at every good end, for goroutines that outlive it
		"XDG_STATE_HOME=" + filepath.Join(w.Home, "state"), "XDG_CACHE_HOME=" + testcache.Dir(w.T),
	}, Environment()...)
	if dir := os.Getenv(coverageVariable); dir != "" {
		env = append(env, "GOCOVERDIR="+dir)
	}
	return env
}

// Kis runs kis to its end. Whatever it prints must be harmless on a terminal, and no race may have been seen.
func (w *Env) Kis(args ...string) Result {
	w.T.Helper()
	return w.Wait(w.Command(w.T.Context(), args...))
}

// Wait is Kis for a command that the test has changed.
func (w *Env) Wait(cmd *exec.Cmd) Result {
	w.T.Helper()
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	begin := time.Now()
	err := cmd.Run()
	if _, exited := err.(*exec.ExitError); !exited { //nolint:errorlint // as os/exec returns it
		require.NoError(w.T, err)
	}
	r := Result{Exit: cmd.ProcessState.ExitCode(), Out: out.String(), Err: errs.String(), Took: time.Since(begin)}
	w.judge(cmd, r)
	return r
}

// judge logs a run, and judges it.
func (w *Env) judge(cmd *exec.Cmd, r Result) {
	w.T.Helper()
	w.T.Logf("kis %s: exit %d after %v\n%s", strings.Join(cmd.Args[slices.Index(cmd.Args, w.Client.Config)+1:], " "), r.Exit, r.Took.Round(time.Millisecond), brief(r.Screen()))
	w.Judge(r)
}

// Judge checks what holds of the output of every run.
func (w *Env) Judge(r Result) {
	w.T.Helper()
	oracle.Output(w.T, r.Screen())
	require.NotContains(w.T, r.Err, "DATA RACE")
	assert.NotContains(w.T, r.Screen(), "%!", "a text was put together wrongly, see package fmt")
	assert.NotRegexp(w.T, `goroutine \d+ \[|runtime error|interface conversion|cannot unmarshal|strconv\.\w|\bjson: |<nil>|\*\w+\.\w+Error|map\[\w`, r.Screen(), "nothing of Go is for users")
}

// brief leaves of JSON what a reader of a test's log wants: the failures and the end.
func brief(screen string) string {
	var kept []string
	for line := range strings.Lines(screen) {
		if !strings.HasPrefix(line, `{"type":"step"`) || strings.Contains(line, `"failure"`) {
			kept = append(kept, line[:min(len(line), 600)])
		}
	}
	return strings.Join(kept, "")
}

// Run runs kis under the eyes of the oracle, which is told what exit status is expected and what package the run is to link, "" when none.
func (w *Env) Run(exit int, to string, args ...string) Result {
	w.T.Helper()
	watch := oracle.Start(w.T, w.Stage, w.OracleHosts()...)
	r := w.Kis(args...)
	require.Equal(w.T, exit, r.Exit, "exit status")
	watch.Check(oracle.Expect{Exit: exit, To: to})
	return r
}
