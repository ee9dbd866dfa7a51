package userauth

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/keep-it-simple/kis/sshx/internal/publickey"
)

// Login is one authentication: what was offered to the host and how it answered. Only the goroutine
// on which x/crypto logs in uses it.
type Login struct {
	shared     *Shared
	settings   Settings
	conn       Connection
	prompt     Prompt // nil: the user cannot be asked
	account    *account
	agent      *openedAgent // until it is bound to the host; nil: there is none
	closeAgent func()

	offers []*offer // in the order in which the host gets them
	notes  []string // why keys are not among them

	allowed      []string                // methods that the host accepts, as it said last
	failures     int                     // offers whose signing failed, at the last call of proceed
	partial      int                     // authentication methods that succeeded and were not enough
	heldBack     int                     // keys that were not offered, to leave tries for others
	prompts      map[string]promptResult // by method
	release      func()                  // lets other logins prompt for the account; nil: it is not held
	triedStored  bool                    // the password that logged in before has been tried
	typed        string                  // the password that the user typed last
	promptedTime time.Duration
}

// promptResult is the result of prompting for one method.
type promptResult struct {
	times int
	err   error // of the last prompt
}

// Login collects the keys to offer. ctx must last until the login ends. The caller must call Close.
func (s *Shared) Login(ctx context.Context, settings Settings, c Connection) *Login {
	own, _ := s.accounts.LoadOrStore(settings.Account, &account{})
	l := &Login{
		shared: s, settings: settings, conn: c, account: own.(*account), closeAgent: func() {},
		prompt: s.prompt(settings.Prompt, settings.BatchMode), prompts: map[string]promptResult{},
	}
	agentKeys, note := l.openAgent(ctx)
	l.collect(ctx, agentKeys)
	if note != "" {
		l.note("%s", note)
	}
	return l
}

func (l *Login) note(format string, args ...any) {
	l.notes = append(l.notes, fmt.Sprintf(format, args...))
}

// Ready returns an error when the login has nothing to offer: no key that can sign, and no prompt.
func (l *Login) Ready() error {
	if len(l.offers) > 0 || l.prompt != nil {
		return nil
	}
	return fmt.Errorf("nothing to log in with: %s", strings.Join(l.notes, "; "))
}

// Configure sets the user and the authentication methods of config.
func (l *Login) Configure(ctx context.Context, config *ssh.ClientConfig) {
	config.User, config.Auth, config.AuthCallback = l.settings.User, l.methods(ctx), l.proceed
}

// Succeeded records that the host has accepted the login. It returns the fingerprint of the key
// that logged in, or "".
func (l *Login) Succeeded() (key string) {
	l.releaseAccount(true, false)
	for _, o := range slices.Backward(l.offers) {
		if o.signed {
			return publickey.Fingerprint(o.public)
		}
	}
	return ""
}

// Refused records that the host has refused the login, and returns the error that says so.
func (l *Login) Refused(err error) *Error {
	l.releaseAccount(false, true)
	return &Error{
		Name: l.settings.Host, User: l.settings.User, Tried: l.attempts(err), Accepts: slices.Clone(l.allowed),
		TooManyTries: isTooManyTries(err), Err: err,
	}
}

// Close closes the connection to the agent and releases the account.
func (l *Login) Close() {
	l.releaseAccount(false, false)
	l.closeAgent()
}

// PromptTime is how long the login has waited for answers of the user.
func (l *Login) PromptTime() time.Duration { return l.promptedTime }

// Offered is the number of keys that were offered to the host.
func (l *Login) Offered() int {
	n := 0
	for _, o := range l.offers {
		if o.offered {
			n++
		}
	}
	return n
}

// methods returns one AuthMethod for each method of RFC 4252, in the order of PreferredAuthentications. Agent and
// file keys share one, because x/crypto uses only the first of two publickey methods.
func (l *Login) methods(ctx context.Context) []ssh.AuthMethod {
	order := l.settings.PreferredAuthentications
	if len(order) == 0 {
		order = []string{"publickey", "keyboard-interactive", "password"}
	}
	tries := l.settings.passwordPrompts()
	var all []ssh.AuthMethod
	for _, m := range order {
		switch {
		case m == "publickey" && len(l.offers) > 0:
			all = append(all, ssh.PublicKeysCallback(l.signers))
		case m == "keyboard-interactive" && l.canPrompt(m):
			all = append(all, ssh.RetryableAuthMethod(ssh.KeyboardInteractive(l.keyboardInteractive(ctx)), tries))
		case m == "password" && l.canPrompt(m):
			all = append(all, ssh.RetryableAuthMethod(ssh.PasswordCallback(l.password(ctx)), tries))
		}
	}
	return all
}

// canPrompt reports whether the user can be asked for method.
func (l *Login) canPrompt(method string) bool {
	off := method == "password" && l.settings.NoPassword || method == "keyboard-interactive" && l.settings.NoKeyboardInteractive
	order := l.settings.PreferredAuthentications
	return l.prompt != nil && !off && (len(order) == 0 || slices.Contains(order, method))
}

// maxOffers is sshd's default of MaxAuthTries: each offered key costs one try, and after the last
// one sshd closes the connection.
const maxOffers = 6

// signers returns the keys that were not offered yet: x/crypto calls it again after a partial
// success and after a key that failed to sign. It holds back keys that the configuration does not
// name when sshd would close the connection before the last of them, or before a password could be
// typed.
func (l *Login) signers() ([]ssh.Signer, error) {
	tries := maxOffers
	if slices.ContainsFunc(l.allowed, l.canPrompt) {
		tries--
	}
	var all []ssh.Signer
	l.heldBack = 0
	for _, o := range l.offers {
		if o.offered {
			tries--
			continue
		}
		if tries <= 0 && !o.configured {
			l.heldBack++
			continue
		}
		tries--
		all = append(all, o)
	}
	return all, nil
}

// proceed is x/crypto's AuthCallback. It offers the remaining keys when one failed to sign, and
// when the host accepted one and requires another: ssh does so, and x/crypto alone would give up
// publickey.
func (l *Login) proceed(c *ssh.ClientAuthContext) (ssh.AuthMethod, error) {
	l.bindAgent(c.Metadata.SessionID())
	l.allowed = c.AllowedMethods
	failures, remaining := 0, 0
	for _, o := range l.offers {
		if o.err != nil {
			failures++
		}
		if !o.offered {
			remaining++
		}
	}
	repeat := failures > l.failures || len(c.PartialSuccessMethods) > l.partial && slices.Contains(c.TriedMethods, "publickey")
	l.failures, l.partial = failures, len(c.PartialSuccessMethods)
	if !repeat || remaining == 0 || !slices.Contains(c.AllowedMethods, "publickey") {
		return nil, nil
	}
	return ssh.PublicKeysCallback(l.signers), nil
}
