package config

import (
	"cmp"
	"crypto/sha1" //nolint:gosec // ssh_config(5) defines %C as a SHA-1 hash; it names files
	"encoding/hex"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
)

// expander expands ~, ${NAME} and the tokens of ssh_config(5) TOKENS.
type expander struct {
	target *Target
	local  localUser
	getenv func(string) string
	jump   string // value of ProxyJump
	// allowed are the tokens that the setting supports; "": those of IdentityFile.
	allowed string
}

// proxyTokens are the tokens of ProxyCommand and ProxyJump, ssh_config(5) TOKENS.
const proxyTokens = "%hnpr"

// expand expands a path. It can stay relative to the working directory, as in ssh. An unknown token
// and a variable that is not set are errors.
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
			return "", fmt.Errorf("missing } after ${")
		}
		value := x.getenv(name)
		if value == "" {
			return "", fmt.Errorf("environment variable %s is not set", name)
		}
		out.WriteString(value)
		s = rest
	}
}

// tokens expands only the % tokens.
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
			return "", fmt.Errorf("a single %% at the end; write %%%%")
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
	t, port := x.target, strconv.Itoa(x.target.Port)
	short, _, _ := strings.Cut(hostname(), ".")
	sum := sha1.Sum([]byte(hostname() + t.HostName + port + t.User + x.jump)) //nolint:gosec // see the import
	value, known := map[byte]string{
		'%': "%", 'd': x.local.home, 'h': t.HostName, 'i': x.local.uid, 'j': x.jump, 'k': cmp.Or(t.HostKeyAlias, t.Name),
		'L': short, 'l': hostname(), 'n': t.Name, 'p': port, 'r': t.User, 'u': x.local.name,
		'C': hex.EncodeToString(sum[:]),
	}[c]
	return value, known
}

// hostname is the name of this machine, or "".
func hostname() string {
	name, _ := os.Hostname()
	return name
}
