package recovery

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/testenv"
	"github.com/keep-it-simple/kis/internal/testenv/hosttest"
	"github.com/keep-it-simple/kis/internal/testenv/oracle"
)

// wrapper stands for python on the traced host: the first agent that finds an order takes it, so that a fault happens once, and the tracer
// runs in front of that agent; the second one does what the next order wants. Every other program that asks for this python gets the real one.
const wrapper = `#!/bin/sh
cd "${0%/*}"
mv order taken 2>/dev/null || mv order.next taken 2>/dev/null || exec /usr/bin/python3 "$@"
cd /
KIS_CRASH_ORDER=${0%/*}/taken exec "${0%/*}/tracer" /usr/bin/python3 "$@"
`

// ofAgent are the calls that change something on a host, or tell somebody.
func ofAgent() []string {
	return []string{"write", "rename", "unlink", "symlink", "link", "mkdir", "fsync", "syncfs", "chmod", "truncate"}
}

// tracedHost is a host whose agent runs under the tracer when there is an order.
type tracedHost struct {
	*hosttest.Host
	home string // its Home as the host sees it
}

// trace prepares a host of the world, and the inventory.
func (p *pusher) trace(h *hosttest.Host) tracedHost {
	p.T.Helper()
	self, err := os.Executable()
	require.NoError(p.T, err)
	from, err := os.Open(self)
	require.NoError(p.T, err)
	defer from.Close() //nolint:errcheck // only read
	to, err := os.OpenFile(filepath.Join(h.Home, "tracer"), os.O_WRONLY|os.O_CREATE, 0o755)
	require.NoError(p.T, err)
	_, err = io.Copy(to, from)
	require.NoError(p.T, err)
	require.NoError(p.T, to.Close())
	require.NoError(p.T, os.WriteFile(filepath.Join(h.Home, "python"), []byte(wrapper), 0o755))
	t := tracedHost{Host: h, home: "/home/" + h.User}
	p.Inventory(testenv.InventoryText(p.Hosts, fmt.Sprintf("hosts: {%s: {python: %s/python}}\n", h.Name, t.home)))
	return t
}

// give has the next agent on the host do its work under an order. The log is the returned file.
func (h tracedHost) give(t *testing.T, o order) string {
	t.Helper()
	return h.write(t, o, "order", "calls")
}

// giveNext has the agent after that one do its work under an order.
func (h tracedHost) giveNext(t *testing.T, o order) string {
	t.Helper()
	return h.write(t, o, "order.next", "calls.next")
}

func (h tracedHost) write(t *testing.T, o order, name, calls string) string {
	t.Helper()
	log := filepath.Join(h.Home, calls)
	require.NoError(t, os.RemoveAll(log))
	o.Calls, o.Forks, o.Log = ofAgent(), true, h.home+"/"+calls
	text, err := json.Marshal(o)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(h.Home, name), text, 0o644))
	return log
}

// broken pushes while the n-th call of one host's agent breaks, and pushes again. It reports whether there was an n-th call.
func (p *pusher) broken(h tracedHost, o order, archive, name string, keep ...string) bool {
	p.T.Helper()
	log := h.give(p.T, o)
	watch := oracle.Start(p.T, p.Stage, p.OracleHosts()...)
	r := p.Kis("push", p.Stage, "--sdist", archive)
	where := broken(p.T, log)
	p.T.Logf("%s at call %d: exit %d: %s", o.Fault, o.At, r.Exit, where)
	watch.Check(oracle.Expect{Exit: r.Exit, To: name, Within: lease, Dirty: true}) // what one call has failed to remove goes with the next run
	require.Contains(p.T, []int{0, 3, 4}, r.Exit, "one fault on one host that can be reached leaves nothing unknown")
	links := p.Links()
	require.Equal(p.T, p.All(links[0]), links, "the fleet stays together")
	if where == "" {
		require.Equal(p.T, 0, r.Exit)
	}
	if o.Fault != "KILL" && strings.Contains(where, `fsync BROKEN "/var/webcode"`) && r.Exit == 0 {
		require.Contains(p.T, r.Err, "fsync failed")
	}
	p.succeed(archive, name, keep...)
	return where != ""
}

// faults are what happens to a call, in turn.
func faults() []string { return []string{"KILL", "EIO", "ENOSPC", "EROFS"} }

// cases are orders for the calls of some numbers: all faults for each with -every-call, else one each, in turn.
func cases(moments []int) []order {
	var all []order
	for i, n := range moments {
		for j, fault := range faults() {
			if *everyCall || i%len(faults()) == j {
				all = append(all, order{At: n, Fault: fault})
			}
		}
	}
	return all
}

// TestAgentBrokenAtAnyCallOfASwitch_C1: both packages are installed, so that a push is little more than the switch.
func TestAgentBrokenAtAnyCallOfASwitch_C1(t *testing.T) {
	t.Parallel()
	p := newPusher(t, 3)
	h := p.trace(p.Hosts[1])
	var archives, names [2]string
	for i := range archives {
		archives[i], names[i] = p.archive()
		p.Install(archives[i])
		p.succeed(archives[i], names[i], names[0])
	}
	turn := func() int { return map[string]int{names[0]: 1, names[1]: 0}[p.linked] }
	log := h.give(t, order{})
	p.succeed(archives[0], names[0], names[0], names[1])
	all := calls(t, log)
	// From the prepared link to the answer after the rename; before and after that some.
	from, to := first(t, all, `symlink "/var/webcode/.kis/armed/`), first(t, all, `/var/webcode/staging"`)+4
	moments := spread(4, from-1)
	for n := from; n <= to; n++ {
		if (n-from)%step(2) == 0 {
			moments = append(moments, n)
		}
	}
	for _, n := range spread(2, len(all)-to) {
		moments = append(moments, to+n)
	}
	reached := 0
	list := cases(moments)
	for _, o := range list {
		i := turn()
		if p.broken(h, o, archives[i], names[i], names[0], names[1]) {
			reached++
		}
	}
	require.Greater(t, reached, len(list)*3/4, "most calls come again in every run")
}

// TestALinkWhoseAgentDiedBeforeItsFlushIsFlushed: kis says 0 because another agent has found the link. A power cut must not undo that.
func TestALinkWhoseAgentDiedBeforeItsFlushIsFlushed(t *testing.T) {
	t.Parallel()
	p := newPusher(t, 1)
	h := p.trace(p.Hosts[0])
	var archives, names [2]string
	for i := range archives {
		archives[i], names[i] = p.archive()
		p.Install(archives[i])
		p.succeed(archives[i], names[i], names[0])
	}
	const flush = `fsync "/var/webcode"`
	log := h.give(t, order{})
	p.succeed(archives[0], names[0], names[0], names[1])
	at := first(t, calls(t, log), flush)
	log = h.give(t, order{At: at, Fault: "KILL"})
	next := h.giveNext(t, order{})
	p.succeed(archives[1], names[1], names[0], names[1])
	require.Contains(t, broken(t, log), `fsync BROKEN "/var/webcode"`, "the agent dies after the rename")
	first(t, calls(t, next), flush)
}

// TestAgentBrokenAtAnyCallOfAPush_B3_D3: the package is new, so that the hosts build it.
func TestAgentBrokenAtAnyCallOfAPush_B3_D3(t *testing.T) {
	t.Parallel()
	p := newPusher(t, 2)
	h := p.trace(p.Hosts[1])
	p.succeed(p.archive())
	log := h.give(t, order{})
	p.succeed(p.archive())
	all := calls(t, log)
	reached := 0
	list := cases(spread(4, len(all)))
	for _, o := range list {
		archive, name := p.archive()
		if p.broken(h, o, archive, name) {
			reached++
		}
	}
	require.Greater(t, reached, len(list)*3/4, "most calls come again in every run")
}
