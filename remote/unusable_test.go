package remote_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/remote"
)

// The mode of a directory does not show chattr(1).
func TestImmutableRootIsRefused(t *testing.T) {
	t.Parallel()
	requireSuperuser(t)
	for _, letter := range []string{"i", "a"} {
		t.Run(letter, func(t *testing.T) {
			t.Parallel()
			root := repository(t)
			sh(t, root, "chattr +"+letter+" .")
			t.Cleanup(func() { sh(t, root, "chattr -"+letter+" .") })
			facts, err := opened(t, root).Check(t.Context(), remote.CheckRequest{})
			require.NoError(t, err)
			require.Len(t, facts.Problems, 1)
			assert.Equal(t, remote.CodeReadOnlyRoot, facts.Problems[0].Code)
			assert.Contains(t, facts.Problems[0].Message, "(chattr +"+letter+")")
			sh(t, root, strings.TrimPrefix(facts.Problems[0].Hint, "let it change: sudo "))
			facts, err = opened(t, root).Check(t.Context(), remote.CheckRequest{})
			require.NoError(t, err)
			require.Empty(t, facts.Problems)
		})
	}
}

// The inventory checks the root as written, which may be a link to another path.
func TestRootWhoseScriptsCouldNotRunIsRefused(t *testing.T) {
	t.Parallel()
	for name, directory := range map[string]string{"too long": strings.Repeat("x", 100), "with a space": "my code", "with a colon": "a:b"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			top := t.TempDir()
			link := filepath.Join(top, "link")
			require.NoError(t, os.Mkdir(filepath.Join(top, directory), 0o755))
			require.NoError(t, os.Symlink(directory, link))
			l := opened(t, link)
			facts, err := l.Check(t.Context(), remote.CheckRequest{Build: true})
			require.NoError(t, err)
			require.Len(t, facts.Problems, 1)
			assert.Equal(t, remote.CodeUnusableRoot, facts.Problems[0].Code)
			assert.Contains(t, facts.Problems[0].Hint, "resolved path")
			facts, err = l.Check(t.Context(), remote.CheckRequest{})
			require.NoError(t, err)
			require.Empty(t, facts.Problems, "what is there can be looked at, and linked")
		})
	}
}

func TestAllMissingToolsAreReported(t *testing.T) {
	t.Parallel()
	l := confined(t, repository(t), `mount --bind /dev/null /usr/bin/tar; mount --bind /dev/null /usr/bin/gzip
venv=$(/usr/bin/python3 -c 'import os, venv; print(os.path.dirname(venv.__file__))')
mount -t tmpfs none "$venv"`)
	facts, err := l.Check(t.Context(), remote.CheckRequest{Build: true})
	require.NoError(t, err)
	var found []string
	for _, p := range facts.Problems {
		found = append(found, string(p.Code)+": "+p.Message+": "+p.Hint)
	}
	require.Equal(t, []string{
		"no-tool: tar is missing: install it: apt install tar",
		"no-tool: gzip is missing: install it: apt install gzip",
		"no-venv: this python3 has no venv module: install it: apt install python3-venv",
	}, found)
}
