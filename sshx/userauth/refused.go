package userauth

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/keep-it-simple/kis/internal/safetext"
	"github.com/keep-it-simple/kis/sshx/internal/publickey"
)

// Error says that the host has refused the login, after kis had accepted its key.
type Error struct {
	Name, User string
	// Tried has one line for each key or method: what was offered, what was held back, and why.
	Tried []string
	// Accepts are the methods that the host named last, RFC 4252 section 5.1; empty when it closed
	// the connection instead.
	Accepts []string
	// TooManyTries says that the host closed the connection because of its MaxAuthTries.
	TooManyTries bool
	Err          error
}

// Error lists what was tried, because "permission denied" alone does not help.
func (e *Error) Error() string {
	tried := "no key, and no way to ask for a password"
	if len(e.Tried) > 0 {
		tried = strings.Join(e.Tried, "; ")
	}
	return fmt.Sprintf("%s: authentication: login as %s refused (%s)", e.Name, e.User, tried)
}

// Unwrap returns the protocol's error.
func (e *Error) Unwrap() error { return e.Err }

// attempts lists what was tried and what was not, for Error.Tried.
func (l *Login) attempts(err error) []string {
	var all []string
	untried := 0
	for _, o := range l.offers {
		key := fmt.Sprintf("%s %s from %s", o.public.Type(), publickey.Fingerprint(o.public), o.source)
		switch {
		case o.err != nil:
			all = append(all, fmt.Sprintf("%s: signing failed: %s", key, safetext.Line(o.err.Error())))
		case o.signed && l.partial > 0:
			all = append(all, key+": accepted, but not sufficient")
		case o.signed:
			all = append(all, key+": its signature was refused")
		case o.offered:
			all = append(all, key+": refused"+expired(o.public, time.Now()))
		case o.configured:
			all = append(all, key+": not tried")
		default:
			untried++
		}
	}
	if untried > 0 {
		all = append(all, fmt.Sprintf("%d more keys not tried", untried))
	}
	all = append(all, l.notes...)
	all = append(all, l.promptResults()...)
	if len(l.allowed) > 0 {
		all = append(all, "the host accepts "+safetext.Line(strings.Join(l.allowed, ", ")))
	}
	return append(all, l.remedies(err)...)
}

// promptResults lists the results of the methods that prompt the user.
func (l *Login) promptResults() []string {
	var all []string
	for _, m := range []string{"keyboard-interactive", "password"} {
		r, prompted := l.prompts[m]
		switch {
		case prompted && r.err != nil:
			all = append(all, fmt.Sprintf("%s: no answer (%s)", m, safetext.Line(r.err.Error())))
		case prompted && r.times > 1:
			all = append(all, fmt.Sprintf("%s: refused %d times", m, r.times))
		case prompted:
			all = append(all, m+": refused")
		case !slices.Contains(l.allowed, m):
		case l.settings.BatchMode:
			all = append(all, m+": not tried because of BatchMode")
		case l.prompt == nil:
			all = append(all, m+": not tried because there is no terminal")
		case !l.canPrompt(m):
			all = append(all, m+": disabled by the configuration")
		}
	}
	return all
}

// remedies covers the failures that are not the keys' fault.
func (l *Login) remedies(err error) []string {
	switch {
	case isTooManyTries(err):
		return []string{fmt.Sprintf("the host closed the connection after %d keys (its MaxAuthTries); name the right one with IdentityFile and set IdentitiesOnly yes", l.Offered())}
	case l.heldBack > 0:
		return []string{fmt.Sprintf("%d of them were held back, because sshd closes the connection after %d tries; name the right one with IdentityFile and set IdentitiesOnly yes", l.heldBack, maxOffers)}
	case strings.Contains(err.Error(), "no common public key signature algorithm"):
		return []string{"the host accepts only SHA-1 signatures of RSA keys, which kis does not make; use an ed25519 key"}
	}
	return nil
}

// isTooManyTries recognizes sshd's message for MaxAuthTries; x/crypto has no error type for it.
func isTooManyTries(err error) bool {
	return strings.Contains(strings.ToLower(err.Error()), "too many authentication failures")
}
