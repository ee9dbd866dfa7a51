package testenv

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/testenv/outputschema"
)

// Event is one line of `kis -o json`, with the members that tests look at, named as programs of users would name them.
type Event struct {
	Type     string    `json:"type"`
	Seq      int       `json:"seq"`
	Host     string    `json:"host"`
	Step     string    `json:"step"`
	State    string    `json:"state"`
	Message  string    `json:"message"`
	Failure  *Failure  `json:"failure"`
	Report   *Report   `json:"report"`
	Status   *Status   `json:"status"`
	Package  any       `json:"package"`
	Address  string    `json:"address"`
	Exit     int       `json:"exit"`
	Hint     string    `json:"hint"`
	Failures []Failure `json:"failures"`
}

// Failure is what went wrong on one host.
type Failure struct {
	Host    string   `json:"host"`
	Step    string   `json:"step"`
	State   string   `json:"state"`
	Code    string   `json:"code"`
	Message string   `json:"message"`
	Hint    string   `json:"hint"`
	Tail    []string `json:"tail"`
}

// Report is what a run has come to.
type Report struct {
	Outcome  string       `json:"outcome"`
	Exit     int          `json:"exit"`
	Package  string       `json:"package"`
	UpToDate bool         `json:"up_to_date"`
	Hosts    []HostReport `json:"hosts"`
	Failures []Failure    `json:"failures"`
	Skew     *struct {
		Seconds float64 `json:"seconds"`
		Error   float64 `json:"error"`
	} `json:"skew"`
}

// HostReport is what a run has come to on one host.
type HostReport struct {
	Host      string `json:"host"`
	Was       string `json:"was"`
	Linked    string `json:"linked"`
	LinkKnown bool   `json:"link_known"`
	Ready     bool   `json:"ready"`
	Plan      string `json:"plan"`
}

// Status is what `kis status` tells of a stage.
type Status struct {
	Stage   string   `json:"stage"`
	Verdict string   `json:"verdict"`
	Next    []Advice `json:"next"`
	Hosts   []struct {
		Host        string `json:"host"`
		Linked      string `json:"linked"`
		Confirmed   bool   `json:"confirmed"`
		Drift       string `json:"drift"`
		Interrupted any    `json:"interrupted"`
		Holder      any    `json:"holder"`
	} `json:"hosts"`
}

// Advice is a command that status proposes.
type Advice struct {
	Command string `json:"command"`
	Why     string `json:"why"`
}

// Events reads the output of `kis -o json`: one object per line as docs/output.schema.json has it and nothing else, numbered
// without a gap.
func (r Result) Events(t *testing.T) []Event {
	t.Helper()
	var all []Event
	last, schema := 0, outputschema.Read(t)
	for line := range strings.Lines(r.Out) {
		var e Event
		require.NoError(t, json.Unmarshal([]byte(line), &e), "not a line of JSON: %s", line)
		require.NoError(t, schema.Check([]byte(line)), "not as docs/output.schema.json says: %s", line)
		if e.Seq != 0 {
			require.Equal(t, last+1, e.Seq, "events are numbered without a gap")
			last = e.Seq
		}
		all = append(all, e)
	}
	return all
}

// Report is the last event of a run.
func (r Result) Report(t *testing.T) Report {
	t.Helper()
	all := r.Events(t)
	require.NotEmpty(t, all)
	last := all[len(all)-1]
	require.Equal(t, "report", last.Type, "the last event is the report")
	require.Equal(t, r.Exit, last.Report.Exit, "the report tells the exit status")
	return *last.Report
}

// Steps are the names of the steps that were begun on any host, each once, in order.
func (r Result) Steps(t *testing.T) []string {
	t.Helper()
	var names []string
	seen := map[string]bool{}
	for _, e := range r.Events(t) {
		if e.Type == "step" && !seen[e.Step] {
			seen[e.Step] = true
			names = append(names, e.Step)
		}
	}
	return names
}
