package inventory

import (
	"errors"
	"fmt"
	"net/netip"
	"path"
	"regexp"
	"strings"
	"unicode"

	"github.com/keep-it-simple/kis/internal/name"
)

// The syntax of names that only an inventory has; package name has the others. No name can begin
// with a hyphen, contain white space or have a meaning for a shell, so that later steps need no
// quoting.
var (
	groupPattern = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_-]{0,63}$`)
	varPattern   = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,63}$`)
	pathPattern  = regexp.MustCompile(`^[A-Za-z0-9._/+-]+$`)
	loginUser    = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._@+\\-]{0,63}$`)
	hopPattern   = regexp.MustCompile(`^(?:(.+)@)?(?:\[([0-9A-Fa-f:.%a-z]+)\]|([^:\[\]@]+))(?::([1-9][0-9]{0,4}))?$`)
)

// maxRoot leaves space for the package and .venv/bin/python in the 127 bytes that older kernels
// read of a #! line.
const maxRoot = 100

// parseName is a parser of package name whose errors show what the file says as all errors here do:
// a password in the wrong place is masked.
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

// identity is equal for two names of the same machine: names are case-insensitive (RFC 4343) and
// may end with the dot of the root, and IPv6 addresses have many spellings (RFC 5952).
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
		return fmt.Errorf("%s is not an absolute path; begin it with /, as in %s", quote(root), defaultRoot)
	case root == "/":
		return errors.New(`"/" cannot be a package repository; name a directory of its own, as in ` + defaultRoot)
	case !pathPattern.MatchString(root):
		return fmt.Errorf("%s has characters that are unsafe in a #! line or a shell; use A-Z a-z 0-9 . _ / + -", quote(root))
	case path.Clean(root) != root:
		return fmt.Errorf("%s is not a clean path; write %q", quote(root), path.Clean(root))
	case len(root) >= maxRoot:
		return fmt.Errorf("%d bytes are too long for the #! lines of the environments; use less than %d", len(root), maxRoot)
	}
	return nil
}

func checkLogin(user string) error {
	if !loginUser.MatchString(user) {
		return fmt.Errorf("%s is not a user name that ssh accepts", quote(user))
	}
	return nil
}

// checkJump accepts what ProxyJump of ssh_config(5) does, except ssh:// URLs.
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

// checkLocal accepts any path on this machine; whether it exists is checked when it is opened.
func checkLocal(name string) error {
	if strings.ContainsFunc(name, unicode.IsControl) {
		return fmt.Errorf("%s is not a path: it has control characters", quote(name))
	}
	return nil
}

// anyText accepts every text: the user of the value checks it.
func anyText(string) error { return nil }

// checkNUL refuses the one character that no argument and no variable of a program can contain.
func checkNUL(text string) error {
	if strings.ContainsRune(text, 0) {
		return errors.New("it has a NUL character, which cannot be passed to a program")
	}
	return nil
}
