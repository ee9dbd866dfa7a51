package name

import (
	"net/netip"
	"regexp"
	"strings"
)

// Host is a host's name, an alias of ssh_config or an IP address without brackets.
type Host struct{ name string }

const longestHost = 253 // RFC 1035 2.3.4, without the root's dot

var hostPattern = regexp.MustCompile(`^[A-Za-z0-9_:][A-Za-z0-9._:%-]*$`)

// ParseHost reads a host's name. A colon is part of an IPv6 address or it is a mistake: `web1:2222`
// must not become a name that nothing can resolve.
func ParseHost(text string) (Host, error) {
	if len(text) > longestHost || !hostPattern.MatchString(text) {
		return Host{}, &Error{text, "is not a host name; use up to 253 of A-Z a-z 0-9 . _ -, or an IP address"}
	}
	if strings.ContainsAny(text, ":%") {
		if addr, err := netip.ParseAddr(text); err != nil || !addr.Is6() {
			return Host{}, &Error{text, "is neither a host name nor an IPv6 address"}
		}
	}
	return Host{name: text}, nil
}

// String returns the name.
func (h Host) String() string { return h.name }

// Fingerprint is the SHA-256 fingerprint of a host key, as `ssh-keygen -l` prints it.
type Fingerprint struct{ text string }

var fingerprintPattern = regexp.MustCompile(`^SHA256:[A-Za-z0-9+/]{43}$`)

// ParseFingerprint reads a fingerprint.
func ParseFingerprint(text string) (Fingerprint, error) {
	if !fingerprintPattern.MatchString(text) {
		return Fingerprint{}, &Error{text, "is not a fingerprint; want SHA256: and 43 characters, as ssh-keygen -l prints it"}
	}
	return Fingerprint{text: text}, nil
}

// String returns the fingerprint.
func (f Fingerprint) String() string { return f.text }
