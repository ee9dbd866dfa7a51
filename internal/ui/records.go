package ui

import (
	"github.com/keep-it-simple/kis/internal/event"
	"github.com/keep-it-simple/kis/internal/name"
	"github.com/keep-it-simple/kis/internal/starter"
	"github.com/keep-it-simple/kis/inventory"
	"github.com/keep-it-simple/kis/sshx"
)

// The lines of -o json that are no events of a run, beside those that UI.record prints.
// docs/output.schema.json is made of these types, and of their comments.

// head begins each of them.
type head struct {
	Type   string `json:"type"`
	Schema int    `json:"schema"` // within a version, types and members are only ever added
}

func newHead(kind string) head { return head{kind, event.Schema} }

type sdistRecord struct {
	head
	Path     string       `json:"path"` // of the source distribution on this machine
	Name     string       `json:"name"` // of the project
	Version  string       `json:"version"`
	Package  name.Package `json:"package"`
	SHA256   string       `json:"sha256"`  // of the file
	Content  string       `json:"content"` // digest of what is inside, the same however the file was compressed
	Bytes    int64        `json:"bytes"`
	Entries  int          `json:"entries"`
	Warnings []string     `json:"warnings"`
}

type errorRecord struct {
	head
	Exit     int             `json:"exit"` // exit status of kis
	Message  string          `json:"message"`
	Hint     string          `json:"hint"`               // what to do, "" for nothing
	Tail     []string        `json:"tail"`               // last lines of a tool's output
	Failures []event.Failure `json:"failures,omitempty"` // of hosts that did not answer
}

type cleanupRecord struct {
	head
	Done    bool          `json:"done"` // false: what would be removed
	Cleanup event.Cleanup `json:"cleanup"`
}

type lockRecord struct {
	head
	Stage name.Stage `json:"stage"`
	Lock  event.Lock `json:"lock"`
}

type hostRecord struct {
	head
	Host     string           `json:"host"` // as the inventory names it
	User     string           `json:"user"` // that logs in
	Address  string           `json:"address"`
	Port     int              `json:"port"`
	Root     string           `json:"root"` // of the package repository
	Python   name.Interpreter `json:"python"`
	Become   name.User        `json:"become"` // the user that deploys, "" for the one that logs in
	Groups   []string         `json:"groups"`
	Settings []sshx.Setting   `json:"settings"` // with -v
	Jumps    []jumpRecord     `json:"jumps"`
	Warnings []string         `json:"warnings"`
}

type jumpRecord struct {
	Host     string         `json:"host"`
	User     string         `json:"user"`
	Address  string         `json:"address"`
	Port     int            `json:"port"`
	Settings []sshx.Setting `json:"settings"` // with -v
}

// newInventory is what kis init has made.
type newInventory struct {
	Path    string          `json:"path"`
	Project starter.Project `json:"project"`
	Stages  []starter.Stage `json:"stages"`
}

// written is a file that kis has written.
type written struct {
	Path string `json:"path"`
}

// listOf is never null.
func listOf[T any](all []T) []T { return append([]T{}, all...) }

func newHostRecord(h inventory.Host, t sshx.Target) hostRecord {
	jumps := []jumpRecord{}
	for _, j := range t.Jump {
		jumps = append(jumps, jumpRecord{j.Name, j.User, j.HostName, j.Port, listOf(j.Settings)})
	}
	return hostRecord{
		newHead("host"), h.Name, t.User, t.HostName, t.Port, h.Root, h.Python, h.Become, listOf(h.Groups), listOf(t.Settings), jumps, listOf(t.Warnings),
	}
}

type versionRecord struct {
	head
	Version  string `json:"version"`
	Protocol int    `json:"protocol"` // between kis and what it runs on hosts
	Go       string `json:"go"`
}
