package name

import (
	"crypto/rand"
	"regexp"
	"strings"
)

// Run is the name of a run. It is in locks, journals and logs, and in the names of what a run
// leaves on a host until it ends.
type Run struct{ name string }

var runPattern = regexp.MustCompile(`^[0-9a-z]{8,64}$`)

// NewRun returns a name that no run has had, and that cannot be predicted.
func NewRun() Run { return Run{name: strings.ToLower(rand.Text())} }

// ParseRun reads a run's name.
func ParseRun(text string) (Run, error) {
	if !runPattern.MatchString(text) {
		return Run{}, &Error{text, "is not the name of a run; they have 8 to 64 of a-z 0-9"}
	}
	return Run{name: text}, nil
}

// String returns the name, "" for no run.
func (r Run) String() string { return r.name }

// IsZero reports whether r is "no run".
func (r Run) IsZero() bool { return r.name == "" }

// MarshalText is String, for JSON.
func (r Run) MarshalText() ([]byte, error) { return []byte(r.name), nil }

// UnmarshalText reads what MarshalText wrote; the empty text is no run.
func (r *Run) UnmarshalText(text []byte) error { return unmarshal(r, text, ParseRun) }
