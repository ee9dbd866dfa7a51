package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/fleet"
)

// failing is the report of a check of 200 hosts of which the last so many have the same trouble.
func failing(n int) (r fleet.Report, names []string) {
	r = fleet.Report{Outcome: fleet.Aborted, Exit: 3, Op: fleet.Check, Stage: "live", DryRun: true}
	for i := range 200 {
		host := fmt.Sprintf("web%d", i+1)
		r.Hosts = append(r.Hosts, fleet.HostReport{Host: host, Known: true})
		if i >= 200-n {
			names = append(names, host)
			r.Failures = append(r.Failures, fleet.Failure{Host: host, Step: fleet.StepCheck, State: fleet.Refused, Message: "disk nearly full"})
		}
	}
	return r, names
}

func TestEveryHostThatHasFailedIsNamed(t *testing.T) {
	t.Parallel()
	for _, n := range []int{1, 3, 9, 20} {
		r, names := failing(n)
		var out, errs bytes.Buffer
		newTextView(&app{streams: streams{Out: &out, Err: &errs}}).report(r, "run.jsonl")
		assert.Contains(t, errs.String(), strings.Join(names, ", ")+": check: disk nearly full\n")
	}
	r, _ := failing(21)
	var out, errs bytes.Buffer
	newTextView(&app{streams: streams{Out: &out, Err: &errs}}).report(r, "run.jsonl")
	assert.Contains(t, errs.String(), "web186 and 14 more: check: disk nearly full\n")
	assert.Contains(t, errs.String(), "run.jsonl", "where all of them are")
}

// A check links nothing, so its end speaks of no link.
func TestACheckEndsWithWordsOfItsOwn(t *testing.T) {
	t.Parallel()
	r, _ := failing(3)
	assert.Equal(t, "live is not ready for a push on 3 of 200 hosts; nothing was changed", summary(r))
	r.Failures = append(r.Failures, r.Failures[0])
	assert.Equal(t, "live is not ready for a push on 3 of 200 hosts; nothing was changed", summary(r), "a host is counted once")
	r.Outcome = fleet.Interrupted
	assert.Equal(t, "interrupted: nothing was changed", summary(r))
	r.Outcome, r.Failures = fleet.Succeeded, nil
	assert.Equal(t, "live is ready for a push on 200 hosts", summary(r))
}

func TestJSONNamesEveryHostThatHasFailed(t *testing.T) {
	t.Parallel()
	r, names := failing(150)
	var out bytes.Buffer
	(&jsonView{out: &out}).event(fleet.Event{Type: fleet.TypeReport, Report: &r})
	var read fleet.Event
	require.NoError(t, json.Unmarshal(out.Bytes(), &read))
	var found []string
	for _, f := range read.Report.Failures {
		found = append(found, f.Host)
	}
	assert.Equal(t, names, found)
}

// The table of a fleet that is torn is the only place where hosts are told that differ without a failure of their own.
func TestTheTableNamesTheHostsThatDiffer(t *testing.T) {
	t.Parallel()
	r, names := failing(12)
	r.Outcome, r.Op, r.DryRun, r.Failures = fleet.Split, fleet.Push, false, nil
	for i := range r.Hosts {
		r.Hosts[i].Linked = "app-2"
		if i >= 188 {
			r.Hosts[i].Linked = "app-1"
		}
	}
	var out, errs bytes.Buffer
	newTextView(&app{streams: streams{Out: &out, Err: &errs}}).report(r, "run.jsonl")
	assert.Contains(t, errs.String(), "  "+strings.Join(names, ", ")+": nothing → app-1\n")
	assert.Contains(t, errs.String(), "  web1, web2, web3, web4, web5, web6, web7 and 181 more: nothing → app-2\n")
}

// A line that cannot work is worse than none: a package is named only where it is installed, and hosts that were left out stay out.
func TestNextCommandsFitTheHostsOfTheRun(t *testing.T) {
	t.Parallel()
	host := func(name, back, linked string) fleet.HostReport {
		return fleet.HostReport{Host: name, Was: back, Back: back, Linked: linked, Known: true}
	}
	const look = "kis status live"
	for name, c := range map[string]struct {
		outcome fleet.Outcome
		subset  bool
		hosts   []fleet.HostReport
		code    string // of the failure
		want    []string
	}{
		"torn": {
			fleet.Split, false,
			[]fleet.HostReport{host("web1", "app-1", "app-2"), host("web2", "app-1", "app-1")},
			"",
			[]string{look, "kis link live app-2    # forward, everywhere", "kis rollback live --to app-1    # back, everywhere"},
		},
		"narrowed": {
			fleet.Split, true,
			[]fleet.HostReport{host("web1", "app-1", "app-2"), host("web2", "app-1", "app-1")},
			"",
			[]string{look, "kis link live app-2 --hosts web1,web2    # forward, on web1, web2", "kis rollback live --to app-1 --hosts web1,web2    # back, on web1, web2"},
		},
		"a host is new": {
			fleet.Split, false,
			[]fleet.HostReport{host("web1", "app-1", "app-2"), host("web2", "", "app-2")},
			"",
			[]string{look, "kis link live app-2    # forward, everywhere", "kis rollback live --to app-1 --hosts web1    # back, on web1"},
		},
		"they were apart": {
			fleet.Split, false,
			[]fleet.HostReport{host("web1", "app-1", "app-2"), host("web2", "app-0", "app-2")},
			"",
			[]string{look, "kis link live app-2    # forward, everywhere", "kis rollback live --to app-1 --hosts web1    # back, on web1", "kis rollback live --to app-0 --hosts web2    # back, on web2"},
		},
		"somebody else's": {fleet.Split, false, []fleet.HostReport{host("web1", "app-1", "app-2"), host("web2", "app-1", "app-1")}, "taken", []string{look}},
		"all back":        {fleet.RolledBack, false, []fleet.HostReport{host("web1", "app-1", "app-1"), host("web2", "app-1", "app-1")}, "", nil},
		"unwell": {
			fleet.RolledBack, false,
			[]fleet.HostReport{host("web1", "app-1", "app-1"), {Host: "web2", Back: "app-1", Linked: "app-1", Known: true, Unwell: true}},
			"",
			[]string{"kis link live app-1 --hosts web2    # runs after_link again"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := fleet.Report{Outcome: c.outcome, Stage: "live", Package: "app-2", Subset: c.subset, Hosts: c.hosts, Failures: []fleet.Failure{{Host: "web1", Code: c.code}}}
			assert.Equal(t, c.want, nextCommands(r))
		})
	}
}
