package userauth

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/keep-it-simple/kis/internal/safetext"
	"github.com/keep-it-simple/kis/sshx/internal/publickey"
)

// maxOffers is sshd's default MaxAuthTries: every key offered costs one try, and
// after the last the server hangs up.
const maxOffers = 6

// Login is the state of one authentication: what has been offered and what the
// host said to it. One goroutine uses it, the one that x/crypto logs in on.
type Login struct {
	shared   *Shared
	settings Settings
	conn     Connection
	ids      *identities
	ask      Prompt // nil: nobody
	acct     *account
	hangUp   func() // ends the connection to the agent

	allowed  []string          // methods that the host named last
	failures int               // offers whose signing failed, when proceed looked last
	partial  int               // steps of several that the host has accepted
	kept     int               // offers that were held back
	answers  map[string]answer // by method, what a person said
	leave    func()            // lets other logins to the account ask
	reused   bool              // the account's known password has been tried
	typed    string            // the password that was typed last
	asked    time.Duration     // for so long a person was asked, or waited for
}

// answer is how asking for one method went.
type answer struct {
	times int
	err   error // the last question was not answered
}

// methods gives x/crypto one AuthMethod per method of RFC 4252, in the order of
// PreferredAuthentications. It would use only the first of two publickey
// methods, so agent and file keys share one.
func (l *Login) methods(ctx context.Context) []ssh.AuthMethod {
	order := l.settings.Preferred
	if len(order) == 0 {
		order = []string{"publickey", "keyboard-interactive", "password"}
	}
	tries := l.settings.prompts()
	var all []ssh.AuthMethod
	for _, m := range order {
		switch {
		case m == "publickey" && len(l.ids.offers) > 0:
			all = append(all, ssh.PublicKeysCallback(l.signers))
		case m == "keyboard-interactive" && l.mayAsk(m):
			all = append(all, ssh.RetryableAuthMethod(ssh.KeyboardInteractive(l.challenge(ctx)), tries))
		case m == "password" && l.mayAsk(m):
			all = append(all, ssh.RetryableAuthMethod(ssh.PasswordCallback(l.password(ctx)), tries))
		}
	}
	return all
}

// mayAsk tells whether a person can be asked for method.
func (l *Login) mayAsk(method string) bool {
	off := method == "password" && l.settings.NoPassword || method == "keyboard-interactive" && l.settings.NoKeyboardInteractive
	order := l.settings.Preferred
	return l.ask != nil && !off && (len(order) == 0 || slices.Contains(order, method))
}

// signers hands out the offers that the host has not seen: after one step of
// several, and after a key that could not sign, it asks again. Keys that nobody
// has named are held back when the host would hang up before the last of them,
// or before a password could be typed.
func (l *Login) signers() ([]ssh.Signer, error) {
	room := maxOffers
	if slices.ContainsFunc(l.allowed, l.mayAsk) {
		room--
	}
	var all []ssh.Signer
	l.kept = 0
	for _, o := range l.ids.offers {
		if o.shown {
			room--
			continue
		}
		if room <= 0 && !o.named {
			l.kept++
			continue
		}
		room--
		all = append(all, o)
	}
	return all, nil
}

// proceed is x/crypto's AuthCallback. It notes what the host allows, and goes on
// with the remaining keys when signing with one failed, or when one was accepted
// and another is wanted in addition: x/crypto gives up on publickey then, ssh
// does not.
func (l *Login) proceed(c *ssh.ClientAuthContext) (ssh.AuthMethod, error) {
	l.allowed = c.AllowedMethods
	failures, left := 0, 0
	for _, o := range l.ids.offers {
		if o.failed != nil {
			failures++
		}
		if !o.shown {
			left++
		}
	}
	again := failures > l.failures || len(c.PartialSuccessMethods) > l.partial && slices.Contains(c.TriedMethods, "publickey")
	l.failures, l.partial = failures, len(c.PartialSuccessMethods)
	if !again || left == 0 || !slices.Contains(c.AllowedMethods, "publickey") {
		return nil, nil
	}
	return ssh.PublicKeysCallback(l.signers), nil
}

// waitForPerson stops the clock and counts the time: the server's own limit goes
// on meanwhile.
func (l *Login) waitForPerson() (done func()) {
	began, resume := time.Now(), l.conn.Pause()
	return func() {
		l.asked += time.Since(began)
		resume()
	}
}

// key is the fingerprint of the key that logged in, if one did.
func (l *Login) key() string {
	for _, o := range slices.Backward(l.ids.offers) {
		if o.signed {
			return publickey.Fingerprint(o.public)
		}
	}
	return ""
}

// Offered counts the keys that the host was asked about.
func (l *Login) Offered() int {
	n := 0
	for _, o := range l.ids.offers {
		if o.shown {
			n++
		}
	}
	return n
}

// account tells what was tried, for AuthError.
func (l *Login) account(err error) []string {
	var all []string
	untried := 0
	for _, o := range l.ids.offers {
		what := fmt.Sprintf("%s %s from %s", o.public.Type(), publickey.Fingerprint(o.public), o.label)
		switch {
		case o.failed != nil:
			all = append(all, fmt.Sprintf("%s: signing failed: %s", what, safetext.Line(o.failed.Error())))
		case o.signed && l.partial > 0:
			all = append(all, what+": accepted, but not enough")
		case o.signed:
			all = append(all, what+": its signature was refused")
		case o.shown:
			all = append(all, what+": refused"+expired(o.public, time.Now()))
		case o.named:
			all = append(all, what+": not tried")
		default:
			untried++
		}
	}
	if untried > 0 {
		all = append(all, fmt.Sprintf("%d more keys not tried", untried))
	}
	all = append(all, l.ids.notes...)
	all = append(all, l.asking()...)
	if len(l.allowed) > 0 {
		all = append(all, "the host accepts "+safetext.Line(strings.Join(l.allowed, ", ")))
	}
	return append(all, l.remedies(err)...)
}

// asking tells what came of the methods that need a person.
func (l *Login) asking() []string {
	var all []string
	for _, m := range []string{"keyboard-interactive", "password"} {
		a, asked := l.answers[m]
		switch {
		case asked && a.err != nil:
			all = append(all, fmt.Sprintf("%s: no answer (%s)", m, safetext.Line(a.err.Error())))
		case asked && a.times > 1:
			all = append(all, fmt.Sprintf("%s: refused %d times", m, a.times))
		case asked:
			all = append(all, m+": refused")
		case !slices.Contains(l.allowed, m):
		case l.settings.BatchMode:
			all = append(all, m+": not asked for, because of BatchMode")
		case l.ask == nil:
			all = append(all, m+": nobody to ask, because there is no terminal")
		case !l.mayAsk(m):
			all = append(all, m+": switched off by the configuration")
		}
	}
	return all
}

// remedies are the two cases in which the keys are not to blame.
func (l *Login) remedies(err error) []string {
	switch {
	case tooManyTries(err):
		return []string{fmt.Sprintf("the host hung up after %d keys (its MaxAuthTries); name the right one with IdentityFile and set IdentitiesOnly yes", l.Offered())}
	case l.kept > 0:
		return []string{fmt.Sprintf("%d of them were held back, because sshd hangs up after %d tries; name the right one with IdentityFile and set IdentitiesOnly yes", l.kept, maxOffers)}
	case strings.Contains(err.Error(), "no common public key signature algorithm"):
		return []string{"the host takes only SHA-1 signatures of RSA keys, which kis does not make; use an ed25519 key"}
	}
	return nil
}

// tooManyTries recognizes sshd's word for MaxAuthTries; x/crypto's error for a
// disconnect has no type.
func tooManyTries(err error) bool {
	return strings.Contains(strings.ToLower(err.Error()), "too many authentication failures")
}

// Configure makes config log in.
func (l *Login) Configure(ctx context.Context, config *ssh.ClientConfig) {
	config.User, config.Auth, config.AuthCallback = l.settings.User, l.methods(ctx), l.proceed
}

// Ready reports why the login can offer nothing: no key that can sign, and
// nobody to ask.
func (l *Login) Ready() error {
	if len(l.ids.offers) > 0 || l.ask != nil {
		return nil
	}
	return fmt.Errorf("nothing to log in with: %s", strings.Join(l.ids.notes, "; "))
}

// Succeeded notes that the host has let the user in. It returns the fingerprint
// of the key that logged in, or "" when no key did.
func (l *Login) Succeeded() (key string) {
	l.settle(true, false)
	return l.key()
}

// Refused makes the error of a login that the host has refused.
func (l *Login) Refused(err error) *Error {
	l.settle(false, true)
	return &Error{
		Name: l.settings.Host, User: l.settings.User, Tried: l.account(err), Accepts: slices.Clone(l.allowed),
		TooManyTries: tooManyTries(err), Err: err,
	}
}

// Asked is for how long a person was asked, or waited for.
func (l *Login) Asked() time.Duration { return l.asked }

// Close ends the login, whatever came of it.
func (l *Login) Close() {
	l.settle(false, false)
	if l.hangUp != nil {
		l.hangUp()
	}
}
