package deploy_test

import (
	"github.com/keep-it-simple/kis/internal/event"
	"github.com/keep-it-simple/kis/internal/testenv/proxytest"
)

// cut is one row of the matrix: the connection to one host is lost at one point, with this promise.
type cut struct {
	step    event.Step
	after   bool // cut when the step is done, instead of when it starts
	answer  bool // let the step's request through and lose the answer
	down    bool // the host cannot be reached again
	outcome event.Outcome
}

func (c cut) String() string {
	text := string(c.step)
	for _, part := range []struct {
		on   bool
		text string
	}{{c.after, " done"}, {c.answer, " answer lost"}, {c.down, " and down"}} {
		if part.on {
			text += part.text
		}
	}
	return text
}

// on breaks the connection to the host at the point of the row.
func (c cut) on(w *world, host string) func(event.Event) {
	return func(e event.Event) {
		state := event.Started
		if c.after {
			state = event.Done
		}
		if e.Type != event.TypeStep || e.Host != host || e.Step != c.step || e.State != state {
			return
		}
		proxy := w.proxy[host]
		if c.down {
			proxy.Down()
		}
		if c.answer {
			proxy.CutAfter(0, proxytest.ToClient)
			return
		}
		proxy.Cut()
	}
}
