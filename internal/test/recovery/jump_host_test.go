package recovery

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/testenv"
	"github.com/keep-it-simple/kis/internal/testenv/faulttest"
	"github.com/keep-it-simple/kis/internal/testenv/hosttest"
)

// TestBastionDies_N18: both hosts are reached over a third one.
func TestBastionDies_N18(t *testing.T) {
	t.Parallel()
	all := testenv.New(t, 3, hosttest.Options{})
	bastion := all.Hosts[2]
	for _, name := range []string{"web1", "web2"} {
		all.Client.Jump(t, name, bastion.Name)
	}
	w := all.On("web1", "web2")
	w.Inventory(testenv.InventoryText(w.Hosts, ""))
	// The hosts see the end of their connections, and give up by themselves.
	dies := func(p *faulttest.Pair, s *testenv.Started) {
		bastion.Kill()
		require.Eventually(p.T, func() bool { return len(p.Armed(web1)) == 0 }, 10*time.Second, 5*time.Millisecond, "web1 gives up by itself")
	}
	faulttest.PlayOn(faulttest.PairOf(w), []faulttest.Scene{
		{Name: "before the barrier", Moment: (*faulttest.Pair).Holding, Exit: 3, Says: []string{`"web1"`}, Fault: func(p *faulttest.Pair, s *testenv.Started) {
			dies(p, s)
			s.End(time.Minute)
			bastion.Restart(p.T)
		}, After: (*faulttest.Pair).Unswitched},
		{Name: "between arming and linking", Moment: (*faulttest.Pair).Arming, Exit: 3, Says: []string{`"web1"`}, Fault: func(p *faulttest.Pair, s *testenv.Started) {
			dies(p, s)
			p.StartAgent(web2)
			s.End(time.Minute)
			bastion.Restart(p.T)
		}, After: (*faulttest.Pair).Unswitched},
		{Name: "after linking, for a moment", Moment: (*faulttest.Pair).Linking, Exit: 4, Dirty: true, Fault: func(p *faulttest.Pair, s *testenv.Started) {
			dies(p, s)
			s.Saw("web1", "after_link", "unknown", 30*time.Second)
			bastion.Restart(p.T)
			p.EndCommands()
		}, After: (*faulttest.Pair).Unswitched},
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
	t.Parallel()
	all := testenv.New(t, 3, hosttest.Options{})
	bastion := all.Hosts[2].Proxy(t)
	all.Client.SetPort(t, "web3", bastion.Port())
	all.Client.Jump(t, "web1", "web3")
	w := all.On("web1", "web2")
	w.Inventory(testenv.InventoryText(w.Hosts, ""))
	faulttest.PlayOn(faulttest.PairOf(w), []faulttest.Scene{
		{Name: "before the word", Moment: (*faulttest.Pair).Calling, Exit: 4, Says: []string{`"web1"`}, Within: time.Minute, After: (*faulttest.Pair).Unswitched, Fault: func(p *faulttest.Pair, s *testenv.Started) {
			bastion.Forget()
			s.Saw("web1", "resolve", "done", 30*time.Second)
		}},
	})
}
