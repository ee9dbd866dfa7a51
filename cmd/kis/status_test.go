package main

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/keep-it-simple/kis/internal/fleet"
	"github.com/keep-it-simple/kis/remote"
)

func TestAStageWithARunAtWorkIsNeitherWholeNorTorn(t *testing.T) {
	t.Parallel()
	holder := &remote.Holder{Who: "bob@laptop", What: "push live app-2"}
	differ := []fleet.Standing{{Host: "web1", Known: true, Linked: "app-2"}, {Host: "web2", Known: true, Linked: "app-1", Holder: holder}}
	alike := []fleet.Standing{{Host: "web1", Known: true, Linked: "app-1", Holder: &remote.Holder{}}}
	for text, test := range map[string]struct {
		hosts []fleet.Standing
		exit  int
	}{
		"hosts differ while a run is at work: bob@laptop, push live app-2": {differ, 5},
		"the same on all hosts while a run is at work":                     {alike, 0},
	} {
		look := fleet.StageLook{Stage: "live", Verdict: fleet.Busy, Hosts: test.hosts}
		assert.Equal(t, text, verdictText(look))
		assert.Equal(t, test.exit, statusExit(look))
	}
}
