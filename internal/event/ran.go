package event

// Ran is what became of a program that a user ran on a host.
type Ran struct {
	Host    string   `json:"host"`
	Package string   `json:"package,omitempty"` // in which it ran
	Exit    int      `json:"exit"`              // its exit status; -1 where it has none
	Ended   string   `json:"ended"`             // how it ended, in words; "" for exit status 0
	Failure *Failure `json:"failure,omitempty"` // it was not started, or its end is unknown
}

// OK reports that the program ended with exit status 0.
func (r Ran) OK() bool { return r.Failure == nil && r.Exit == 0 }

// RanFailures are why a program was not started, or its end is unknown.
func RanFailures(all []Ran) []Failure {
	return failuresOf(all, func(r Ran) *Failure { return r.Failure })
}

// The steps of commands that are no runs, named like them.
const (
	StepExec = Step("exec")
	StepLogs = Step("logs")
	StepDiff = Step("diff")
)
