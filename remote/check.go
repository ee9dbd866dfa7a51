package remote

import (
	"context"
	"time"

	"github.com/keep-it-simple/kis/internal/name"
)

// Problem is one thing that keeps a host from taking a push, and its remedy.
type Problem struct {
	Code    Code   `json:"code"`
	Message string `json:"message"`
	Hint    string `json:"hint"`
}

// PackageState says what a folder with a package's name is.
type PackageState string

// The states of a package on a host.
const (
	Absent   PackageState = "absent"
	Unsealed PackageState = "unsealed" // no receipt: what an interrupted push left. Never linked, rebuilt by the next push
	Foreign  PackageState = "foreign"  // no package, and nothing shows that a push left it. Never linked, never removed
	Sealed   PackageState = "sealed"
)

// Receipt is what makes a folder a package: it is written last. See scripts/kisagent/seal.py.
type Receipt struct {
	Package     name.Package `json:"package"`
	Content     string       `json:"content"`     // content digest of the source distribution
	Recipe      string       `json:"recipe"`      // digest of how the environment was to be built
	Environment string       `json:"environment"` // digest of what is installed, and for which Python
	Python      string       `json:"python"`
	Created     time.Time    `json:"created"`
	By          string       `json:"by"`
	Git         string       `json:"git"`
	Name        string       `json:"name"`      // of the distribution, as its author writes it
	Imports     []string     `json:"imports"`   // modules that verification imported
	Verified    []string     `json:"verified"`  // commands of the inventory that were content with it before it was sealed
	Size        int64        `json:"size"`      // bytes of all files
	Installed   []string     `json:"installed"` // what is in the environment, as name==version; only of a package that was asked for
}

// InstalledPackage is one package folder on a host.
type InstalledPackage struct {
	Name    name.Package `json:"name"`
	State   PackageState `json:"state"`
	Receipt *Receipt     `json:"receipt"` // nil unless sealed
}

// StageState is one stage on a host as it is now.
type StageState struct {
	Stage    string   `json:"stage"`
	Linked   string   `json:"linked"`   // text of the link, "" for none
	Managed  bool     `json:"managed"`  // the link's text is a package's name, or there is no link
	Sealed   bool     `json:"sealed"`   // the linked package has its receipt
	Dangling bool     `json:"dangling"` // the link leads nowhere
	Lines    []string `json:"journal"`  // newest lines of the journal, oldest first, unjudged: see ParseJournal
	Older    bool     `json:"older"`    // the journal has lines before these
	Unread   *Problem `json:"unread"`   // why the journal could not be read: Lines say nothing then
	Holder   *Holder  `json:"holder"`   // of the lock; nil when it is free
	Changed  *Problem `json:"changed"`  // how the linked package is not as it was sealed; nil when it is
	Armed    []string `json:"armed"`    // runs that have a prepared link: alive, or dead and not yet cleaned up after
	Problem  *Problem `json:"problem"`  // why the stage could not be read

	// LinkedSize is the size of the linked package with its environment, in bytes: about what the next version will take. 0 when nothing sealed
	// is linked.
	LinkedSize int64 `json:"linked_size"`
}

// Space is what is free for the agent's user.
type Space struct {
	Bytes  int64 `json:"bytes"`
	Inodes int64 `json:"inodes"` // -1 when the file system does not count them
}

// CheckRequest says what a check shall look at. The zero value looks at the repository itself.
type CheckRequest struct {
	Stage      name.Stage
	Package    name.Package
	Packages   bool  // list the packages
	Build      bool  // a package may have to be built: look at tools and space
	NeedBytes  int64 // with Build
	NeedInodes int64 // with Build

	// RequiresPython is what the package says of the interpreters that will do (PEP 440), or "". With Build.
	RequiresPython string
}

// Facts is what a check found. Problems is empty when a push could go ahead.
type Facts struct {
	Problems []Problem          `json:"problems"`
	Root     string             `json:"root"`     // with symbolic links resolved
	HostID   string             `json:"host_id"`  // of the package repository; "" before the first push
	Identity string             `json:"identity"` // of machine and folder: equal for two names of one repository
	Space    Space              `json:"space"`
	Stage    StageState         `json:"stage"`
	Package  InstalledPackage   `json:"package"`
	Packages []InstalledPackage `json:"packages"`
}

// Open says which package repository the conversation is about: an absolute folder on the host. It must be the first call.
func (a *Agent) Open(ctx context.Context, root string) error {
	var result struct {
		HostID string `json:"host_id"`
	}
	err := a.call(ctx, opOpen, openRequest{root}, &result, nil)
	a.hostID = result.HostID
	return err
}

// HostID is that of the package repository when it was opened, "" for none.
func (a *Agent) HostID() string { return a.hostID }

// Check looks, and changes nothing on the host.
func (a *Agent) Check(ctx context.Context, r CheckRequest) (Facts, error) {
	var facts Facts
	if err := a.call(ctx, opCheck, checkRequest(r), &facts, nil); err != nil {
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
	Root     string             `json:"root"`
	HostID   string             `json:"host_id"`
	Stages   []StageState       `json:"stages"`
	Packages []InstalledPackage `json:"packages"`
}

// StateRequest says what is to be read of a package repository. The zero value stands for all stages, with the lines of their
// journals that say what is linked.
type StateRequest struct {
	Stage name.Stage // only this one
	Lines int        // the newest lines of a journal, at most MaxLines; 0: some hundred
}

// MaxLines is how many lines of a journal can be read.
const MaxLines = maxLines

// State reads the repository, and changes nothing on the host.
func (a *Agent) State(ctx context.Context, r StateRequest) (RepositoryState, error) {
	var state RepositoryState
	args := stateRequest{r.Stage, min(max(r.Lines, 0), MaxLines)}
	if err := a.call(ctx, opState, args, &state, nil); err != nil {
		return RepositoryState{}, err
	}
	return state, nil
}
