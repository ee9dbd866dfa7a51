package ui

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/event"
)

// failing is the report of a check of 200 hosts of which the last so many have the same trouble.
func failing(n int) (r event.Report, names []string) {
	r = event.Report{Outcome: event.Aborted, Exit: 3, Op: event.Check, Stage: "live", DryRun: true}
	for i := range 200 {
		host := fmt.Sprintf("web%d", i+1)
		r.Hosts = append(r.Hosts, event.HostReport{Host: host, LinkKnown: true})
		if i >= 200-n {
			names = append(names, host)
			r.Failures = append(r.Failures, event.Failure{Host: host, Step: event.StepCheck, State: event.Refused, Message: "disk nearly full"})
		}
	}
	return r, names
}

func TestEveryHostThatHasFailedIsNamed(t *testing.T) {
	t.Parallel()
	for _, n := range []int{1, 3, 9, 20} {
		r, names := failing(n)
		var out, errs bytes.Buffer
		newTextView(&UI{Streams: Streams{Out: Printer{&out}, Err: Printer{&errs}}}).Report(r, "run.jsonl")
		assert.Contains(t, errs.String(), strings.Join(names, ", ")+": check: disk nearly full\n")
	}
	r, _ := failing(21)
	var out, errs bytes.Buffer
	newTextView(&UI{Streams: Streams{Out: Printer{&out}, Err: Printer{&errs}}}).Report(r, "run.jsonl")
	assert.Contains(t, errs.String(), "web186 and 14 more: check: disk nearly full\n")
	assert.Contains(t, errs.String(), "run.jsonl", "where all of them are")
}

// A check links nothing, so its end speaks of no link.
func TestACheckEndsWithWordsOfItsOwn(t *testing.T) {
	t.Parallel()
	r, _ := failing(3)
	assert.Equal(t, "live is not ready for a push on 3 of 200 hosts; nothing was changed", Summary(r))
	r.Failures = append(r.Failures, r.Failures[0])
	assert.Equal(t, "live is not ready for a push on 3 of 200 hosts; nothing was changed", Summary(r), "a host is counted once")
	r.Outcome = event.Interrupted
	assert.Equal(t, "interrupted: nothing was changed", Summary(r))
	r.Outcome, r.Failures = event.Succeeded, nil
	assert.Equal(t, "live is ready for a push on 200 hosts", Summary(r))
	r.From = "staging"
	assert.Equal(t, "live is ready on 200 hosts; only this leads there: kis promote staging live", Summary(r))
	r.From = ""
}

func TestJSONNamesEveryHostThatHasFailed(t *testing.T) {
	t.Parallel()
	r, names := failing(150)
	var out bytes.Buffer
	(&jsonView{out: Printer{&out}}).Event(event.Event{Type: event.TypeReport, Report: &r})
	var read event.Event
	require.NoError(t, json.Unmarshal(out.Bytes(), &read))
	var found []string
	for _, f := range read.Report.Failures {
		found = append(found, f.Host)
	}
	assert.Equal(t, names, found)
}

// The table is the only place that names hosts which differ without a failure of their own.
func TestTheTableNamesTheHostsThatDiffer(t *testing.T) {
	t.Parallel()
	r, names := failing(12)
	r.Outcome, r.Op, r.DryRun, r.Failures = event.Split, event.Push, false, nil
	for i := range r.Hosts {
		r.Hosts[i].Linked = "app-2"
		if i >= 188 {
			r.Hosts[i].Linked = "app-1"
		}
	}
	var out, errs bytes.Buffer
	newTextView(&UI{Streams: Streams{Out: Printer{&out}, Err: Printer{&errs}}}).Report(r, "run.jsonl")
	assert.Contains(t, errs.String(), "  "+strings.Join(names, ", ")+": nothing → app-1\n")
	assert.Contains(t, errs.String(), "  web1, web2, web3, web4, web5, web6, web7 and 181 more: nothing → app-2\n")
}

// pip names its temporary files anew in each process: the same trouble has one block.
func TestTheSameTroubleHasOneBlock(t *testing.T) {
	t.Parallel()
	failure := func(host, cause string, tail ...string) event.Failure {
		return event.Failure{Host: host, Step: event.StepWheels, State: event.Refused, Message: "pip: exit status 1", Cause: cause, Tail: tail}
	}
	for _, c := range []struct {
		name, printed string
		failures      []event.Failure
	}{
		{
			"the cause decides", "web1, web2: wheels: pip: exit status 1: No module named 'x'\n    | in /tmp/pip-build-env-av6_r8k1\n",
			[]event.Failure{failure("web1", "No module named 'x'", "in /tmp/pip-build-env-av6_r8k1"), failure("web2", "No module named 'x'", "elsewhere")},
		},
		{
			"causes differ by temporary names", "web1, web2: wheels: pip: exit status 1: [Errno 28] No space: '/tmp/pip-build-a'\n",
			[]event.Failure{failure("web1", "[Errno 28] No space: '/tmp/pip-build-a'"), failure("web2", "[Errno 28] No space: '/tmp/pip-build-b'")},
		},
		{
			"no cause", "web1, web2: wheels: pip: exit status 1\n    | process 17 died after 3.1s\n",
			[]event.Failure{failure("web1", "", "process 17 died after 3.1s"), failure("web2", "", "process 99 died after 17s")},
		},
		{
			"versions do differ", "web1: wheels: pip: exit status 1\n    | Django==4.2\nweb2: wheels: pip: exit status 1\n    | Django==5.0\n",
			[]event.Failure{failure("web1", "", "Django==4.2"), failure("web2", "", "Django==5.0")},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var errs bytes.Buffer
			u := UI{Streams: Streams{Err: Printer{&errs}}}
			u.printFailures(c.failures)
			assert.Equal(t, c.printed, errs.String())
		})
	}
}
