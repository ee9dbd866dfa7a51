package testenv

import (
	"bytes"
	"context"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/testenv/oracle"
)

// Started is a kis that runs while the test does something else. It is ended with the test.
type Started struct {
	Cmd   *exec.Cmd
	Watch *oracle.Watch // began before kis did; checking it is the test's business

	w         *Env
	out, errs screen
	begin     time.Time
	ended     chan struct{}
}

// screen is output that is read while it is still written.
type screen struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(p)
}

func (s *screen) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// Start starts kis under the eyes of the oracle.
func (w *Env) Start(args ...string) *Started {
	w.T.Helper()
	ctx, cancel := context.WithCancel(w.T.Context())
	s := &Started{Cmd: w.Command(ctx, args...), Watch: oracle.Start(w.T, w.Stage, w.OracleHosts()...), w: w, begin: time.Now(), ended: make(chan struct{})}
	s.Cmd.Stdout, s.Cmd.Stderr = &s.out, &s.errs
	if err := s.Cmd.Start(); err != nil {
		cancel()
		require.NoError(w.T, err)
	}
	go func() { // ends with kis, which the clean-up ends at the latest
		defer close(s.ended)
		_ = s.Cmd.Wait() // its status is what tests look at
	}()
	w.T.Cleanup(func() {
		_ = s.Cmd.Process.Signal(syscall.SIGCONT) // a stopped process does not see its end
		cancel()
		<-s.ended
	})
	return s
}

// Screen is everything that kis has printed so far.
func (s *Started) Screen() string { return s.out.String() + s.errs.String() }

// Says waits until kis has printed a text.
func (s *Started) Says(text string, within time.Duration) {
	s.w.T.Helper()
	if !assert.Eventually(s.w.T, func() bool { return strings.Contains(s.Screen(), text) }, within, 10*time.Millisecond) {
		require.FailNow(s.w.T, "kis does not say it", "%q is not in:\n%s", text, s.Screen())
	}
}

// Signal sends kis a signal.
func (s *Started) Signal(signal syscall.Signal) {
	s.w.T.Helper()
	require.NoError(s.w.T, s.Cmd.Process.Signal(signal))
}

// End waits for kis to end.
func (s *Started) End(within time.Duration) Result {
	s.w.T.Helper()
	select {
	case <-s.ended:
	case <-time.After(within):
		require.FailNow(s.w.T, "kis does not end", "%s", s.Screen())
	}
	r := Result{Exit: s.Cmd.ProcessState.ExitCode(), Out: s.out.String(), Err: s.errs.String(), Took: time.Since(s.begin)}
	s.w.judge(s.Cmd, r)
	return r
}

// Running tells whether kis has not ended yet.
func (s *Started) Running() bool {
	select {
	case <-s.ended:
		return false
	default:
		return true
	}
}
