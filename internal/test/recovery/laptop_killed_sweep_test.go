package recovery

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/testenv"
	"github.com/keep-it-simple/kis/internal/testenv/hosttest"
	"github.com/keep-it-simple/kis/internal/testenv/oracle"
)

// lease is how long a host may hold on to what a dead run had, see ARCHITECTURE.md; a little more, for a busy machine.
const lease = 90 * time.Second

// under makes a command run under the tracer. What was counted is in the order's log, once the command has ended.
func under(t *testing.T, o order, cmd *exec.Cmd) {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	text, err := json.Marshal(o)
	require.NoError(t, err)
	path := o.Log + ".order"
	require.NoError(t, os.WriteFile(path, text, 0o600))
	cmd.Args = append([]string{self}, cmd.Args...)
	cmd.Path = self
	cmd.Env = append(cmd.Env, orderVariable+"="+path)
}

// calls are the lines of a tracer's log.
func calls(t *testing.T, path string) []string {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	return strings.Split(strings.TrimSpace(string(text)), "\n")
}

// broken is the line of the call that was broken, "" when the program has not come to it.
func broken(t *testing.T, path string) string {
	t.Helper()
	for _, line := range calls(t, path) {
		if strings.Contains(line, " BROKEN ") {
			return line
		}
	}
	return ""
}

// pusher pushes packages of the sample, one after the other.
type pusher struct {
	*testenv.Env
	linked string // by the last push that went well
	next   int
}

func newPusher(t *testing.T, hosts int) *pusher {
	t.Helper()
	return &pusher{Env: testenv.New(t, hosts, hosttest.Options{})}
}

// archive builds one more version of the sample.
func (p *pusher) archive() (path, name string) {
	p.T.Helper()
	p.next++
	version := fmt.Sprintf("1.%d", p.next)
	p.Version(version)
	return p.Archive(), "hello-" + version
}

// succeed pushes undisturbed; then hosts forget packages that nothing is linked to, but for keep.
func (p *pusher) succeed(archive, name string, keep ...string) {
	p.T.Helper()
	p.Run(0, name, "push", p.Stage, "--sdist", archive)
	p.linked = name
	for _, h := range p.OracleHosts() {
		entries, err := filepath.Glob(filepath.Join(h.Root, "hello-*"))
		require.NoError(p.T, err)
		for _, path := range entries {
			if base := filepath.Base(path); base != name && !slices.Contains(keep, base) {
				remove(p.T, path)
			}
		}
	}
}

// remove removes a folder that is read-only, as sealed packages are.
func remove(t *testing.T, path string) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "rm", "-rf", path).CombinedOutput()
	require.NoError(t, err, "%s", out)
}

// push runs a push under the tracer and under the eyes of the oracle.
func (p *pusher) push(o order, archive, name string) (testenv.Result, string) {
	p.T.Helper()
	o.Log = filepath.Join(p.T.TempDir(), "calls")
	watch := oracle.Start(p.T, p.Stage, p.OracleHosts()...)
	cmd := p.Command(context.WithoutCancel(p.T.Context()), "push", p.Stage, "--sdist", archive)
	under(p.T, o, cmd)
	r := p.Wait(cmd)
	watch.Check(oracle.Expect{Exit: r.Exit, To: name, Within: lease})
	return r, o.Log
}

// ofKis are the calls by which kis is known outside of itself: what it sends, opens and hangs up, says and logs.
func ofKis() []string { return []string{"write", "connect", "close"} }

// killed pushes and kills kis before its n-th call, and pushes again. It reports whether there was an n-th call.
func (p *pusher) killed(n int, archive, name string, keep ...string) bool {
	p.T.Helper()
	r, log := p.push(order{Calls: ofKis(), At: n, Fault: "KILL"}, archive, name)
	where := broken(p.T, log)
	p.T.Logf("call %d: %s", n, where)
	if where != "" {
		require.Equal(p.T, -1, r.Exit)
		p.Quiet(lease)
	} else {
		require.Equal(p.T, 0, r.Exit)
	}
	p.succeed(archive, name, keep...)
	return where != ""
}

// first is the number of the first call that is about a text.
func first(t *testing.T, all []string, text string) int {
	t.Helper()
	for i, line := range all {
		if strings.Contains(line, text) {
			return i + 1
		}
	}
	require.Fail(t, "no such call", "%s in %d calls", text, len(all))
	return 0
}

// spread are n numbers from 1 to most, as evenly as it goes; all with -every-call.
func spread(n, most int) []int {
	if *everyCall || n > most {
		n = most
	}
	var all []int
	for i := range n {
		all = append(all, 1+(2*i+1)*most/(2*n))
	}
	return all
}

// step is how far apart the calls are that are broken, where each matters: n, or 1 with -every-call.
func step(n int) int {
	if *everyCall {
		return 1
	}
	return n
}

// TestKisKilledAtAnyCallOfASwitch_K1: both packages are installed, so that a push is little more than the switch.
func TestKisKilledAtAnyCallOfASwitch_K1(t *testing.T) {
	t.Parallel()
	p := newPusher(t, 2)
	var archives, names [2]string
	for i := range archives {
		archives[i], names[i] = p.archive()
		p.Install(archives[i])
		p.succeed(archives[i], names[i], names[0])
	}
	turn := func() int { return map[string]int{names[0]: 1, names[1]: 0}[p.linked] }
	i := turn()
	r, log := p.push(order{Calls: ofKis()}, archives[i], names[i])
	require.Equal(t, 0, r.Exit)
	p.linked = names[i]
	all := calls(t, log)
	from, to := first(t, all, `\"step\":\"link\"`), first(t, all, `\"type\":\"report\"`)
	t.Logf("%d calls, %d to %d of them are the switch", len(all), from, to)
	moments := spread(2, from-1) // looks, locks, verifies, arms and calls the roll
	for n := from; n <= to; n++ {
		if (n-from)%step(6) == 0 {
			moments = append(moments, n)
		}
	}
	for _, n := range spread(2, len(all)-to) {
		moments = append(moments, to+n)
	}
	reached := 0
	for _, n := range moments {
		i := turn()
		if p.killed(n, archives[i], names[i], names[0], names[1]) {
			reached++
		}
	}
	require.Greater(t, reached, len(moments)/2, "most calls come again in every run")
}

// TestASignalAfterTheReportChangesNothing: what is decided stays so, to the last moment of the process.
func TestASignalAfterTheReportChangesNothing(t *testing.T) {
	t.Parallel()
	p := newPusher(t, 1)
	var archives, names [2]string
	for i := range archives {
		archives[i], names[i] = p.archive()
		p.Install(archives[i])
		p.succeed(archives[i], names[i], names[0])
	}
	for n := 1; ; n++ {
		i := n % 2
		o := order{Calls: append(ofKis(), "sigaction"), From: `"type":"report"`, At: n, Fault: "HUP"}
		r, log := p.push(o, archives[i], names[i])
		require.Equal(t, 0, r.Exit, r.Err)
		require.NotContains(t, r.Err, "interrupted")
		where := broken(t, log)
		t.Logf("call %d: %s", n, where)
		if where == "" {
			require.Greater(t, n, 3, "the run's log, and what is shown")
			return
		}
	}
}

// TestKisKilledAtAnyCallOfAPush_K1: the package is new, so that the hosts build it.
func TestKisKilledAtAnyCallOfAPush_K1(t *testing.T) {
	t.Parallel()
	p := newPusher(t, 2)
	p.succeed(p.archive())
	archive, name := p.archive()
	r, log := p.push(order{Calls: ofKis()}, archive, name)
	require.Equal(t, 0, r.Exit)
	p.linked = name
	all := calls(t, log)
	reached := 0
	moments := spread(2, len(all))
	for _, n := range moments {
		archive, name := p.archive()
		if p.killed(n, archive, name) {
			reached++
		}
	}
	require.Greater(t, reached, len(moments)/2, "most calls come again in every run")
}
