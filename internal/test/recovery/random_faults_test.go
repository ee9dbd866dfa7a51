package recovery

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/testenv"
	"github.com/keep-it-simple/kis/internal/testenv/hosttest"
	"github.com/keep-it-simple/kis/internal/testenv/oracle"
	"github.com/keep-it-simple/kis/internal/testenv/proxytest"
)

// diskHost is the host whose package repository is a file system of its own, so that it can fill up and become read-only. It keeps its power.
const diskHost = "web3"

// fault is what happens in a round. It begins at the drawn moment; when it ends by itself, it does so after a drawn time, else once kis has ended.
type fault struct {
	name  string
	on    []string // hosts that it can happen to; none for one that happens to kis
	begin func(r *round)
	end   func(r *round) // nil when nothing has to be mended
	exit  int            // how kis may end because of it, besides 0, 3, 4 and 5
	brief bool           // ends after a drawn time
	after bool           // is mended only after the oracle has looked, because what the disk forgets by being mended is no work of kis
}

// round is one push with one fault.
type round struct {
	*rig
	host  *hosttest.Host // nil when it happens to kis
	proxy *proxytest.Proxy
	push  *testenv.Started
}

// rig is what all rounds happen to.
type rig struct {
	*pusher
	proxies map[string]*proxytest.Proxy
	way     map[string]time.Duration // how long what is said to a host, or by it, is on its way
	image   string                   // the disk of diskHost
}

func everyFault() []fault {
	all := []string{"web1", "web2", diskHost}
	shell := func(text string) func(r *round) {
		return func(r *round) { r.host.Shell(r.T, text) }
	}
	signal := func(s syscall.Signal) func(r *round) {
		return func(r *round) {
			r.push.Says("hello", lease) // before it says anything, it is a process like any other
			_ = r.push.Cmd.Process.Signal(s)
		}
	}
	// The agent is the oldest of what looks like it; there is none early and late in a push, and then nothing happens.
	agent := func(signal string) func(r *round) {
		return func(r *round) {
			r.host.Shell(r.T, `pid=$(pgrep -o -u `+r.host.User+` -f -- '-X utf8 -I -S') || exit 0; kill -`+signal+` "$pid" 2>/dev/null || :`)
		}
	}
	return []fault{
		{name: "kis is killed", exit: -1, begin: func(r *round) { _ = r.push.Cmd.Process.Kill() }},
		{name: "Ctrl-C", exit: 130, begin: signal(syscall.SIGINT)},
		{name: "the terminal is closed", exit: 130, begin: signal(syscall.SIGHUP)},
		{
			name: "kis stands still", brief: true,
			begin: func(r *round) { _ = r.push.Cmd.Process.Signal(syscall.SIGSTOP) }, end: func(r *round) { _ = r.push.Cmd.Process.Signal(syscall.SIGCONT) },
		},
		{name: "the host loses its power", on: []string{"web1", "web2"}, begin: func(r *round) { r.host.Kill() }, end: func(r *round) { r.host.Restart(r.T) }},
		{
			name: "the host loses its power and starts again", on: []string{"web1", "web2"}, brief: true,
			begin: func(r *round) { r.host.Kill() }, end: func(r *round) { r.host.Restart(r.T) },
		},
		{name: "the host stands still", on: all, brief: true, begin: shell("kill -STOP -1 2>/dev/null || :"), end: shell("kill -CONT -1 2>/dev/null || :")},
		{name: "the agent is killed", on: all, begin: agent("KILL")},
		{name: "the agent is ended", on: all, begin: agent("TERM")},
		{name: "the agent stands still", on: all, brief: true, begin: agent("STOP"), end: shell("kill -CONT -1 2>/dev/null || :")},
		{name: "the connection is cut", on: all, begin: func(r *round) { r.proxy.Cut() }},
		{name: "the network stalls", on: all, brief: true, begin: func(r *round) { r.proxy.Stall() }, end: heal},
		{
			name: "the host cannot be reached any more", on: all,
			begin: func(r *round) { r.proxy.Down(); r.proxy.Cut() }, end: heal,
		},
		{
			name: "the host cannot be reached for a while", on: all, brief: true,
			begin: func(r *round) { r.proxy.Down(); r.proxy.Cut() }, end: heal,
		},
		{
			name: "the disk fills up", on: []string{diskHost},
			begin: shell("dd if=/dev/zero of=/var/webcode/other bs=1M 2>/dev/null || :"), end: shell("rm /var/webcode/other"),
		},
		{
			name: "the disk becomes read-only", on: []string{diskHost}, after: true, // as ext4 does after an error, whoever has files open
			begin: shell("mount -o remount,abort /var/webcode"), end: func(r *round) { r.host.Shell(r.T, "umount /var/webcode"); r.mountDisk() },
		},
	}
}

// heal opens the way to the host again, which is as long as it was.
func heal(r *round) {
	r.proxy.Heal()
	r.proxy.Delay(r.way[r.host.Name])
}

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{pusher: newPusher(t, 3), proxies: map[string]*proxytest.Proxy{}, image: filepath.Join(t.TempDir(), "disk")}
	for _, h := range r.Hosts {
		r.proxies[h.Name] = h.Proxy(t)
		r.Client.SetPort(t, h.Name, r.proxies[h.Name].Port())
	}
	hosttest.Run(t, "/usr/sbin/mkfs.ext4", "-q", r.image, "256m")
	r.mountDisk()
	host := r.Hosts[2]
	host.Shell(t, "chown "+host.User+": /var/webcode")
	r.Roots = map[string]string{diskHost: host.Inside(hosttest.Repository)}
	return r
}

// move puts the hosts far away or near. Of a push to hosts that are far away, and one farther than the other, the switch is a good part.
func (r *rig) move(far bool) {
	r.way = map[string]time.Duration{}
	if far {
		r.way = map[string]time.Duration{"web1": 30 * time.Millisecond, "web2": 80 * time.Millisecond, diskHost: 160 * time.Millisecond}
	}
	for name, proxy := range r.proxies {
		proxy.Delay(r.way[name])
	}
}

func (r *rig) mountDisk() { r.Hosts[2].Shell(r.T, "mount -o loop "+r.image+" /var/webcode") }

// after is the time that something drawn takes.
func after(t *testing.T, d time.Duration) {
	t.Helper()
	select {
	case <-time.After(d):
	case <-t.Context().Done():
	}
}

// one is a round: a push, something happens, the oracle looks, everything is mended, the same push succeeds. It returns kis's exit status.
func (r *rig) one(f fault, host *hosttest.Host, moment, lasts time.Duration, archive, name string) int {
	r.T.Helper()
	one := &round{rig: r, host: host, push: r.Start("push", r.Stage, "--sdist", archive)}
	if host != nil {
		one.proxy = r.proxies[host.Name]
	}
	after(r.T, moment)
	f.begin(one)
	if f.brief {
		after(r.T, lasts)
		f.end(one)
	}
	result := one.push.End(4 * time.Minute)
	if f.end != nil && !f.brief && !f.after {
		f.end(one)
	}
	require.Contains(r.T, []int{0, 3, 4, 5, f.exit}, result.Exit)
	r.move(false)
	one.push.Watch.Check(oracle.Expect{Exit: result.Exit, To: name, Within: lease, Dirty: true})
	if f.after {
		f.end(one)
	}
	return result.Exit
}

// TestRandomFaultAtARandomMoment_K1_D3: any fault, on any host, at any moment of a push, for any time. With -args -seed N -rounds M a series is
// done again, or a longer one; kis being what it is, the moments are the same, and what they hit is not always.
func TestRandomFaultAtARandomMoment_K1_D3(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	draw := rand.New(rand.NewPCG(*seed, 1))
	var archives, names [2]string
	for i := range archives {
		archives[i], names[i] = r.archive()
		r.Install(archives[i])
		r.succeed(archives[i], names[i], names[0])
	}
	// Half of the pushes build, half only link: what is linked, or was before, is not built again. Half of them have a long way to go.
	type kind struct{ builds, far bool }
	// How long an undisturbed one takes is measured when the first of its kind is drawn.
	lengths := map[kind]time.Duration{}
	length := func(k kind) time.Duration {
		if lengths[k] == 0 {
			i := slices.IndexFunc(names[:], func(name string) bool { return name != r.linked })
			if k.builds {
				archives[i], names[i] = r.archive()
			}
			r.move(k.far)
			begin := time.Now()
			r.succeed(archives[i], names[i], names[1-i])
			lengths[k] = time.Since(begin)
		}
		return lengths[k]
	}

	list, exits := everyFault(), map[int]int{}
	for i := range *rounds {
		f := list[draw.IntN(len(list))]
		var host *hosttest.Host
		at := "kis"
		if f.on != nil {
			at = f.on[draw.IntN(len(f.on))]
			host = r.Hosts[slices.IndexFunc(r.Hosts, func(h *hosttest.Host) bool { return h.Name == at })]
		}
		k := kind{builds: draw.IntN(2) == 0, far: draw.IntN(2) == 0}
		moment := time.Duration(draw.Float64() * float64(length(k)))
		lasts := time.Duration(draw.Float64() * float64(2*time.Second))
		if draw.IntN(8) == 0 {
			lasts = time.Duration(draw.Float64() * float64(50*time.Second)) // longer than what waits for it
		}
		archive, name := archives[0], names[0]
		if name == r.linked {
			archive, name = archives[1], names[1]
		}
		if k.builds {
			archive, name = r.archive()
		}
		what := fmt.Sprintf("-seed %d, round %d: %s (%s), %v after the beginning of a push of %s", *seed, i+1, f.name, at, moment.Round(time.Millisecond), name)
		if k.far {
			what += ", a long way"
		}
		if f.brief {
			what += fmt.Sprintf(", for %v", lasts.Round(time.Millisecond))
		}
		t.Log(what)
		require.True(t, t.Run(fmt.Sprint(i+1), func(t *testing.T) {
			t.Log(what)
			in := *r
			pusher := *r.pusher
			pusher.Env, in.pusher = r.In(t), &pusher
			in.move(k.far)
			exits[in.one(f, host, moment, lasts, archive, name)]++
			before := r.linked
			in.succeed(archive, name, before)
			r.linked = name
			archives, names = [2]string{archives[slices.Index(names[:], before)], archive}, [2]string{before, name}
		}), what)
	}
	t.Logf("-seed %d: exit statuses of %d rounds: %v", *seed, *rounds, exits)
}
