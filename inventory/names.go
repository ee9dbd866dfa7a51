package inventory

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"path"
	"regexp"
	"strings"
	"unicode"

	"github.com/keep-it-simple/kis/internal/name"
)

// What names may look like that only an inventory has; package name has the others. None of these can begin with a hyphen,
// hold white space or mean anything to a shell, so that no later step has to be afraid of them.
var (
	groupPattern = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_-]{0,63}$`)
	varPattern   = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,63}$`)
	pathPattern  = regexp.MustCompile(`^[A-Za-z0-9._/+-]+$`)
	loginUser    = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._@+\\-]{0,63}$`)
	hopPattern   = regexp.MustCompile(`^(?:([^@]+)@)?(?:\[([0-9A-Fa-f:.%a-z]+)\]|([^:\[\]@]+))(?::([1-9][0-9]{0,4}))?$`)
	publicKey    = regexp.MustCompile(`^(ssh-ed25519|ecdsa-sha2-nistp(?:256|384|521)|ssh-rsa) ([A-Za-z0-9+/]{40,}={0,2})$`)
)

// maxRoot leaves room for the package and .venv/bin/python in the 127 bytes that older kernels read of a #! line.
const maxRoot = 100

// parseName is a parser of package name whose errors show what the file says as all errors here do: a password in the wrong
// place is masked.
func parseName[T any](parse func(string) (T, error), text string) (T, error) {
	value, err := parse(text)
	if wrong, ok := errors.AsType[*name.Error](err); ok {
		err = fmt.Errorf("%s %s", quote(wrong.Text), wrong.Reason)
	}
	return value, err
}

// checkHost accepts what [name.ParseHost] does, and says where else the rest belongs.
func checkHost(host string) error {
	_, err := parseName(name.ParseHost, host)
	switch {
	case err == nil:
		return nil
	case strings.HasPrefix(host, "-"):
		return fmt.Errorf("%s begins with a hyphen, which programs take for an option", quote(host))
	case strings.Contains(host, "@"):
		return fmt.Errorf("%s is not a host name; the user goes into ssh: {user: …}", quote(host))
	case strings.HasPrefix(host, "["):
		return fmt.Errorf("%s is not a host name; write IPv6 addresses without brackets, the port goes into ssh: {port: …}", quote(host))
	case strings.Contains(host, ":") && !strings.ContainsAny(host, "[]"):
		return fmt.Errorf("%w; a port goes into ssh: {port: …}", err)
	}
	return err
}

// identity is equal for two names of the same machine: names know no case (RFC 4343) and may end with the dot of the
// root, and IPv6 addresses have many spellings (RFC 5952).
func identity(name string) string {
	if addr, err := netip.ParseAddr(name); err == nil {
		return addr.String()
	}
	return strings.ToLower(strings.TrimSuffix(name, "."))
}

func checkGroup(name string) error {
	if !groupPattern.MatchString(name) {
		return fmt.Errorf("%s is not a group name; use a letter or _, then up to 63 of A-Z a-z 0-9 _ -", quote(name))
	}
	return nil
}

func checkVar(name string) error {
	if !varPattern.MatchString(name) {
		return fmt.Errorf("%s is not a variable name; use a letter or _, then up to 63 of A-Z a-z 0-9 _", quote(name))
	}
	return nil
}

func checkRoot(root string) error {
	switch {
	case !strings.HasPrefix(root, "/"):
		return fmt.Errorf("%s is not an absolute path; write it from the / on, as in %s", quote(root), defaultRoot)
	case root == "/":
		return errors.New(`"/" cannot be a package repository; name a folder of its own, as in ` + defaultRoot)
	case !pathPattern.MatchString(root):
		return fmt.Errorf("%s has characters that a #! line or a shell may not bear; use A-Z a-z 0-9 . _ / + -", quote(root))
	case path.Clean(root) != root:
		return fmt.Errorf("%s is not a clean path; write %q", quote(root), path.Clean(root))
	case len(root) >= maxRoot:
		return fmt.Errorf("%d bytes are too long for the #! lines of the environments; use less than %d", len(root), maxRoot)
	}
	return nil
}

func checkLogin(user string) error {
	if !loginUser.MatchString(user) {
		return fmt.Errorf("%s is not a user name that ssh can log in with", quote(user))
	}
	return nil
}

// checkJump accepts what ProxyJump of ssh_config(5) does, apart from ssh:// URLs.
func checkJump(jump string) error {
	if jump == "none" {
		return nil
	}
	for hop := range strings.SplitSeq(jump, ",") {
		m := hopPattern.FindStringSubmatch(hop)
		if m == nil {
			return fmt.Errorf("%s is not [user@]host[:port]; separate several by commas, put IPv6 addresses in brackets", quote(jump))
		}
		if m[1] != "" {
			if err := checkLogin(m[1]); err != nil {
				return err
			}
		}
		if err := checkHost(m[2] + m[3]); err != nil {
			return err
		}
		if len(m[4]) == 5 && m[4] > "65535" {
			return fmt.Errorf("port %s of %s is not between 1 and 65535", m[4], quote(hop))
		}
	}
	return nil
}

// checkHostKey accepts a fingerprint, and a public key as it stands in known_hosts(5): its base64 text begins with the
// length and the name of the type again (RFC 4253 6.6).
func checkHostKey(key string) error {
	if _, err := name.ParseFingerprint(key); err == nil {
		return nil
	}
	parts := publicKey.FindStringSubmatch(key)
	if parts == nil {
		return fmt.Errorf("%s is no host key; write its fingerprint, SHA256:… as ssh-keygen -l prints it, or type and text of its .pub file without the comment", quote(key))
	}
	blob, err := base64.StdEncoding.DecodeString(parts[2])
	if err != nil || !strings.HasPrefix(string(blob), "\x00\x00\x00"+string(rune(len(parts[1])))+parts[1]) {
		return fmt.Errorf("the text after %s is no key of this type; copy it again from the .pub file", parts[1])
	}
	return nil
}

// checkLocal accepts any path of this machine; whether it exists is for those who open it.
func checkLocal(name string) error {
	if strings.ContainsFunc(name, unicode.IsControl) {
		return fmt.Errorf("%s is not a path: it has control characters", quote(name))
	}
	return nil
}

// checkShared accepts paths that stay inside of a package and outside of what kis keeps there.
func checkShared(name string) error {
	first, _, _ := strings.Cut(name, "/")
	switch {
	case !pathPattern.MatchString(name) || path.IsAbs(name) || path.Clean(name) != name || strings.HasPrefix(name, "-"):
		return fmt.Errorf("%s is not a clean relative path of A-Z a-z 0-9 . _ / + -", quote(name))
	case first == "." || first == "..":
		return fmt.Errorf("%s is not inside of the package", quote(name))
	case first == ".kis" || first == ".venv":
		return fmt.Errorf("%s belongs to kis", quote(name))
	}
	return nil
}

// checkCommand accepts all that one argument of `sh -c` can carry; that it is not empty was checked before.
func checkCommand(command string) error {
	return checkNUL(command)
}

// checkNUL refuses the one character that no argument and no variable of a program can have.
func checkNUL(text string) error {
	if strings.ContainsRune(text, 0) {
		return errors.New("it has a NUL character, which no program can be given")
	}
	return nil
}

// checkIndexURL never says what it was given: index URLs carry passwords and tokens.
func checkIndexURL(raw string) error {
	_, err := webURL(raw)
	return err
}

// checkHealthURL refuses credentials, because the URL becomes visible in process lists and logs.
func checkHealthURL(raw string) error {
	u, err := webURL(raw)
	if err == nil && u.User != nil {
		return errors.New("a health check cannot log in; remove user and password from the URL")
	}
	return err
}

func webURL(raw string) (*url.URL, error) {
	u, err := url.Parse(raw)
	if err != nil || u.Hostname() == "" || (u.Scheme != "http" && u.Scheme != "https") || strings.ContainsFunc(raw, unicode.IsSpace) {
		return nil, errors.New("not an http:// or https:// URL with a host") // err would repeat the URL
	}
	return u, nil
}
