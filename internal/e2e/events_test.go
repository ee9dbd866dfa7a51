package e2e

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// event is one line of `kis -o json`, with the members that tests look at, named as programs of users would name them.
type event struct {
	Type     string    `json:"type"`
	Seq      int       `json:"seq"`
	Host     string    `json:"host"`
	Step     string    `json:"step"`
	State    string    `json:"state"`
	Message  string    `json:"message"`
	Failure  *failure  `json:"failure"`
	Report   *report   `json:"report"`
	Status   *status   `json:"status"`
	Package  any       `json:"package"`
	Address  string    `json:"address"`
	Exit     int       `json:"exit"`
	Hint     string    `json:"hint"`
	Failures []failure `json:"failures"`
}

type failure struct {
	Host    string   `json:"host"`
	Step    string   `json:"step"`
	State   string   `json:"state"`
	Code    string   `json:"code"`
	Message string   `json:"message"`
	Hint    string   `json:"hint"`
	Tail    []string `json:"tail"`
}

type report struct {
	Outcome  string       `json:"outcome"`
	Exit     int          `json:"exit"`
	Package  string       `json:"package"`
	Already  bool         `json:"already"`
	Hosts    []hostReport `json:"hosts"`
	Failures []failure    `json:"failures"`
	Skew     *struct {
		Seconds float64 `json:"seconds"`
		Error   float64 `json:"error"`
	} `json:"skew"`
}

type hostReport struct {
	Host   string `json:"host"`
	Was    string `json:"was"`
	Linked string `json:"linked"`
	Known  bool   `json:"known"`
	Ready  bool   `json:"ready"`
	Plan   string `json:"plan"`
}

type status struct {
	Stage   string `json:"stage"`
	Verdict string `json:"verdict"`
	Hosts   []struct {
		Host        string `json:"host"`
		Linked      string `json:"linked"`
		Confirmed   bool   `json:"confirmed"`
		Drift       string `json:"drift"`
		Interrupted any    `json:"interrupted"`
		Holder      any    `json:"holder"`
	} `json:"hosts"`
}

// events reads the output of `kis -o json`: one object per line and nothing else, numbered without a gap.
func (r result) events(t *testing.T) []event {
	t.Helper()
	var all []event
	last := 0
	for line := range strings.Lines(r.out) {
		var e event
		require.NoError(t, json.Unmarshal([]byte(line), &e), "not a line of JSON: %s", line)
		if e.Seq != 0 {
			require.Equal(t, last+1, e.Seq, "events are numbered without a gap")
			last = e.Seq
		}
		all = append(all, e)
	}
	return all
}

// report is the last event of a run.
func (r result) report(t *testing.T) report {
	t.Helper()
	all := r.events(t)
	require.NotEmpty(t, all)
	last := all[len(all)-1]
	require.Equal(t, "report", last.Type, "the last event is the report")
	require.Equal(t, r.exit, last.Report.Exit, "the report tells the exit status")
	return *last.Report
}

// steps are the names of the steps that were begun on any host, each once, in order.
func (r result) steps(t *testing.T) []string {
	t.Helper()
	var names []string
	seen := map[string]bool{}
	for _, e := range r.events(t) {
		if e.Type == "step" && !seen[e.Step] {
			seen[e.Step] = true
			names = append(names, e.Step)
		}
	}
	return names
}
