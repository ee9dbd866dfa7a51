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
	for _, line := range folded {
		u.Out.Printf("%s  %s\n", allHosts(line.hosts), line.text)
	}
	u.printFailures(failures)
}
