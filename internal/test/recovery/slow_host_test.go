package recovery

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/testenv"
	"github.com/keep-it-simple/kis/internal/testenv/hosttest"
	"github.com/keep-it-simple/kis/internal/testenv/oracle"
	"github.com/keep-it-simple/kis/internal/testenv/proxytest"
)

// TestSlowHost_F1 for longer than a lock would last of which nobody hears, and the fast host keeps its lock meanwhile.
func TestSlowHost_F1(t *testing.T) {
	t.Parallel()
	w := testenv.New(t, 2, hosttest.Options{})
	w.Pad(500_000)
	way := w.Hosts[1].Proxy(t)
	w.Client.SetPort(t, "web2", way.Port())
	s := w.Start("push", "staging", "--sdist", w.Archive(), "-o", "json")
	s.Saw("web2", "connect", "done", time.Minute)
	way.Rate(proxytest.ToHost, 6000)
	s.Saw("web1", "seal", "done", 2*time.Minute)
	agent := w.Agent(w.Hosts[0])
	look := time.NewTicker(time.Second / 2)
	defer look.Stop()
	for !s.Has("web2", "upload", "done") {
		require.True(t, s.Running(), s.Screen())
		require.True(t, w.Locked(w.Hosts[0]), "web1 keeps its lock")
		<-look.C
	}
	assert.Equal(t, agent, w.Agent(w.Hosts[0]))
	r := s.End(2 * time.Minute)
	require.Equal(t, 0, r.Exit)
	s.Watch.Check(oracle.Expect{Exit: 0, To: "hello-0.3"})
	assert.Greater(t, r.Took, 70*time.Second, "longer than the lease of a minute")
}

// TestManyHostsWaitForSlowOne_F1: 32 names, each with a repository of its own, all behind one sshd, and the way to one of them is long and thin.
// The package is installed on the others.
func TestManyHostsWaitForSlowOne_F1(t *testing.T) {
	t.Parallel()
	w := testenv.New(t, 1, hosttest.Options{})
	web1 := w.Hosts[0]
	const built, slow = 0, 7
	way := web1.Proxy(t)
	way.Delay(100 * time.Millisecond)
	way.Rate(proxytest.ToHost, 20_000)
	var names, settings []string
	var hosts []oracle.Host
	known, err := os.ReadFile(w.Client.KnownHosts)
	require.NoError(t, err)
	for i := range 32 {
		name := fmt.Sprintf("n%02d", i)
		names = append(names, name)
		settings = append(settings, fmt.Sprintf("  %s: {root: /home/kistest/%s}\n", name, name))
		hosts = append(hosts, oracle.Host{Name: name, Root: filepath.Join(web1.Home, name)})
		web1.Shell(t, "install -d -o kistest -m 755 /home/kistest/"+name)
		known = append(known, strings.Replace(web1.KnownHostsLine(t), "web1", name, 1)+"\n"...)
		port := web1.Port
		if i == slow {
			port = way.Port()
		}
		w.Client.SetPort(t, name, port)
	}
	require.NoError(t, os.WriteFile(w.Client.KnownHosts, known, 0o600))
	w.Inventory("stages:\n  staging: {hosts: [" + strings.Join(names, ", ") + "]}\nhosts:\n" + strings.Join(settings, ""))
	archive := w.Archive()
	require.Equal(t, 0, w.Kis("push", "staging", "--sdist", archive, "--no-link", "--hosts", names[built]).Exit)
	for i := range hosts {
		if i != built && i != slow {
			web1.Shell(t, fmt.Sprintf("cp -a /home/kistest/%s/hello-0.3 /home/kistest/%s/", names[built], names[i]))
		}
	}
	watch := oracle.Start(t, "staging", hosts...)
	r := w.Kis("push", "staging", "--sdist", archive, "-o", "json")
	require.Equal(t, 0, r.Exit)
	watch.Check(oracle.Expect{Exit: 0, To: "hello-0.3"})
	assert.Len(t, r.Report(t).Hosts, 32)
}

// TestHostFlaps_F2: its network is gone at once, and comes and goes several times a second or more seldom.
func TestHostFlaps_F2(t *testing.T) {
	t.Parallel()
	w := testenv.New(t, 2, hosttest.Options{Network: true})
	w.Earlier("0.3")
	w.Version("0.4")
	archive := w.Archive()
	draw := rand.New(rand.NewPCG(1, 1))
	s := w.Start("push", "staging", "--sdist", archive)
	times, gone := 0, false
	for s.Running() {
		if gone = !gone; gone {
			w.Hosts[1].Block(t)
			times++
		} else {
			w.Hosts[1].Unblock(t)
		}
		<-time.After(200*time.Millisecond + time.Duration(draw.Int64N(int64(800*time.Millisecond))))
	}
	if gone {
		w.Hosts[1].Unblock(t)
	}
	r := s.End(time.Second)
	require.Greater(t, times, 1, "it was gone while kis ran, and was there again")
	require.Contains(t, []int{0, 3, 4, 5}, r.Exit)
	s.Watch.Check(oracle.Expect{Exit: r.Exit, To: "hello-0.4", Within: 80 * time.Second})
	w.Run(0, "hello-0.4", "push", "staging", "--sdist", archive)
}
