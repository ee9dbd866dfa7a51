package remote

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/keep-it-simple/kis/internal/name"
)

// Problem is one thing that prevents a push to a host, and its remedy.
type Problem struct {
	Code    Code   `json:"code"`
	Message string `json:"message"`
	Hint    string `json:"hint"`
}

// PackageState says what a directory with a package's name is.
type PackageState string

// The states of a package on a host.
const (
	Absent   PackageState = "absent"
	Unsealed PackageState = "unsealed" // no receipt: left by an interrupted push, and rebuilt by the next one
	Foreign  PackageState = "foreign"  // not a package, and not made by kis: never linked, never removed
	Sealed   PackageState = "sealed"
)

// Receipt makes a directory a package. It is written last, see scripts/kisagent/seal.py.
type Receipt struct {
	Package     name.Package `json:"package"`
	Content     string       `json:"content"`     // content digest of the source distribution
	Recipe      string       `json:"recipe"`      // digest of how the environment was to be built
	Environment string       `json:"environment"` // digest of what is installed, and for which Python
	Python      string       `json:"python"`
	Created     time.Time    `json:"created"`
	Modified    int64        `json:"modified"` // time of all files, in seconds since 1970; 0 where they have different ones
	By          string       `json:"by"`
	Git         string       `json:"git"`
	Name        string       `json:"name"`        // of the distribution, as its author writes it
	Verified    []string     `json:"verified"`    // commands of the inventory that succeeded before it was sealed
	Size        int64        `json:"size"`        // bytes of all files
	Files       int64        `json:"files"`       // inodes
	Platform    string       `json:"platform"`    // that the environment is for; "" in a receipt of an older kis
	Wheels      []string     `json:"wheels"`      // of the environment, each as "sha256 size file", and "built" if a host has built it
	Resolution  string       `json:"resolution"`  // digest of what the wheels were chosen by
	Application string       `json:"application"` // sha256 of the application's wheel, "" where pip installed it from the package
	Additions   string       `json:"additions"`   // sha256 of the stored file of what pip added then, "" for none, see scripts/kisagent/additions.py
	Archive     string       `json:"archive"`     // sha256 of the source distribution
	Installed   []string     `json:"installed"`   // the environment as name==version; only of a package requested by name
}

// ParseWheels returns the wheels of the environment; none where the receipt has any that cannot be read.
func (r *Receipt) ParseWheels() []Wheel {
	var all []Wheel
	for _, line := range r.Wheels {
		fields := strings.Fields(line)
		if len(fields) < 3 {
			return nil
		}
		size, err := strconv.ParseInt(fields[1], 10, 64)
		w := Wheel{Name: fields[2], SHA256: fields[0], Size: size, Built: slices.Contains(fields[3:], "built")}
		if err != nil || w.check() != nil {
			return nil
		}
		all = append(all, w)
	}
	return all
}

// InstalledPackage is one package directory on a host.
type InstalledPackage struct {
	Name    name.Package `json:"name"`
	State   PackageState `json:"state"`
	Receipt *Receipt     `json:"receipt"` // nil unless sealed

	// Of a sealed package, where StateRequest has Keep:
	History  History  `json:"history"`
	Needed   []string `json:"needed"`   // why it must not be removed
	Unneeded bool     `json:"unneeded"` // no stage keeps it, and nothing needs it
}

// History is what the stages of a host have done with a package.
type History string

// The histories. Once confirmed is confirmed.
const (
	Confirmed   History = "confirmed"
	Unconfirmed History = "unconfirmed" // linked by a run that did not complete
	Reverted    History = "reverted"    // the run that linked it rolled back
	NeverLinked History = "never linked"
)

// StageState is the present state of a stage on a host.
type StageState struct {
	Stage    string   `json:"stage"`
	Linked   string   `json:"linked"`   // target of the link, "" for none
	Managed  bool     `json:"managed"`  // the target is a package's name, or there is no link
	Sealed   bool     `json:"sealed"`   // the linked package has its receipt
	Dangling bool     `json:"dangling"` // the target does not exist
	Lines    []string `json:"journal"`  // newest lines of the journal, oldest first, unvalidated: see ParseJournal
	Older    bool     `json:"older"`    // the journal has lines before these
	Unread   *Problem `json:"unread"`   // why the journal could not be read; Lines is empty then
	Holder   *Holder  `json:"holder"`   // of the lock; nil when it is free
	Changed  *Problem `json:"changed"`  // how the linked package differs from what was sealed; nil when it does not
	Problem  *Problem `json:"problem"`  // why the stage could not be read

	// Processes are those that may still run another package than the linked one; in a RepositoryState
	// only.
	Processes []Process `json:"processes"`
}

// Process is a process on a host.
type Process struct {
	PID     int    `json:"pid"`
	Name    string `json:"name"`
	Package string `json:"package,omitempty"` // that it uses; "": it was started before the link was switched
}

// CheckRequest says what a check inspects. The zero value requests the repository itself.
type CheckRequest struct {
	Stage      name.Stage   `json:"stage"`
	Package    name.Package `json:"package"`
	Packages   bool         `json:"packages"`   // list the packages
	Build      bool         `json:"build"`      // a package may have to be built: check tools and free space
	NeedBytes  int64        `json:"need_bytes"` // with Build, likewise the following: without the environment
	NeedInodes int64        `json:"need_inodes"`

	Index bool `json:"index"` // a package index is asked by https

	// What the environment takes at least; the newest package of the project may show that it is more.
	SpareBytes  int64 `json:"spare_bytes"`
	SpareInodes int64 `json:"spare_inodes"`
	Keep        int   `json:"keep"` // packages of each stage that a prune would keep

	// RequiresPython is the package's Requires-Python (PEP 440), or "". With Build.
	RequiresPython string `json:"requires_python"`
	// Environments are markers (PEP 508), of which one must hold for the host's Python; none: any. With Build.
	Environments []string `json:"environments,omitempty"`
	// Installer is what is to fill the environment. With Build.
	Installer Installer `json:"installer,omitempty"`

	// Shared is what the package would share with others; nil not to ask.
	Shared *Shared `json:"shared,omitempty"`

	Services []Service `json:"services,omitempty"` // to be restarted after the switch
}

// Facts is the result of a check. A push can proceed when Problems is empty.
type Facts struct {
	Problems []Problem          `json:"problems"`
	Platform string             `json:"platform"` // what environments are built for here
	Root     string             `json:"root"`     // with symbolic links resolved
	HostID   string             `json:"host_id"`  // of the package repository; "" before the first push
	Identity string             `json:"identity"` // of machine and directory: equal for two names of one repository
	Stage    StageState         `json:"stage"`
	Package  InstalledPackage   `json:"package"`
	Packages []InstalledPackage `json:"packages"`
	Missing  []string           `json:"missing"`  // files of CheckRequest.Shared that are not there
	Services []Problem          `json:"services"` // what would prevent a restart of CheckRequest.Services
	OldPip   string             `json:"old_pip"`  // the version of the host's pip, if that makes no editable installs (PEP 660)
}

// Open selects the package repository of the session: an absolute directory on the host. It must be
// the first call.
func (a *Agent) Open(ctx context.Context, root string) error {
	var result struct {
		HostID string `json:"host_id"`
	}
	err := a.call(ctx, opOpen, openRequest{root}, &result, nil)
	a.hostID = result.HostID
	return err
}

// HostID returns the identity of the repository when it was opened, "" for none.
func (a *Agent) HostID() string { return a.hostID }

// Check inspects the host, and changes nothing.
func (a *Agent) Check(ctx context.Context, r CheckRequest) (Facts, error) {
	var facts Facts
	if err := a.call(ctx, opCheck, r, &facts, nil); err != nil {
		return Facts{}, err
	}
	if err := facts.checkFor(r); err != nil {
		return Facts{}, &Lost{Cause: err}
	}
	return facts, nil
}

// RepositoryState is everything in a package repository.
type RepositoryState struct {
	Problems []Problem          `json:"problems"`
	Stages   []StageState       `json:"stages"`
	Packages []InstalledPackage `json:"packages"`
	Services []ServiceState     `json:"services,omitempty"` // of StateRequest.Services
}

// StateRequest says what is to be read of a package repository. The zero value stands for all
// stages, with the lines of their journals that say what is linked.
type StateRequest struct {
	Stage name.Stage `json:"stage,omitzero"`  // only this one
	Lines int        `json:"lines,omitempty"` // the newest lines of a journal, at most MaxLines; 0: some hundred

	// Keep: report more of packages, and which of them go where each stage keeps so many; 0: do not.
	Keep int `json:"keep,omitempty"`

	PackagesOnly bool `json:"packages_only,omitempty"` // nothing of stages, whose packages are examined file by file

	Services []Service `json:"services,omitempty"` // ask systemd whether these run
}

// Removed is what the removal of a package has freed.
type Removed struct {
	Bytes int64  `json:"bytes"`
	Files int64  `json:"files"`
	Left  string `json:"left"` // why some files are left in .kis, for a later run to remove; "" for none
}

// Remove removes a sealed package that no stage links or would roll back to, that no process uses and
// no run works with; otherwise it is *Refused with CodeNeeded, or CodeLocked. It needs no stage's lock. The
// first Remove of a session without a lock makes it the session of run.
func (a *Agent) Remove(ctx context.Context, p name.Package, run name.Run, owner Holder) (Removed, error) {
	var r Removed
	err := a.call(ctx, opRemove, removeRequest{p, run, lockOwner{owner.Who, owner.What}}, &r, nil)
	return r, err
}

// Rehash reads all files of a sealed package, and returns paths of those that are not as they were sealed, at most twenty.
// The host is not trusted to send paths of any form.
func (a *Agent) Rehash(ctx context.Context, p name.Package, within time.Duration) ([]string, error) {
	var result rehashAnswer
	err := a.call(ctx, opRehash, rehashRequest{p, seconds(within)}, &result, nil)
	return result.Differences, err
}

// State reads the repository, and changes nothing on the host.
func (a *Agent) State(ctx context.Context, r StateRequest) (RepositoryState, error) {
	var state RepositoryState
	r.Lines = min(max(r.Lines, 0), MaxLines)
	if err := a.call(ctx, opState, r, &state, nil); err != nil {
		return RepositoryState{}, err
	}
	return state, nil
}
