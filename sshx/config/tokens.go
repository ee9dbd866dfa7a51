package config

import (
	"crypto/sha1" //nolint:gosec // ssh_config(5) defines %C as a SHA-1 hash; it names files
	"encoding/hex"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
)

// expander replaces ~, ${NAME} and the tokens of ssh_config(5) TOKENS in paths.
type expander struct {
	target *Target
	local  localUser
	getenv func(string) string
	jump   string // value of ProxyJump
	// allowed are the tokens that the setting knows; "": those of IdentityFile.
	allowed string
}

// proxyTokens are the tokens of ProxyCommand and ProxyJump, ssh_config(5) TOKENS.
const proxyTokens = "%hnpr"

// expand makes a path absolute or leaves it relative to the working folder, as
// ssh does. A token or a variable that does not exist is an error.
func (x expander) expand(s string) (string, error) {
	s, err := x.tilde(s)
	if err != nil {
		return "", err
	}
	var out strings.Builder
	for {
		before, after, found := strings.Cut(s, "${")
		part, err := x.tokens(before)
		if err != nil {
			return "", err
		}
		out.WriteString(part)
		if !found {
			return out.String(), nil
		}
		name, rest, closed := strings.Cut(after, "}")
		if !closed {
			return "", fmt.Errorf("${ is not closed")
		}
		value := x.getenv(name)
		if value == "" {
			return "", fmt.Errorf("the environment has no %s", name)
		}
		out.WriteString(value)
		s = rest
	}
}

// tokens replaces the % tokens alone.
func (x expander) tokens(s string) (string, error) {
	var out strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '%' && i+1 < len(s):
			i++
			value, ok := x.token(s[i])
			if !ok || x.allowed != "" && !strings.Contains(x.allowed, s[i:i+1]) {
				return "", fmt.Errorf("%%%c is not a token of this setting", s[i])
			}
			out.WriteString(value)
		case s[i] == '%':
			return "", fmt.Errorf("a %% stands at the end; write %%%%")
		default:
			out.WriteByte(s[i])
		}
	}
	return out.String(), nil
}

func (x expander) tilde(s string) (string, error) {
	if !strings.HasPrefix(s, "~") {
		return s, nil
	}
	name, rest, _ := strings.Cut(s[1:], "/")
	if name == "" {
		return filepath.Join(x.local.home, rest), nil
	}
	u, err := user.Lookup(name)
	if err != nil {
		return "", fmt.Errorf("~%s: no such user", name)
	}
	return filepath.Join(u.HomeDir, rest), nil
}

func (x expander) token(c byte) (string, bool) {
	t := x.target
	port := strconv.Itoa(t.Port)
	switch c {
	case '%':
		return "%", true
	case 'd':
		return x.local.home, true
	case 'h':
		return t.HostName, true
	case 'i':
		return x.local.uid, true
	case 'j':
		return x.jump, true
	case 'k':
		return orElse(t.HostKeyAlias, t.Name), true
	case 'L':
		short, _, _ := strings.Cut(hostname(), ".")
		return short, true
	case 'l':
		return hostname(), true
	case 'n':
		return t.Name, true
	case 'p':
		return port, true
	case 'r':
		return t.User, true
	case 'u':
		return x.local.name, true
	case 'C':
		sum := sha1.Sum([]byte(hostname() + t.HostName + port + t.User + x.jump)) //nolint:gosec // see the import
		return hex.EncodeToString(sum[:]), true
	}
	return "", false
}

// hostname is the local one; a machine without a name has an empty one.
func hostname() string {
	name, _ := os.Hostname()
	return name
}
