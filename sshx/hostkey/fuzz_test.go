package hostkey

import (
	"crypto/ed25519"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"
)

// A pattern matches what the equal regular expression matches, in linear time for real names.
func FuzzMatchPattern(f *testing.F) {
	f.Add("web?.*.org", "web1.example.org")
	f.Add("*", "")
	f.Add("", "")
	f.Add("**?", "a")
	f.Add(strings.Repeat("*a", 30)+"b", strings.Repeat("a", 250))
	f.Fuzz(func(t *testing.T, pattern, name string) {
		begin := time.Now()
		got := MatchPattern(pattern, name)
		require.Less(t, time.Since(begin), 5*time.Second)
		if len(pattern) > 300 || strings.ContainsFunc(pattern+name, func(r rune) bool { return r >= 0x80 }) {
			return // a regular expression matches letters, a pattern bytes
		}
		same := regexp.MustCompile(`(?s)\A` + strings.NewReplacer(`\*`, `.*`, `\?`, `.`).Replace(regexp.QuoteMeta(pattern)) + `\z`)
		require.Equal(t, same.MatchString(name), got)
	})
}

// Lines that cannot be parsed are reported, except @revoked lines: these are never ignored. What
// one line decides does not depend on damaged lines beside it.
func FuzzKnownHosts(f *testing.F) {
	public, _, err := ed25519.GenerateKey(zeros{})
	require.NoError(f, err)
	key, err := ssh.NewPublicKey(public)
	require.NoError(f, err)
	written := strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key)))
	f.Add("web1 "+written, "web1")
	f.Add("[web1]:2222,!web2,* "+written+" comment\n@revoked * "+written, "web1")
	f.Add("@cert-authority *.org "+written+"\n@revoked", "web1")
	f.Add("@revoked |1|x|y "+written+"\n@revoked | x\n@revokedweb1 x", "web1")
	f.Add("|1|AAAA|AAAAAAAAAAAAAAAAAAAAAAAAAAA= "+written+"\n|1|| "+written+"\n| "+written, "web1")
	f.Add("@unknown web1 "+written+"\n@ \n,\n \x00\xff\x1b[31m\n"+strings.Repeat("*a", 40)+"b "+written, strings.Repeat("a", 200))
	f.Add("web1 ssh-ed25519 AAAA\nweb1 ssh-rsa "+strings.Repeat("A", 9000), "web1")
	f.Fuzz(func(t *testing.T, text, name string) {
		var k knownHosts
		revoked := 0
		for i, line := range strings.Split(text, "\n") {
			line = strings.TrimSpace(line)
			before := len(k.lines) + len(k.warnings)
			k.add("known_hosts", i+1, []byte(line))
			comment := line == "" || line[0] == '#'
			require.Equal(t, !comment, len(k.lines)+len(k.warnings) == before+1, "%q", line)
			if strings.HasPrefix(line, "@revoked") {
				require.NotEmpty(t, k.lines)
				require.Equal(t, i+1, k.lines[len(k.lines)-1].line, "%q is ignored", line)
				revoked++
			}
		}
		for _, l := range k.lines {
			require.NotEmpty(t, l.hosts)
			require.True(t, l.key != nil || l.marker == "revoked")
			if l.marker == "revoked" {
				revoked--
			}
		}
		require.LessOrEqual(t, revoked, 0)
		for _, w := range k.warnings {
			require.False(t, strings.ContainsFunc(w, func(r rune) bool { return !unicode.IsPrint(r) && r != '\ufffd' }), "%q", w)
		}
		policy := Policy{Host: "web1", HostName: name, Port: 22}
		begin := time.Now()
		first := k.decide(policy, key, begin)
		require.Less(t, time.Since(begin), 5*time.Second)
		k.add("known_hosts", 1_000_000, []byte("damaged"))
		require.Equal(t, first, k.decide(policy, key, begin))
		k.add("known_hosts", 1_000_001, []byte("@revoked * "+written))
		last := k.decide(policy, key, begin)
		require.NotNil(t, last)
		require.Equal(t, Revoked, last.Kind)
	})
}

// zeros makes the same key at every run.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }
