//go:build bench

package bench

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/testenv/hosttest"
)

// cpu is the CPU time that the hosts have used since they were started, in seconds. The first
// process of a host's PID namespace is its sshd. It waits for every process of the host, also for
// those whose parents have ended, so that their time is in its own, see proc_pid_stat(5). cpu waits
// until nothing but sshd is left: the time of what still runs would be missing.
func (s site) cpu() float64 {
	s.t.Helper()
	total := 0.0
	for _, h := range s.Hosts {
		children := fmt.Sprintf("/proc/%[1]d/task/%[1]d/children", h.PID())
		require.Eventually(s.t, func() bool {
			text, err := os.ReadFile(children)
			return err == nil && len(text) == 0
		}, time.Minute, 5*time.Millisecond, "%s: something still runs", h.Name)
		total += used(s.t, h)
	}
	return total
}

// tick is what Linux counts CPU time in for programs: USER_HZ is 100 on every architecture that Go
// is for. It is too coarse for one host and one job, and right on average of many.
const tick = 0.01

// used is the CPU time of a host's sshd and of all that it has waited for.
func used(t *testing.T, h *hosttest.Host) float64 {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", h.PID()))
	require.NoError(t, err)
	_, after, _ := strings.Cut(string(text), ") ")
	fields := strings.Fields(after) // the first is number 3 of the manual page
	total := 0
	for _, field := range fields[14-3 : 18-3] { // utime, stime, cutime, cstime
		n, err := strconv.Atoi(field)
		require.NoError(t, err)
		total += n
	}
	return float64(total) * tick
}

// TestHostCPUIsCounted: the CPU time of a session, of its children, and of what outlives its parent.
func TestHostCPUIsCounted(t *testing.T) {
	s := newSite(t, 1, nil, "")
	const burn = `python3 -c 'import time
while time.process_time() < 0.5: pass'`
	spend := job{steps: func(site, string) []step {
		return []step{{run: burn + "; (" + burn + " >/dev/null 2>&1 </dev/null &)"}}
	}}
	spent := byHand().must(s, spend).cpu
	require.InDelta(t, 1.15, spent, 0.15, "seconds of CPU")
}
