package userauth

import (
	"fmt"
	"strings"
)

// Error says that the host key was accepted and the login was not.
type Error struct {
	Name, User string
	// Tried has one line per key or method: what was offered, what was held
	// back, and why.
	Tried []string
	// Accepts are the methods that the host named last, as in RFC 4252 5.1;
	// empty when it hung up instead.
	Accepts []string
	// TooManyTries says that the host hung up because of its MaxAuthTries.
	TooManyTries bool
	Err          error
}

// Error lists what was tried, because "permission denied" alone helps nobody.
func (e *Error) Error() string {
	tried := "no key and nobody to ask"
	if len(e.Tried) > 0 {
		tried = strings.Join(e.Tried, "; ")
	}
	return fmt.Sprintf("%s: authentication: login as %s refused (%s)", e.Name, e.User, tried)
}

// Unwrap gives the protocol's error.
func (e *Error) Unwrap() error { return e.Err }
