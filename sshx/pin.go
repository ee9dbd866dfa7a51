package sshx

import (
	"fmt"
	"strings"

	"golang.org/x/crypto/ssh"

	"github.com/keep-it-simple/kis/internal/name"
)

// parsePin reads a pinned host key: a fingerprint, or a public key as it stands
// in known_hosts(5), whose type then decides what the host is asked for.
func parsePin(s string) (fingerprint, keyType string, err error) {
	if _, err := name.ParseFingerprint(s); s == "" || err == nil {
		return s, "", nil
	}
	if strings.ContainsRune(s, ' ') {
		key, _, options, rest, err := ssh.ParseAuthorizedKey([]byte(s))
		if err != nil || len(options) > 0 || len(rest) > 0 || !strings.HasPrefix(s, key.Type()+" ") {
			return "", "", fmt.Errorf("host key %q: not a public key; copy type and base64 text of /etc/ssh/ssh_host_ed25519_key.pub on the host", s)
		}
		if _, isCert := key.(*ssh.Certificate); isCert {
			return "", "", fmt.Errorf("host key %q: a certificate cannot be pinned; pin its key, or trust its authority with @cert-authority in known_hosts", s)
		}
		return ssh.FingerprintSHA256(key), key.Type(), nil
	}
	return "", "", fmt.Errorf("host key %q: write the fingerprint, SHA256: and 43 characters, as `ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub` prints it on the host, or the whole line of that file", s)
}

// pinnedAlgorithms asks the host for the pinned key and for nothing else. Where
// only the fingerprint is known, that is the key the host would show to everyone
// who knows none of its keys.
func (t Target) pinnedAlgorithms() []string {
	var list []string
	for _, a := range supported().hostKeys {
		if !strings.Contains(a, "-cert-") && (t.HostKeyType == "" || keyFormat(a) == t.HostKeyType) {
			list = append(list, a)
		}
	}
	return list
}

// decidePin is decide for a pinned host.
func (t Target) decidePin(e *HostKeyError) *HostKeyError {
	if e.Fingerprint == t.HostKey {
		return nil
	}
	e.Kind, e.Known = HostKeyChanged, []KnownKey{{Fingerprint: t.HostKey, KeyType: t.HostKeyType}}
	if t.HostKeyType == "" && e.KeyType != ssh.KeyAlgoED25519 {
		e.Note = "if the pin is the fingerprint of a key of another type, pin the whole key instead"
	}
	return e
}
