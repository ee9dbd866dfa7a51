package hostkey

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // known_hosts(5) hashes host names with HMAC-SHA1; it protects no secret
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"golang.org/x/crypto/ssh"

	"github.com/keep-it-simple/kis/internal/safetext"
)

// knownHosts is the content of all known_hosts files of a host.
//
// x/crypto's knownhosts package and the wrappers around it are not used, because they reject a file
// for one line that they cannot parse (newer versions of OpenSSH write such lines), ignore names
// without a port when the port is not 22, report a mismatch with a wildcard as a changed key where
// ssh reports an unknown one, and do not report the line that revokes a key. The tests compare the
// decisions of this package with those of ssh.
type knownHosts struct {
	lines    []knownLine
	warnings []string // ignored lines, and why
}

// knownLine is one line of known_hosts(5).
type knownLine struct {
	file   string
	line   int
	marker string // "", "cert-authority" or "revoked"
	hosts  []string
	key    ssh.PublicKey // nil on a @revoked line that cannot be parsed
}

// KnownKey is a key that known_hosts or a pin lists for a host.
type KnownKey struct {
	Fingerprint string // SHA256:…
	KeyType     string // ssh-ed25519, …
	File        string // "" for a pin
	Line        int    // from 1
}

// readKnownHosts reads the files in order. A missing file counts as empty. A file that cannot be read
// is ignored, as in ssh, with a warning: only what it says of a key is lost. Lines that cannot be
// parsed are ignored, too, except @revoked lines: ignoring one could accept the key that it revokes.
func readKnownHosts(files []string) knownHosts {
	var k knownHosts
	for _, file := range files {
		content, err := readFile(file)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			k.warnings = append(k.warnings, fmt.Sprintf("%s: ignored: %s", file, safetext.Line(err.Error())))
			continue
		}
		number := 0
		for text := range bytes.Lines(content) {
			number++
			k.add(file, number, bytes.Trim(text, " \t\r\n"))
		}
	}
	return k
}

// readFile reads a file. Reading a pipe could block, as it does in ssh; /dev/null is none.
func readFile(path string) ([]byte, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, withoutPath(err)
	case info.IsDir():
		return nil, errors.New("is a directory")
	case info.Mode()&(fs.ModeNamedPipe|fs.ModeSocket) != 0:
		return nil, errors.New("is not a regular file")
	}
	content, err := os.ReadFile(path)
	return content, withoutPath(err)
}

// withoutPath is the error without the path, with which the message begins.
func withoutPath(err error) error {
	if inPath, ok := errors.AsType[*fs.PathError](err); ok {
		return inPath.Err
	}
	return err
}

func (k *knownHosts) add(file string, number int, text []byte) {
	if len(text) == 0 || text[0] == '#' {
		return
	}
	l := knownLine{file: file, line: number}
	marker, hosts, key, _, _, err := ssh.ParseKnownHosts(text)
	if err == nil && marker != "" && marker != "cert-authority" && marker != "revoked" {
		err = fmt.Errorf("unknown marker @%s", marker)
	}
	if err == nil && strings.HasPrefix(hosts[0], "|") && !validHash(hosts[0]) {
		err = errors.New("malformed hashed name")
	}
	if err == nil {
		l.marker, l.hosts, l.key = marker, hosts, key
		k.lines = append(k.lines, l)
		return
	}
	if rest, ok := bytes.CutPrefix(text, []byte("@revoked")); ok {
		l.marker, l.hosts = "revoked", []string{"*"}
		if f := strings.Fields(string(rest)); len(f) > 0 && (f[0][0] != '|' || validHash(f[0])) {
			l.hosts = strings.Split(f[0], ",")
		}
		k.lines = append(k.lines, l)
		return
	}
	k.warnings = append(k.warnings, fmt.Sprintf("%s:%d: ignored: %s", file, number, safetext.Line(strings.TrimPrefix(err.Error(), "ssh: "))))
}

// matching returns the lines with the given marker whose patterns match name.
func (k knownHosts) matching(name, marker string) []knownLine {
	var found []knownLine
	for _, l := range k.lines {
		if l.marker == marker && l.match(name) {
			found = append(found, l)
		}
	}
	return found
}

// match implements ssh_config(5) PATTERNS: one negated match overrides all others.
func (l knownLine) match(name string) bool {
	if strings.HasPrefix(l.hosts[0], "|") {
		return matchHash(l.hosts[0], name)
	}
	matched := false
	for _, p := range l.hosts {
		p, negated := strings.CutPrefix(strings.ToLower(p), "!")
		if !MatchPattern(p, name) {
			continue
		}
		if negated {
			return false
		}
		matched = true
	}
	return matched
}

// MatchPattern matches one pattern of ssh_config(5) PATTERNS, whose only wildcards are * and ?. It
// backtracks to the last * only, which is enough, so that no pattern takes exponential time.
func MatchPattern(pattern, name string) bool {
	p, n, star, from := 0, 0, -1, 0
	for n < len(name) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, from = p, n
			p++
		case p < len(pattern) && (pattern[p] == '?' || pattern[p] == name[n]):
			p, n = p+1, n+1
		case star >= 0: // the * matches one byte more
			from++
			p, n = star+1, from
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "*") == ""
}

// splitHash parses "|1|salt|hash" (ssh_config(5) HashKnownHosts).
func splitHash(s string) (salt, hash []byte, ok bool) {
	parts := strings.Split(s, "|")
	if len(parts) != 4 || parts[0] != "" || parts[1] != "1" {
		return nil, nil, false
	}
	salt, err1 := base64.StdEncoding.DecodeString(parts[2])
	hash, err2 := base64.StdEncoding.DecodeString(parts[3])
	return salt, hash, err1 == nil && err2 == nil && len(hash) == sha1.Size
}

func validHash(s string) bool {
	_, _, ok := splitHash(s)
	return ok
}

func matchHash(s, name string) bool {
	salt, hash, ok := splitHash(s)
	return ok && hmac.Equal(hash, hashName(salt, name))
}

func hashName(salt []byte, name string) []byte {
	mac := hmac.New(sha1.New, salt)
	mac.Write([]byte(name))
	return mac.Sum(nil)
}

// knownKey describes the line's key for messages.
func (l knownLine) knownKey() KnownKey {
	return KnownKey{Fingerprint: ssh.FingerprintSHA256(l.key), KeyType: l.key.Type(), File: l.file, Line: l.line}
}
