// Package userauth logs a user in to hosts, as ssh does: with keys in files and
// of an agent, with certificates, passwords and keyboard-interactive questions.
// It opens no connections but to agents.
package userauth

import (
	"cmp"
	"context"
	"time"
)

// Prompt asks the person at the terminal one question and returns the answer
// without the line end. echo is false for secrets. It is called by one
// goroutine at a time.
type Prompt func(ctx context.Context, question string, echo bool) (string, error)

// Settings is what the configuration says about the login to one host, and who
// can be asked.
type Settings struct {
	// Host names the host in messages and User is the login name.
	Host, User string
	// Account is equal for all logins that the same password fits.
	Account string

	// IdentityFiles are paths of private keys (or of public keys whose private
	// half an agent holds), in the order they are offered.
	IdentityFiles []string
	// DefaultIdentities says that nobody named IdentityFiles, so a missing one is
	// not worth a word.
	DefaultIdentities bool
	// CertificateFiles are user certificates beyond the -cert.pub neighbors of
	// the identities.
	CertificateFiles []string
	// IdentitiesOnly keeps agent keys back that IdentityFiles does not name.
	IdentitiesOnly bool
	// IdentityAgent is the path of the agent's socket; empty: no agent.
	IdentityAgent string
	// AgentTimeout bounds each answer of the agent; zero: 10 s for its list of
	// keys, 60 s for a signature.
	AgentTimeout time.Duration

	// Preferred orders the methods, as RFC 4252 names them; empty means
	// publickey, keyboard-interactive, password.
	Preferred []string
	// Algorithms are the signatures that keys may make, in order of preference.
	Algorithms []string
	// RequiredRSASize is the least size of RSA keys in bits.
	RequiredRSASize int
	// NoPublicKey, NoPassword and NoKeyboardInteractive switch methods off.
	NoPublicKey, NoPassword, NoKeyboardInteractive bool
	// PasswordPrompts is how often a person is asked for one password or one
	// passphrase; zero: DefaultPasswordPrompts.
	PasswordPrompts int
	// BatchMode asks nobody anything.
	BatchMode bool

	// Prompt asks a person; nil: there is nobody to ask.
	Prompt Prompt
	// Warn takes what a person has to know and need not answer.
	Warn func(string)
}

// DefaultPasswordPrompts is OpenSSH's default of NumberOfPasswordPrompts.
const DefaultPasswordPrompts = 3

func (s Settings) prompts() int { return cmp.Or(max(s.PasswordPrompts, 0), DefaultPasswordPrompts) }

// Connection is what a login needs of the connection that it is for.
type Connection struct {
	// Gone is closed when the host has closed the connection; nil: it never does.
	Gone <-chan struct{}
	// Pause stops the clock of the login until resume is called.
	Pause func() (resume func())
	// Restart gives the rest of the login a limit of its own.
	Restart func(limit time.Duration)
}

// Shared is what the logins of one run share: decrypted keys, the answers of a
// person, and the turn to ask. The zero value is ready for use, by several
// goroutines.
type Shared struct {
	keys      keyring
	prompting turns // one question at a time
	touching  turns // one signature of a FIDO key at a time
	accounts  accounts
	silent    silentAgents
}

// Login collects what can be offered and who can be asked. ctx ends with the
// login. The caller calls Close when it is over.
func (s *Shared) Login(ctx context.Context, settings Settings, c Connection) *Login {
	l := &Login{shared: s, settings: settings, conn: c, acct: s.accounts.of(settings.Account)}
	l.ask = s.prompt(settings.Prompt, settings.BatchMode)
	keys, note := l.openAgent(ctx)
	l.ids = l.collect(ctx, keys)
	if note != "" {
		l.ids.note("%s", note)
	}
	return l
}
