package event

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/keep-it-simple/kis/internal/name"
)

// Side is one of the two packages that are compared.
type Side struct {
	Package string `json:"package"`         // "" for nothing
	Stage   string `json:"stage,omitempty"` // that is linked to it
	Host    string `json:"host,omitempty"`  // it was read from; "": it is what this machine would push
	Git     string `json:"git,omitempty"`   // revision it was built from, with "+" where files differ from that

	Content []string `json:"-"` // the lines of its content digest; none: unknown
	Recipe  *Recipe  `json:"-"` // nil: unknown
	// Distributions are those of the environment by normalized name, or those that requirements pin; none: unknown.
	// The application itself is not among them.
	Distributions map[string]string `json:"-"`
}

// Unanswered is the error of a question that hosts did not answer.
type Unanswered struct {
	Failures []Failure
	Hosts    int // that were asked
}

// NewUnanswered returns *Unanswered where a host did not answer, and nil where all did. There is a failure, or nil, for
// each host that was asked.
func NewUnanswered(failures []*Failure) error {
	found := failuresOf(failures, func(f *Failure) *Failure { return f })
	if len(found) == 0 {
		return nil
	}
	return &Unanswered{found, len(failures)}
}

// Error counts them.
func (u *Unanswered) Error() string {
	return fmt.Sprintf("%d of %d hosts did not answer", len(u.Failures), u.Hosts)
}

// Recipe is what distinguishes two recipes, by the keys of the inventory.
type Recipe map[string]string

// Differing are the keys in which two recipes differ, sorted.
func (r Recipe) Differing(other Recipe) []string {
	var keys []string
	for key, value := range other {
		if r[key] != value {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys
}

// Difference is what two packages differ in.
type Difference struct {
	From          Side           `json:"from"`
	To            Side           `json:"to"`
	Files         []FileChange   `json:"files"`         // by path; null: unknown
	Distributions []Distribution `json:"distributions"` // by name
	Settings      []string       `json:"settings"`      // keys of the inventory that differ
	Commits       []string       `json:"commits"`       // from the one to the other, newest first: abbreviated name and subject
}

// Same reports that the packages do not differ, as far as is known. An installed package is never changed, so
// that one name on hosts is one package; what this machine would push under that name may be another one.
func (d Difference) Same() bool {
	if d.From.Package == d.To.Package && d.To.Host != "" {
		return true
	}
	return d.From.Package != "" && d.Files != nil && len(d.Files)+len(d.Distributions)+len(d.Settings) == 0
}

// Refused reports that a push of it would be refused: another package of this name is installed.
func (d Difference) Refused() bool {
	return d.From.Package == d.To.Package && !d.Same() && d.Files != nil
}

// MarshalJSON writes lists in any case, but for files that are not known.
func (d Difference) MarshalJSON() ([]byte, error) {
	type plain Difference
	d.Distributions, d.Settings, d.Commits = append([]Distribution{}, d.Distributions...), append([]string{}, d.Settings...), append([]string{}, d.Commits...)
	return json.Marshal(plain(d))
}

// FileChange is the change of one file.
type FileChange struct {
	Path   string `json:"path"`
	Change string `json:"change"` // added, changed or removed
}

// Distribution is the change of one distribution.
type Distribution struct {
	Name string `json:"name"`
	From string `json:"from,omitempty"` // version, "" for none
	To   string `json:"to,omitempty"`
}

// Compare compares what is known of both sides.
func Compare(from, to Side) Difference {
	d := Difference{From: from, To: to}
	if from.Content != nil && to.Content != nil {
		d.Files = slices.DeleteFunc(ChangedFiles(from.Content, to.Content), func(f FileChange) bool { return isGenerated(f.Path) })
	}
	if from.Distributions != nil && to.Distributions != nil {
		d.Distributions = changedDistributions(from.Distributions, to.Distributions)
	}
	if from.Recipe != nil && to.Recipe != nil {
		d.Settings = from.Recipe.Differing(*to.Recipe)
	}
	return d
}

// ChangedFiles compares the lines of two content digests, without directories. The files are in the order of their
// paths.
func ChangedFiles(from, to []string) []FileChange {
	before := byPath(from)
	changes := []FileChange{}
	for path, line := range byPath(to) {
		switch was, there := before[path]; {
		case !there:
			changes = append(changes, FileChange{path, "added"})
		case was != line:
			changes = append(changes, FileChange{path, "changed"})
		}
		delete(before, path)
	}
	for path := range before {
		changes = append(changes, FileChange{path, "removed"})
	}
	slices.SortFunc(changes, func(a, b FileChange) int { return strings.Compare(a.Path, b.Path) })
	return changes
}

// byPath are the lines of a content digest by their paths. Directories do not count.
func byPath(lines []string) map[string]string {
	all := map[string]string{}
	for _, line := range lines {
		if rest, path, found := cutLast(line); found && !strings.HasPrefix(line, "d ") {
			all[path] = rest
		}
	}
	return all
}

// isGenerated reports whether build backends write the file, of what the others say.
func isGenerated(path string) bool { return path == "PKG-INFO" || strings.Contains(path, ".egg-info/") }

func cutLast(line string) (before, after string, found bool) {
	at := strings.LastIndexByte(line, ' ')
	if at < 0 {
		return "", "", false
	}
	return line[:at], line[at+1:], true
}

func changedDistributions(from, to map[string]string) []Distribution {
	var changes []Distribution
	for project, version := range to {
		if was := from[project]; was != version {
			changes = append(changes, Distribution{project, was, version})
		}
	}
	for project, version := range from {
		if _, there := to[project]; !there {
			changes = append(changes, Distribution{project, version, ""})
		}
	}
	slices.SortFunc(changes, func(a, b Distribution) int { return strings.Compare(a.Name, b.Name) })
	return changes
}

// ParseDistributions reads lines of the form name==version, with anything behind the version.
func ParseDistributions(lines []string) map[string]string {
	all := map[string]string{}
	for _, line := range lines {
		project, version, found := strings.Cut(strings.TrimSpace(line), "==")
		if !found || strings.HasPrefix(project, "#") || strings.HasPrefix(project, "-") {
			continue
		}
		project, _, _ = strings.Cut(project, "[")
		if end := strings.IndexAny(version, " ;\\\t"); end >= 0 {
			version = version[:end]
		}
		all[name.Canonical(strings.TrimSpace(project))] = version
	}
	return all
}
