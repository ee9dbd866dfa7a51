package event

import (
	"encoding/json"

	"github.com/keep-it-simple/kis/remote"
)

// Intact is what reading all files of a package on one host has shown.
type Intact struct {
	Host    string   `json:"host"`
	Package string   `json:"package"`         // "": the host has none to read
	Stage   string   `json:"stage,omitempty"` // that is linked to it, where a stage was asked for
	Changed []string `json:"changed"`         // paths of files that are not as they were sealed, some of them
	Failure *Failure `json:"failure,omitempty"`
}

// CodeChanged is that of a package whose files are not as they were sealed.
const CodeChanged = remote.CodeChangedPackage

// IntactFailures are why packages are not intact, or unknown.
func IntactFailures(all []Intact) []Failure {
	return failuresOf(all, func(i Intact) *Failure { return i.Failure })
}

// MarshalJSON writes a list of paths in any case.
func (i Intact) MarshalJSON() ([]byte, error) {
	type plain Intact
	i.Changed = append([]string{}, i.Changed...)
	return json.Marshal(plain(i))
}
