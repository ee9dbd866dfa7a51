package hostkey

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/keep-it-simple/kis/internal/safetext"
	"github.com/keep-it-simple/kis/sshx/internal/publickey"
)

// decide compares key with what is known, in ssh's order: revoked keys, then
// certificates, then plain keys, each under the name with the port and then
// without. A certificate that does not hold is judged by the key it certifies.
// The result is nil when the key is the host's.
func (k knownHosts) decide(p Policy, key ssh.PublicKey, now time.Time) *Error {
	plain, names := publickey.Plain(key), p.lookupNames()
	e := &Error{
		Host: p.Host, Lookup: names[0], Fingerprint: publickey.Fingerprint(key), KeyType: plain.Type(),
		key: plain, command: p.SSHCommand, scan: p.ScanCommand,
	}
	if !p.Pin.IsZero() {
		return p.Pin.decide(e)
	}
	for _, name := range names {
		if l, revoked := k.revoked(name, key); revoked {
			e.Kind, e.Known = Revoked, []KnownKey{l}
			return e
		}
	}
	if cert, ok := key.(*ssh.Certificate); ok {
		for _, name := range names {
			err := k.certified(p, name, cert, now)
			if err == nil {
				return nil
			}
			if e.Note == "" {
				e.Note = err.Error()
			}
		}
	}
	return k.decidePlain(e, names)
}

// decidePlain looks for the key itself. Only the full name, which comes first,
// makes a key a changed one; under the name without a port it may be another
// sshd's.
func (k knownHosts) decidePlain(e *Error, names []string) *Error {
	is := func(l knownLine) bool { return publickey.Equal(l.key, e.key) }
	for i, name := range names {
		lines := k.matching(name, "")
		switch {
		case slices.ContainsFunc(lines, is):
			return nil
		case i == 0 && len(lines) > 0:
			e.Kind = Changed
			for _, l := range lines {
				e.Known = append(e.Known, l.known())
			}
			return e
		}
	}
	e.Kind = Unknown
	return e
}

// revoked looks for a line that forbids the key, the key a certificate
// certifies, or the authority that signed it. A line that cannot be parsed
// forbids every key, because nobody can tell which it meant.
func (k knownHosts) revoked(name string, key ssh.PublicKey) (KnownKey, bool) {
	for _, l := range k.matching(name, "revoked") {
		if l.key == nil {
			return KnownKey{File: l.file, Line: l.line}, true
		}
		cert, isCert := key.(*ssh.Certificate)
		if publickey.Equal(l.key, publickey.Plain(key)) || isCert && publickey.Equal(l.key, cert.SignatureKey) {
			return l.known(), true
		}
	}
	return KnownKey{}, false
}

// certified tells whether an authority that known_hosts trusts for name vouches
// for the host, and if not, why.
func (k knownHosts) certified(p Policy, name string, cert *ssh.Certificate, now time.Time) error {
	trusted := slices.ContainsFunc(k.matching(name, "cert-authority"), func(l knownLine) bool {
		return publickey.Equal(l.key, cert.SignatureKey)
	})
	switch {
	case !trusted:
		return fmt.Errorf("its certificate is signed by %s, which no @cert-authority line names", ssh.FingerprintSHA256(cert.SignatureKey))
	case cert.CertType != ssh.HostCert:
		return fmt.Errorf("its certificate is for users")
	case !slices.Contains(p.CASignatures, cert.Signature.Format):
		return fmt.Errorf("its certificate is signed with %s, which CASignatureAlgorithms leaves out", safetext.Line(cert.Signature.Format))
	}
	checker := ssh.CertChecker{Clock: func() time.Time { return now }}
	if err := checker.CheckCert(p.principal(), cert); err != nil {
		return fmt.Errorf("its certificate does not hold: %s", safetext.Line(strings.TrimPrefix(err.Error(), "ssh: ")))
	}
	return nil
}
