// Package remote is one host's package repository as the controller sees it: it starts kis's agent there, speaks its protocol, and knows
// packages, stages and journals.
//
// It knows one host only: no fleet, no inventory, no SSH. The streams it speaks over are handed to it, so that an agent can run on the far
// side of a connection or as a child of a test.
package remote

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// Package is the name of a package, {name}-{version}, which is also its folder in the package repository. The zero value is "no package".
type Package struct{ dir string }

// packagePattern allows what PEP 625 names and PEP 440 versions may hold after normalisation, and nothing that a path or a shell could read
// in another way: no slash, no leading dash or dot.
var packagePattern = regexp.MustCompile(`^[a-z0-9]+(_[a-z0-9]+)*-[0-9A-Za-z][0-9A-Za-z.+!_-]{0,99}$`)

// ParsePackage reads a package's name, such as "projecta-0.4".
func ParsePackage(text string) (Package, error) {
	if !packagePattern.MatchString(text) || strings.Contains(text, "..") {
		return Package{}, fmt.Errorf("%q is not the name of a package: want name-version, such as projecta-0.4", text)
	}
	return Package{dir: text}, nil
}

// String returns the name, "" for no package.
func (p Package) String() string { return p.dir }

// IsZero reports whether p is "no package".
func (p Package) IsZero() bool { return p.dir == "" }

// Version is the part after the first dash.
func (p Package) Version() string {
	_, version, _ := strings.Cut(p.dir, "-")
	return version
}

// MarshalText is String, for JSON.
func (p Package) MarshalText() ([]byte, error) { return []byte(p.dir), nil }

// UnmarshalText reads what MarshalText wrote; the empty text is no package.
func (p *Package) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*p = Package{}
		return nil
	}
	parsed, err := ParsePackage(string(text))
	if err != nil {
		return err
	}
	*p = parsed
	return nil
}

// Stage is the name of a stage. It has no dash, so that it can never be the name of a package.
type Stage struct{ name string }

var stagePattern = regexp.MustCompile(`^[a-z][a-z0-9_]{0,31}$`)

// ParseStage reads a stage's name, such as "production".
func ParseStage(text string) (Stage, error) {
	if !stagePattern.MatchString(text) {
		return Stage{}, fmt.Errorf("%q is not the name of a stage: want lower-case letters, digits and underscores, a letter first", text)
	}
	return Stage{name: text}, nil
}

// String returns the name.
func (s Stage) String() string { return s.name }

// Python is the name or path of an interpreter on a host.
var pythonPattern = regexp.MustCompile(`^(/[A-Za-z0-9._+-]+)*/?[A-Za-z0-9._+-]+$`)

// userPattern is what directories have for users of POSIX systems, capitals and dots included; never a number, which sudo would take for a uid
// behind a "#" only, and nothing that a shell reads in another way.
var userPattern = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9._-]{0,31}$`)

// ErrName is wrapped by errors about an interpreter or a user whose name cannot be put on a command line.
var ErrName = errors.New("not a plain name")

// english makes sudo say in a known language why it does not let us in, whatever the login speaks. The second env is there to say it of a sudo
// that is missing: the first one still speaks the login's language.
const english = "/usr/bin/env LC_ALL=C /usr/bin/env"

// Command is what has to be run on the host, through whatever login shell there is, for Start to speak to. It is made of plain words only.
// python is the interpreter, become the user the agent shall run as, or "".
func Command(python, become string) (string, error) {
	if !pythonPattern.MatchString(python) || strings.HasPrefix(python, "-") {
		return "", fmt.Errorf("interpreter %q: %w", python, ErrName)
	}
	command := "exec /bin/sh -s -- " + python
	if become == "" {
		return command, nil
	}
	if !userPattern.MatchString(become) {
		return "", fmt.Errorf("user %q: %w", become, ErrName)
	}
	return "exec " + english + " sudo -n -H -u " + become + " -- /bin/sh -s -- " + python, nil
}
