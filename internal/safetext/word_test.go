package safetext_test

import (
	"os/exec"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/safetext"
)

// TestWordIsOneWordOfEveryShell: a shell passes on what Word was given.
func TestWordIsOneWordOfEveryShell(t *testing.T) {
	t.Parallel()
	for _, shell := range [][]string{{"sh", "-c"}, {"bash", "-c"}, {"busybox", "sh", "-c"}, {"zsh", "-c"}} {
		for _, text := range []string{
			"", "web1", "a b", "it's", `CORP\jane`, `a\\b\`, "jane@corp.example", "projecta-1!2.0", "!web1,!web2", "$(id)", "`id`", "$HOME", "~/x", "*", "?", "#x", "a\tb", "a\nb",
			`"`, "{a,b}", "a;b|c&d>e<f", "é", "=x", "-rf",
		} {
			command := slices.Concat(shell[1:], []string{"printf %s " + safetext.Word(text)})
			out, err := exec.CommandContext(t.Context(), shell[0], command...).Output()
			require.NoError(t, err, "%s %q", shell, text)
			assert.Equal(t, text, string(out), "%s", shell)
		}
	}
	assert.Equal(t, "web1,web2", safetext.Word("web1,web2"), "no quotes where none are needed")
}
