package ui

import (
	"fmt"

	"github.com/keep-it-simple/kis/internal/event"
)

// Intact prints what reading packages has shown: hosts with the same result on one line.
func (u *UI) Intact(all []event.Intact, nothing string) {
	folded, failures := grouped{}, []event.Failure{}
	for _, i := range all {
		switch {
		case u.WantsJSON():
			u.record("verify", i)
		case i.Failure != nil:
			failures = append(failures, *i.Failure)
		case i.Package == "":
			folded.add(i.Host, nothing)
		default:
			folded.add(i.Host, fmt.Sprintf("%s is as it was sealed", i.Package))
		}
	}
	var rows [][]string
	for _, line := range folded {
		rows = append(rows, []string{allHosts(line.hosts), line.text})
	}
	u.table(rows)
	u.printFailures(failures)
}
