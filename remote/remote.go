// Package remote is one host's package repository as the controller sees it: it starts kis's agent there, speaks its protocol, and knows
// packages, stages and journals.
//
// It knows one host only: no fleet, no inventory, no SSH. The streams it speaks over are handed to it, so that an agent can run on the far
// side of a connection or as a child of a test.
package remote

import "github.com/keep-it-simple/kis/internal/name"

// english makes sudo say in a known language why it does not let us in, whatever the login speaks. The second env is there to say it of a sudo
// that is missing: the first one still speaks the login's language.
const english = "/usr/bin/env LC_ALL=C /usr/bin/env"

// Command is what has to be run on the host, through whatever login shell there is, for Start to speak to. It is made of plain words only.
func Command(python name.Interpreter, become name.User) string {
	command := "/bin/sh -s -- " + python.String()
	if become.IsZero() {
		return "exec " + command
	}
	return "exec " + english + " sudo -n -H -u " + become.String() + " -- " + command
}
