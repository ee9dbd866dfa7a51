// Package userauth authenticates the user to hosts, as ssh does: with keys in files and in an
// agent, certificates, passwords and keyboard-interactive prompts. It connects to agents only.
package userauth

import (
	"cmp"
	"context"
	"sync"
	"time"
)

// Prompt asks the user one question and returns the answer without the newline. echo is false for
// secrets. One goroutine at a time calls it.
type Prompt func(ctx context.Context, question string, echo bool) (string, error)

// Settings is the configuration of the login to one host.
type Settings struct {
	Methods

	// Host names the host in messages. User is the login name.
	Host, User string
	// Account is equal for all logins to the same account: they can use the same password.
	Account string
	// RequiredRSASize is the minimum size of RSA keys in bits.
	RequiredRSASize int
	// AgentTimeout limits each answer of the agent; zero: 10 s for its list of keys, 60 s for a
	// signature.
	AgentTimeout time.Duration
	// Prompt asks the user; nil: the user cannot be asked.
	Prompt Prompt
	// Warn takes one-line messages for the user.
	Warn func(string)
}

// Methods are the settings of ssh_config(5) about keys, passwords and prompts.
type Methods struct {
	// IdentityFiles are private keys, or public keys whose private half an agent holds, in the
	// order in which to offer them.
	IdentityFiles []string
	// DefaultIdentities says that IdentityFiles is OpenSSH's default list: missing files are not
	// reported.
	DefaultIdentities bool
	// CertificateFiles are user certificates that replace the -cert.pub files beside the
	// identities.
	CertificateFiles []string
	// IdentitiesOnly excludes agent keys that IdentityFiles does not name.
	IdentitiesOnly bool
	// IdentityAgent is the agent's socket; empty: no agent.
	IdentityAgent string
	// PreferredAuthentications are the methods of RFC 4252 in order; empty: publickey,
	// keyboard-interactive, password.
	PreferredAuthentications []string
	// PubkeyAcceptedAlgorithms are the allowed signature algorithms, in order of preference; keys
	// that support none of them are not offered.
	PubkeyAcceptedAlgorithms []string
	// PasswordPrompts limits the prompts for one password or passphrase, ssh_config(5)
	// NumberOfPasswordPrompts; zero: DefaultPasswordPrompts.
	PasswordPrompts int
	// NoPublicKey, NoPassword and NoKeyboardInteractive disable methods.
	NoPublicKey, NoPassword, NoKeyboardInteractive bool
	// BatchMode disables prompts, also where there is a Prompt.
	BatchMode bool
}

// DefaultPasswordPrompts is OpenSSH's default of NumberOfPasswordPrompts.
const DefaultPasswordPrompts = 3

func (s Settings) passwordPrompts() int {
	return cmp.Or(max(s.PasswordPrompts, 0), DefaultPasswordPrompts)
}

// Connection is what a login needs of its connection.
type Connection struct {
	// Closed is closed when the host has closed the connection; nil: it never does.
	Closed <-chan struct{}
	// Pause stops the login's clock until resume is called.
	Pause func() (resume func())
	// Restart sets a new time limit for the rest of the login.
	Restart func(limit time.Duration)
	// KeyExchange is the host's part of the first key exchange, once it is complete; nil: unknown.
	KeyExchange func() KeyExchange
}

// Shared is the state that the logins of one run share: decrypted keys, passwords, and the turn to
// prompt. The zero value is ready for use by several goroutines.
type Shared struct {
	prompting turn // one prompt at a time
	touching  turn // one signature of a FIDO key at a time
	// accounts has an *account for each Settings.Account: several host names can lead to the same
	// account, and a lost connection is made again.
	accounts sync.Map
	// keyFiles has, by path, a function that reads the file once.
	keyFiles sync.Map
	// deadAgents has the paths of agents that did not answer, so that a run on many hosts waits for
	// each only once.
	deadAgents sync.Map
}
