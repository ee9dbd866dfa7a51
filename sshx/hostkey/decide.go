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

// decide returns nil when key is the host's. It checks in ssh's order: revoked keys, certificates,
// plain keys, each under the name with the port and then under the name without. An invalid
// certificate counts as the key that it certifies.
func (k knownHosts) decide(p Policy, key ssh.PublicKey, now time.Time) *Error {
	plain, names := publickey.Plain(key), p.lookupNames()
	e := &Error{
		Host: p.Host, Lookup: names[0], Fingerprint: publickey.Fingerprint(key), KeyType: plain.Type(),
		key: plain, command: p.SSHCommand, scan: p.ScanCommand,
	}
	if !p.HostKey.IsZero() {
		return p.HostKey.decide(e)
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

// decidePlain compares the key with the plain keys in known_hosts. Only lines for the first name,
// which includes the port, can make a key a changed one: a line without a port may be about another
// sshd.
func (k knownHosts) decidePlain(e *Error, names []string) *Error {
	isShown := func(l knownLine) bool { return publickey.Equal(l.key, e.key) }
	for i, name := range names {
		lines := k.matching(name, "")
		switch {
		case slices.ContainsFunc(lines, isShown):
			return nil
		case i == 0 && len(lines) > 0:
			e.Kind = Changed
			for _, l := range lines {
				e.Known = append(e.Known, l.knownKey())
			}
			return e
		}
	}
	e.Kind = Unknown
	return e
}

// revoked returns the line that revokes the key, the key that a certificate certifies, or the
// authority that signed the certificate. A @revoked line that cannot be parsed revokes every key,
// because the key that it means is unknown.
func (k knownHosts) revoked(name string, key ssh.PublicKey) (KnownKey, bool) {
	for _, l := range k.matching(name, "revoked") {
		if l.key == nil {
			return KnownKey{File: l.file, Line: l.line}, true
		}
		cert, isCert := key.(*ssh.Certificate)
		if publickey.Equal(l.key, publickey.Plain(key)) || isCert && publickey.Equal(l.key, cert.SignatureKey) {
			return l.knownKey(), true
		}
	}
	return KnownKey{}, false
}

// certified returns nil when the certificate is valid for the host and signed by an authority that
// known_hosts trusts for name.
func (k knownHosts) certified(p Policy, name string, cert *ssh.Certificate, now time.Time) error {
	trusted := slices.ContainsFunc(k.matching(name, "cert-authority"), func(l knownLine) bool {
		return publickey.Equal(l.key, cert.SignatureKey)
	})
	switch {
	case !trusted:
		return fmt.Errorf("its certificate is signed by %s, which no @cert-authority line trusts", ssh.FingerprintSHA256(cert.SignatureKey))
	case cert.CertType != ssh.HostCert:
		return fmt.Errorf("its certificate is a user certificate")
	case !slices.Contains(p.CASignatureAlgorithms, cert.Signature.Format):
		return fmt.Errorf("its certificate is signed with %s, which CASignatureAlgorithms does not allow", safetext.Line(cert.Signature.Format))
	}
	checker := ssh.CertChecker{Clock: func() time.Time { return now }}
	if err := checker.CheckCert(p.principal(), cert); err != nil {
		return fmt.Errorf("its certificate is not valid: %s", safetext.Line(strings.TrimPrefix(err.Error(), "ssh: ")))
	}
	return nil
}
