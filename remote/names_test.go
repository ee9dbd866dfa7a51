package remote_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/name"
	"github.com/keep-it-simple/kis/remote"
)

// special are texts with a special meaning in paths, shells or terminals.
func special() []string {
	return []string{
		"", ".", "..", "/", "-", "-rf", ".kis", "~", "*", "a b", " a-1", "a-1 ", "a-1\n", "\na-1", "a-1\r", "a-1\t", "a-1\x00", "a-1;id", "a-1$(id)", "a-1`id`", "a-1'", `a-1"`, "a-1&", "a-1|cat",
		"a-1>x", "a-1<x", "a-1#", "a-1?", "a-1[x]", "a-1{x}", "a-1\\", "../a-1", "a-1/..", "a-1/", "/a-1", "a/b-1", "a-1\u202e", "a-1\u200b", "é-1", "a-１", "a-\xff",
	}
}

func TestCommandIsMadeOfPlainWords(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ python, become, want string }{
		{"python3", "", "exec /bin/sh -s -- python3"},
		{"/opt/python3.12/bin/python3", "", "exec /bin/sh -s -- /opt/python3.12/bin/python3"},
		{"python3", "app", "exec /usr/bin/env LC_ALL=C /usr/bin/env sudo -n -H -u app -- /bin/sh -s -- python3"},
		{"python3", "Ann.Smith-2", "exec /usr/bin/env LC_ALL=C /usr/bin/env sudo -n -H -u Ann.Smith-2 -- /bin/sh -s -- python3"},
	} {
		python, err := name.ParseInterpreter(test.python)
		require.NoError(t, err)
		var become name.User
		require.NoError(t, become.UnmarshalText([]byte(test.become)))
		assert.Equal(t, test.want, remote.Command(python, become))
	}
}

// The agent validates every name again, because it makes paths of them.
func TestAgentRefusesInvalidNames(t *testing.T) {
	t.Parallel()
	l := owner(t, repository(t))
	for _, run := range append(special(), "short", "UPPER000", strings.Repeat("x", 65)) {
		if run == "" {
			continue // whoever holds the lock
		}
		_, err := l.Break(t.Context(), l.stage, run, "ann@laptop")
		requireRefused(t, err, "bad-request")
	}
	_, err := l.Have(t.Context(), []string{"../locks/staging"})
	requireRefused(t, err, "bad-request")
	for _, root := range []string{"", "relative", "./x", "/nul\x00"} {
		requireRefused(t, opened(t, l.root).Open(t.Context(), root), "bad-request")
	}
}
