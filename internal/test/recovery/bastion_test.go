package recovery

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/testenv"
	"github.com/keep-it-simple/kis/internal/testenv/hosttest"
)

// TestBastionDies_N18: both hosts are reached over a third one.
func TestBastionDies_N18(t *testing.T) {
	long(t)
	t.Parallel()
	all := testenv.New(t, 3, hosttest.Options{})
	bastion := all.Hosts[2]
	for _, name := range []string{"web1", "web2"} {
		all.Client.Jump(t, name, bastion.Name)
	}
	w := all.On("web1", "web2")
	w.Inventory(testenv.InventoryText(w.Hosts, ""))
	// The hosts see the end of their connections, and give up by themselves.
	dies := func(p *pair, s *testenv.Started) {
		bastion.Kill()
		require.Eventually(p.T, func() bool { return len(p.armed(web1)) == 0 }, 10*time.Second, 5*time.Millisecond, "web1 gives up by itself")
	}
	playOn(pairOf(w), []scene{
		{name: "before the barrier", moment: (*pair).holding, exit: 3, says: []string{`"web1"`}, fault: func(p *pair, s *testenv.Started) {
			dies(p, s)
			s.End(time.Minute)
			bastion.Restart(p.T)
		}, after: old},
		{name: "between arming and linking", moment: (*pair).arming, exit: 3, says: []string{`"web1"`}, fault: func(p *pair, s *testenv.Started) {
			dies(p, s)
			p.start(web2)
			s.End(time.Minute)
			bastion.Restart(p.T)
		}, after: old},
		{name: "after linking, for a moment", moment: (*pair).linking, exit: 4, dirty: true, fault: func(p *pair, s *testenv.Started) {
			dies(p, s)
			s.Saw("web1", "after_link", "unknown", 30*time.Second)
			bastion.Restart(p.T)
			p.letGo()
		}, after: old},
	})
	t.Run("before all", func(t *testing.T) {
		bastion.Kill()
		w := w.In(t)
		r := w.Run(3, "", "check", "staging")
		assert.Equal(t, 1, strings.Count(r.Err, "jump host "+bastion.Name), "it is named once, not once for each host")
	})
}

// TestBastionConnectionForgotten_N18: web1 is reached over a third host, and something on the way to that forgets the connection before the
// word to link, and tells nobody. New ones work.
func TestBastionConnectionForgotten_N18(t *testing.T) {
	long(t)
	t.Parallel()
	all := testenv.New(t, 3, hosttest.Options{})
	bastion := all.Hosts[2].Proxy(t)
	all.Client.SetPort(t, "web3", bastion.Port())
	all.Client.Jump(t, "web1", "web3")
	w := all.On("web1", "web2")
	w.Inventory(testenv.InventoryText(w.Hosts, ""))
	playOn(pairOf(w), []scene{
		{name: "before the word", moment: calling, exit: 4, says: []string{`"web1"`}, within: time.Minute, after: old, fault: func(p *pair, s *testenv.Started) {
			bastion.Forget()
			s.Saw("web1", "resolve", "done", 30*time.Second)
		}},
	})
}
