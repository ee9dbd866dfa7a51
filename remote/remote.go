// Package remote is the controller's side of one host's package repository: it starts kis's agent
// there, speaks its protocol, and parses packages, stages and journals.
//
// It knows one host only: no fleet, no inventory, no SSH. It is given the streams of a session, so
// that an agent can run at the other end of a connection or as a child of a test.
package remote

import "github.com/keep-it-simple/kis/internal/name"

// english makes sudo print its errors in English, whatever the locale of the login is. The second
// env prints a missing sudo in English: the first still uses the login's locale.
const english = "/usr/bin/env LC_ALL=C /usr/bin/env"

// Command returns the command that Start needs at the other end. It consists of plain words,
// because any login shell may read it.
func Command(python name.Interpreter, become name.User) string {
	command := "/bin/sh -s -- " + python.String()
	if become.IsZero() {
		return "exec " + command
	}
	return "exec " + english + " sudo -n -H -u " + become.String() + " -- " + command
}
