package hostkey

import (
	"fmt"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"

	"github.com/keep-it-simple/kis/internal/name"
	"github.com/keep-it-simple/kis/sshx/internal/publickey"
)

// Pin is the only host key to accept. The zero value is no pin.
type Pin struct {
	// Fingerprint is "SHA256:…", as `ssh-keygen -l` prints it.
	Fingerprint string
	// Type is ssh-ed25519 and so on. It is "" when only the fingerprint is known; the host then
	// shows the key that it prefers.
	Type string
}

// IsZero reports whether there is no pin.
func (p Pin) IsZero() bool { return p.Fingerprint == "" }

// ParsePin parses a pinned host key: "" for no pin, a fingerprint, or a public key in the format of
// known_hosts(5), whose type becomes the only one to request from the host.
func ParsePin(s string) (Pin, error) {
	if _, err := name.ParseFingerprint(s); s == "" || err == nil {
		return Pin{Fingerprint: s}, nil
	}
	if strings.ContainsRune(s, ' ') {
		key, _, options, rest, err := ssh.ParseAuthorizedKey([]byte(s))
		if err != nil || len(options) > 0 || len(rest) > 0 || !strings.HasPrefix(s, key.Type()+" ") {
			return Pin{}, fmt.Errorf("host key %q: not a public key; copy type and base64 text of /etc/ssh/ssh_host_ed25519_key.pub on the host", s)
		}
		if _, isCert := key.(*ssh.Certificate); isCert {
			return Pin{}, fmt.Errorf("host key %q: a certificate cannot be pinned; pin its key, or trust its authority with @cert-authority in known_hosts", s)
		}
		return Pin{Fingerprint: ssh.FingerprintSHA256(key), Type: key.Type()}, nil
	}
	return Pin{}, fmt.Errorf("host key %q: write the fingerprint, SHA256: and 43 characters, as `ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub` prints it on the host, or the whole line of that file", s)
}

// algorithms requests the pinned key and no other. When only the fingerprint is known, that is the
// key that the host shows to a client that knows none of its keys.
func (p Pin) algorithms() []string {
	return slices.DeleteFunc(Algorithms(), func(a string) bool {
		return strings.Contains(a, "-cert-") || p.Type != "" && publickey.TypeOf(a) != p.Type
	})
}

// decide implements knownHosts.decide for a pinned host.
func (p Pin) decide(e *Error) *Error {
	if e.Fingerprint == p.Fingerprint {
		return nil
	}
	e.Kind, e.Known = Changed, []KnownKey{{Fingerprint: p.Fingerprint, KeyType: p.Type}}
	if p.Type == "" && e.KeyType != ssh.KeyAlgoED25519 {
		e.Note = "if the pin is the fingerprint of a key of another type, pin the whole key instead"
	}
	return e
}
