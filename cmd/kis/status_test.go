package main

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/keep-it-simple/kis/internal/survey"
	"github.com/keep-it-simple/kis/remote"
)

func TestAStageWithARunAtWorkIsNeitherWholeNorTorn(t *testing.T) {
	t.Parallel()
	holder := &remote.Holder{Who: "bob@laptop", What: "push live app-2"}
	differ := []survey.HostState{{Host: "web1", Known: true, Linked: "app-2"}, {Host: "web2", Known: true, Linked: "app-1", Holder: holder}}
	alike := []survey.HostState{{Host: "web1", Known: true, Linked: "app-1", Holder: &remote.Holder{}}}
	for text, test := range map[string]struct {
		hosts []survey.HostState
		exit  int
	}{
		"hosts differ while a run is at work: bob@laptop, push live app-2": {differ, 5},
		"the same on all hosts while a run is at work":                     {alike, 0},
	} {
		look := survey.Stage{Stage: "live", Verdict: survey.InProgress, Hosts: test.hosts}
		assert.Equal(t, text, verdictText(look))
		assert.Equal(t, test.exit, statusExit(look))
	}
}
