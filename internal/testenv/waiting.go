package testenv

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/testenv/hosttest"
)

// Has reports whether a kis that was started with `-o json` has told that a step on a host has come to a state.
func (s *Started) Has(host, step, state string) bool {
	for line := range strings.Lines(s.out.String()) {
		var e Event
		if json.Unmarshal([]byte(line), &e) == nil && e.Host == host && e.Step == step && e.State == state {
			return true
		}
	}
	return false
}

// Saw waits for what Has reports.
func (s *Started) Saw(host, step, state string, within time.Duration) {
	s.w.T.Helper()
	if !assert.Eventually(s.w.T, func() bool { return s.Has(host, step, state) }, within, 5*time.Millisecond) {
		require.FailNow(s.w.T, "kis does not come to it", "%s: %s is not %s:\n%s", host, step, state, s.Screen())
	}
}

// Agent is the process id, as the host counts, of the agent that holds the stage's lock on a host of the world.
func (w *Env) Agent(h *hosttest.Host) int {
	w.T.Helper()
	var holder struct {
		PID int `json:"pid"`
	}
	text := h.Shell(w.T, "cat /var/webcode/.kis/locks/"+w.Stage)
	require.NoError(w.T, json.Unmarshal([]byte(text), &holder), "%s", text)
	require.Positive(w.T, holder.PID)
	return holder.PID
}

// Locked reports whether somebody holds the stage's lock on a host of the world.
func (w *Env) Locked(h *hosttest.Host) bool {
	w.T.Helper()
	file, err := os.Open(filepath.Join(w.Root(h), ".kis", "locks", w.Stage))
	if errors.Is(err, fs.ErrNotExist) {
		return false
	}
	require.NoError(w.T, err)
	defer file.Close() //nolint:errcheck // only read
	return syscall.Flock(int(file.Fd()), syscall.LOCK_SH|syscall.LOCK_NB) != nil
}

// Signal sends a signal to one process of a host, by the number that the host gives it.
func (w *Env) Signal(h *hosttest.Host, pid int, signal syscall.Signal) {
	w.T.Helper()
	h.Shell(w.T, "kill -"+strconv.Itoa(int(signal))+" "+strconv.Itoa(pid))
}

// PIDs are the processes of the deploying user on a host whose command line contains a text, as the host counts them.
func (w *Env) PIDs(h *hosttest.Host, part string) []int {
	w.T.Helper()
	out, err := h.Command(w.T.Context(), "ps", "-o", "pid=,args=", "-u", h.User).Output()
	if _, none := err.(*exec.ExitError); !none { //nolint:errorlint // as os/exec returns it: there are no such processes
		require.NoError(w.T, err)
	}
	var found []int
	for line := range strings.Lines(string(out)) {
		number, args, _ := strings.Cut(strings.TrimSpace(line), " ")
		if strings.Contains(args, part) {
			pid, err := strconv.Atoi(number)
			require.NoError(w.T, err)
			found = append(found, pid)
		}
	}
	return found
}
