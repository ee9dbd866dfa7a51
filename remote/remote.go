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
