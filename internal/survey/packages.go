package survey

import (
	"slices"
	"time"

	"github.com/keep-it-simple/kis/remote"
)

// Package is one package over all hosts.
type Package struct {
	Package string    `json:"package"`
	Created time.Time `json:"created,omitzero"` // on the first host
	Size    int64     `json:"size"`             // bytes, on the first host
	Files   int64     `json:"files"`            // inodes, on the first host
	// History is what stages have done with it on any host: confirmed, if one has confirmed it.
	History  remote.History `json:"history,omitempty"`
	By       string         `json:"by,omitempty"`
	Git      string         `json:"git,omitempty"`
	LinkedBy []string       `json:"linked_by,omitempty"` // stages
	Hosts    []string       `json:"hosts"`               // where it is sealed
	Missing  []string       `json:"missing,omitempty"`
	Unsealed []string       `json:"unsealed,omitempty"` // hosts where an interrupted push left it
	Foreign  []string       `json:"foreign,omitempty"`  // hosts where a directory that kis did not make has its name
	Unneeded []string       `json:"unneeded,omitempty"` // hosts where no stage keeps it
	Changed  []string       `json:"changed,omitempty"`  // hosts where it is linked, and was changed after it was sealed
}

// Packages turns hosts with packages into packages with hosts, newest first.
func Packages(hosts []string, repositories map[string]Repository) []*Package {
	found := map[string]*Package{}
	var all []*Package
	for _, h := range hosts {
		for _, there := range repositories[h].State.Packages {
			name := there.Name.String()
			p := found[name]
			if p == nil {
				p = &Package{Package: name}
				found[name], all = p, append(all, p)
			}
			p.add(h, there)
		}
		for _, s := range repositories[h].State.Stages {
			p := found[s.Linked]
			if p != nil && !slices.Contains(p.LinkedBy, s.Stage) {
				p.LinkedBy = append(p.LinkedBy, s.Stage)
			}
			if p != nil && s.Changed != nil && !slices.Contains(p.Changed, h) {
				p.Changed = append(p.Changed, h)
			}
		}
	}
	for _, p := range all {
		for _, h := range hosts {
			if repositories[h].Failure == nil && !slices.Contains(slices.Concat(p.Hosts, p.Unsealed, p.Foreign), h) {
				p.Missing = append(p.Missing, h)
			}
		}
	}
	slices.SortStableFunc(all, func(x, y *Package) int { return y.Created.Compare(x.Created) })
	return all
}

func (p *Package) add(host string, there remote.InstalledPackage) {
	switch there.State {
	case remote.Sealed:
	case remote.Foreign:
		p.Foreign = append(p.Foreign, host)
		return
	default:
		p.Unsealed = append(p.Unsealed, host)
		return
	}
	p.Hosts = append(p.Hosts, host)
	if there.Unneeded {
		p.Unneeded = append(p.Unneeded, host)
	}
	if p.Created.IsZero() {
		p.Created, p.Size, p.Files, p.By, p.Git = there.Receipt.Created, there.Receipt.Size, there.Receipt.Files, there.Receipt.By, there.Receipt.Git
	}
	if rank := []remote.History{"", remote.NeverLinked, remote.Reverted, remote.Unconfirmed, remote.Confirmed}; slices.Index(rank, there.History) > slices.Index(rank, p.History) {
		p.History = there.History
	}
}
