package ui

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/keep-it-simple/kis/internal/survey"
	"github.com/keep-it-simple/kis/remote"
)

func TestAStageWithARunInProgress(t *testing.T) {
	t.Parallel()
	holder := &remote.Holder{Who: "bob@laptop", What: "push live app-2"}
	differ := []survey.HostState{{Host: "web1", Answered: true, Linked: "app-2"}, {Host: "web2", Answered: true, Linked: "app-1", Holder: holder}}
	same := []survey.HostState{{Host: "web1", Answered: true, Linked: "app-1", Holder: &remote.Holder{}}}
	for text, test := range map[string]struct {
		hosts []survey.HostState
		exit  int
	}{
		"hosts differ while a run is in progress: bob@laptop, push live app-2": {differ, 5},
		"the same on all hosts while a run is in progress":                     {same, 0},
	} {
		stage := survey.Stage{Stage: "live", Verdict: survey.InProgress, Hosts: test.hosts}
		assert.Equal(t, text, verdictText(stage))
		assert.Equal(t, test.exit, stage.Exit())
	}
}

func TestServicesOfAStage(t *testing.T) {
	t.Parallel()
	ago := func(s float64) *float64 { return &s }
	for text, s := range map[string]remote.ServiceState{
		"blog.service active for 59 s":          {State: "active", Seconds: ago(59.4)},
		"blog.service active for 3 min 20 s":    {State: "active", Seconds: ago(200)},
		"blog.service failed for 47 h 59 min":   {State: "failed", Seconds: ago(48*3600 - 1)},
		"blog.service inactive for 12 d 12 h":   {State: "inactive", Seconds: ago(12.5 * 86400)},
		"blog.service activating":               {State: "activating"},
		"blog.service is missing":               {State: "missing"},
		"blog.service: systemd does not answer": {State: "unknown"},
	} {
		assert.Equal(t, text, serviceText("blog.service", s.State, s.Seconds))
	}
}

func TestManyHostsWithTheSameStateShareARow(t *testing.T) {
	t.Parallel()
	var hosts []survey.HostState
	for i := range 9 {
		h := survey.HostState{Host: fmt.Sprintf("web%d", i+1), Answered: true, Linked: "app-2", Git: "abc"}
		if i == 4 {
			h.Linked = "app-1"
		}
		hosts = append(hosts, h)
	}
	u := &UI{}
	assert.Equal(t, [][]string{{"  web1, web2, web3 and 5 more", "app-2", "git abc"}, {"  web5", "app-1", "git abc"}}, u.stateRows(hosts))
	u.Verbose = true
	assert.Len(t, u.stateRows(hosts), 9)
	u.Verbose = false
	assert.Len(t, u.stateRows(hosts[5:]), 4, "few hosts have rows of their own")
}
