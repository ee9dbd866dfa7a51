package sshx

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"
)

// login is the state of one authentication: what has been offered and what the
// host said to it.
type login struct {
	target  Target
	ids     *identities
	ask     Prompt // nil: nobody
	next    int    // first offer that x/crypto has not got yet
	allowed []string
	asked   []string // methods that a person was asked for
}

// methods gives x/crypto one AuthMethod per method of RFC 4252, in the order of
// PreferredAuthentications. It would use only the first of two publickey
// methods, so agent and file keys share one.
func (l *login) methods(ctx context.Context) []ssh.AuthMethod {
	order := l.target.PreferredAuthentications
	if len(order) == 0 {
		order = []string{"publickey", "keyboard-interactive", "password"}
	}
	const tries = 3 // as ssh's NumberOfPasswordPrompts
	var all []ssh.AuthMethod
	for _, m := range order {
		switch {
		case m == "publickey" && !l.target.NoPublicKey && len(l.ids.offers) > 0:
			all = append(all, ssh.PublicKeysCallback(l.signers))
		case m == "keyboard-interactive" && !l.target.NoKeyboardInteractive && l.ask != nil:
			all = append(all, ssh.RetryableAuthMethod(ssh.KeyboardInteractive(l.challenge(ctx)), tries))
		case m == "password" && !l.target.NoPassword && l.ask != nil:
			all = append(all, ssh.RetryableAuthMethod(ssh.PasswordCallback(func() (string, error) {
				l.asked = append(l.asked, "password")
				return l.ask(ctx, fmt.Sprintf("Password for %s@%s: ", l.target.User, l.target.Name), false)
			}), tries))
		}
	}
	return all
}

// signers hands out the offers that have not been handed out.
func (l *login) signers() ([]ssh.Signer, error) {
	var all []ssh.Signer
	for _, o := range l.ids.offers[l.next:] {
		all = append(all, o)
	}
	return all, nil
}

// proceed is x/crypto's AuthCallback. It notes what the host allows, and lets
// the remaining keys be tried when signing with one failed: x/crypto gives up
// on publickey then, ssh does not.
func (l *login) proceed(c *ssh.ClientAuthContext) (ssh.AuthMethod, error) {
	l.allowed = c.AllowedMethods
	i := slices.IndexFunc(l.ids.offers, func(o *offer) bool { return o.failed != nil })
	if i < l.next || i+1 >= len(l.ids.offers) || !slices.Contains(c.AllowedMethods, "publickey") {
		return nil, nil
	}
	for l.next = i + 1; l.next < len(l.ids.offers) && l.ids.offers[l.next].failed != nil; l.next++ {
	}
	return ssh.PublicKeysCallback(l.signers), nil
}

// challenge answers keyboard-interactive questions, RFC 4256. A host chooses
// their text, so it is made harmless and the host is named.
func (l *login) challenge(ctx context.Context) ssh.KeyboardInteractiveChallenge {
	return func(_, instruction string, questions []string, echos []bool) ([]string, error) {
		answers := make([]string, len(questions))
		for i, q := range questions {
			l.asked = append(l.asked, "keyboard-interactive")
			text := strings.TrimSpace(instruction + " " + q)
			answer, err := l.ask(ctx, fmt.Sprintf("%s@%s: %s ", l.target.User, l.target.Name, printable(text)), echos[i])
			if err != nil {
				return nil, err
			}
			answers[i] = answer
		}
		return answers, nil
	}
}

// key is the fingerprint of the key that logged in, if one did.
func (l *login) key() string {
	for _, o := range slices.Backward(l.ids.offers) {
		if o.signed {
			return fingerprint(o.public)
		}
	}
	return ""
}

// account tells what was tried, for AuthError.
func (l *login) account() []string {
	var all []string
	for _, o := range l.ids.offers {
		what := fmt.Sprintf("%s %s from %s", o.public.Type(), fingerprint(o.public), o.label)
		switch {
		case o.failed != nil:
			all = append(all, fmt.Sprintf("%s: signing failed: %s", what, printable(o.failed.Error())))
		case o.signed:
			all = append(all, what+": accepted, but not enough")
		case o.shown:
			all = append(all, what+": refused")
		default:
			all = append(all, what+": not tried")
		}
	}
	all = append(all, l.ids.notes...)
	for _, m := range slices.Compact(slices.Sorted(slices.Values(l.asked))) {
		all = append(all, m+": refused")
	}
	if len(l.allowed) > 0 {
		all = append(all, "the host accepts "+printable(strings.Join(l.allowed, ", ")))
	}
	return all
}
