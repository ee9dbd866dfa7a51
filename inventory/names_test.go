package inventory

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// hostile returns texts that are neither names nor paths.
func hostile() []string {
	return []string{
		"", " ", "a b", "a;b", "$a", "a`b`", "a'b", `a"b`, "a\nb", "a\rb", "a\tb", "a*", "a?", "~a", "a#b", "a&b", "a|b", "a<b", "a>b",
		"-a", "--a", "a\x00b", "a\u202eb", "a\u200bb", "ä", "a\\b$", "(a)", "{a}", "\u017f", "a\u212a", "a=b", "a!b", strings.Repeat("a", 300),
	}
}

func TestHostileNamesAreRefused(t *testing.T) {
	t.Parallel()
	for name, check := range map[string]func(string) error{
		"host": checkHost, "group": checkGroup, "variable": checkVar, "root": checkRoot, "login": checkLogin, "jump": checkJump,
	} {
		for _, text := range hostile() {
			assert.Error(t, check(text), "%s %q", name, text)
		}
	}
}

func TestHostilePathsAreRefused(t *testing.T) {
	t.Parallel()
	for _, text := range hostile() {
		if text == "-a" || text == "--a" {
			continue // no option behind a slash
		}
		require.Error(t, checkRoot("/"+text), "%q", text)
	}
	for _, text := range []string{"/", "/a/..", "/a/./b", "/a//b", "/a/", "/../a"} {
		require.Error(t, checkRoot(text), "%q", text)
	}
}

func TestGoodNames(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		check func(string) error
		names string
	}{
		{checkHost, "web1 1 _x a.b.c. A-b_c 192.0.2.1 fe80::1%eth0 2001:db8::ffff 0::1 xn--bcher-kva"},
		{checkGroup, "web _x a-b_C9"},
		{checkRoot, "/a /var/webcode /srv/a+b/c_d.e-f /-a /..a"},
		{checkLogin, `deploy first.last 0day DOM\user user@realm`},
	} {
		for name := range strings.FieldsSeq(tt.names) {
			require.NoError(t, tt.check(name), name)
		}
	}
	require.NoError(t, checkRoot("/"+strings.Repeat("a", 98)), "99 bytes fit")
}

func TestSameMachineHasOneIdentity(t *testing.T) {
	t.Parallel()
	for _, same := range [][]string{{"Web1.Example.com.", "web1.example.com"}, {"FE80:0:0::1", "fe80::1"}, {"192.0.2.1", "192.0.2.1"}} {
		assert.Equal(t, identity(same[0]), identity(same[1]))
	}
	assert.NotEqual(t, identity("fe80::1%a"), identity("fe80::1%b"))
	assert.NotEqual(t, identity("web1"), identity("web01"))
}

func TestNearestSuggestsOnlyCloseNames(t *testing.T) {
	t.Parallel()
	known := []string{"staging", "production", "qa"}
	for name, want := range map[string]string{
		"stagign": "staging", "prod": "", "prodction": "production", "STAGING": "staging", "qb": "qa", "x": "", "": "",
		strings.Repeat("staging", 100): "",
	} {
		assert.Equal(t, want, nearest(name, known), name)
	}
}
