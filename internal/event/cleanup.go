package event

import (
	"encoding/json"
	"strings"

	"github.com/keep-it-simple/kis/remote"
)

// Cleanup is what was removed from one host, or would be.
type Cleanup struct {
	Host     string   `json:"host"`
	Packages []string `json:"packages"`
	Bytes    int64    `json:"bytes"`
	Files    int64    `json:"files"`
	Left     []string `json:"left,omitempty"` // why files of a removed package are left, for a later run to remove
	Failure  *Failure `json:"failure,omitempty"`
}

// The steps of a cleanup, named like the operations.
const (
	StepPrune  = Step(Prune)
	StepRemove = Step(Remove)
)

// Add adds a package with its size.
func (c *Cleanup) Add(p remote.InstalledPackage) {
	c.Packages = append(c.Packages, p.Name.String())
	c.Bytes, c.Files = c.Bytes+p.Receipt.Size, c.Files+p.Receipt.Files
}

// MarshalJSON writes a list of packages in any case.
func (c Cleanup) MarshalJSON() ([]byte, error) {
	type plain Cleanup
	c.Packages = append([]string{}, c.Packages...)
	return json.Marshal(plain(c))
}

// Needed is the refusal to remove a package.
func Needed(p remote.InstalledPackage) error {
	return Refuse(remote.CodeNeeded, p.Name.String()+" is needed: "+strings.Join(p.Needed, "; "), "")
}

// CleanupFailures are why hosts are not cleaned up.
func CleanupFailures(all []Cleanup) []Failure {
	return failuresOf(all, func(c Cleanup) *Failure { return c.Failure })
}

// CountPackages counts the packages over all hosts, and their bytes.
func CountPackages(all []Cleanup) (packages int, bytes int64) {
	for _, c := range all {
		packages, bytes = packages+len(c.Packages), bytes+c.Bytes
	}
	return packages, bytes
}
