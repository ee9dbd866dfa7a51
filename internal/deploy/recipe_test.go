package deploy_test

import (
	"crypto/sha256"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/deploy"
	"github.com/keep-it-simple/kis/inventory"
	"github.com/keep-it-simple/kis/remote"
)

// newRecipe reads a recipe in a directory.
func newRecipe(t testing.TB, install inventory.Install, dir string) (deploy.Recipe, error) {
	return deploy.NewRecipe(t.Context(), install, inventory.Shared{}, nil, deploy.Sources{Dir: dir, Project: dir})
}

// withFiles makes a directory of files.
func withFiles(t testing.TB, files map[string]string) string {
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	}
	return dir
}

// TestDigestOfRequirements: what changes the installed packages changes the digest, and nothing else
// does.
func TestDigestOfRequirements(t *testing.T) {
	t.Setenv("KIS_TEST_TOKEN", "one")
	install := inventory.Install{Mode: inventory.ModeEditable, Requirements: "r.txt"}
	base := map[string]string{
		"r.txt":    "--index-url https://ann:secret@h/x\n--extra-index-url https://${KIS_TEST_TOKEN}@h/y\n-r more.txt\n-c c.txt\nflask==3.0\n./x-1.0-py3-none-any.whl\n",
		"more.txt": "attrs\n", "c.txt": "six<2\n", "x-1.0-py3-none-any.whl": "1",
	}
	digest := func(t *testing.T, name, text string) string {
		files := maps.Clone(base)
		if name != "" {
			files[name] = text
		}
		recipe, err := newRecipe(t, install, withFiles(t, files))
		require.NoError(t, err)
		return recipe.Digest
	}
	first := digest(t, "", "")
	for name, same := range map[string]string{
		"comment": "# a comment\r\n" + base["r.txt"], "password": strings.Replace(base["r.txt"], "secret", "other", 1),
		"the included text": strings.Replace(base["r.txt"], "-r more.txt", "attrs", 1),
	} {
		require.Equal(t, first, digest(t, "r.txt", same), name)
	}
	for name, other := range map[string][2]string{
		"version": {"r.txt", strings.Replace(base["r.txt"], "3.0", "3.1", 1)}, "index": {"r.txt", strings.Replace(base["r.txt"], "@h/x", "@h/z", 1)},
		"included": {"more.txt", "attrs==1\n"}, "constraint": {"c.txt", "six<3\n"}, "local file": {"x-1.0-py3-none-any.whl", "2"},
	} {
		require.NotEqual(t, first, digest(t, other[0], other[1]), name)
	}
	t.Setenv("KIS_TEST_TOKEN", "two")
	require.Equal(t, first, digest(t, "", ""), "the value of a variable")
}

// TestFilesOfARecipe: hosts get requirements, constraints and local files by their content.
func TestFilesOfARecipe(t *testing.T) {
	t.Parallel()
	dir := withFiles(t, map[string]string{"r.txt": "-c c.txt\nflask\n.[b_c]\n./x-1.0-py3-none-any.whl\n", "c.txt": "six<2\n", "x-1.0-py3-none-any.whl": "1"})
	recipe, err := newRecipe(t, inventory.Install{Mode: inventory.ModeEditable, Requirements: "r.txt", Extras: []string{"z", "a"}, ExtraIndexURLs: []string{"https://h/x"}}, dir)
	require.NoError(t, err)
	sum := func(text string) string { return fmt.Sprintf("%x", sha256.Sum256([]byte(text))) }
	require.Equal(t, sum("flask\nx @ file://${KIS_LOCALS}/x-1.0-py3-none-any.whl#sha256="+sum("1")+"\n"), recipe.Requirements)
	require.Equal(t, sum("six<2\n"), recipe.Constraints)
	require.Equal(t, []remote.Wheel{{Name: "x-1.0-py3-none-any.whl", SHA256: sum("1")}}, recipe.Locals)
	require.Equal(t, []string{"a", "b-c", "z"}, recipe.Extras)
	require.Equal(t, []string{"https://h/x"}, recipe.ExtraIndexURLs)
	require.Equal(t, []string{"left out of the requirements, because kis installs the application: r.txt:3: .[b_c]"}, recipe.Notices)
}

// FuzzRequirements: requirements are part of a recipe by their content, not by their place.
func FuzzRequirements(f *testing.F) {
	for _, text := range []string{"", "flask==3.0\n", "flask\n-r other.txt\n", "\ufeff-r x", "flask==3.0 --hash=sha256:0a1b\n", "x\\\n  -r y", "\xff-r x", "é"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		install := inventory.Install{Mode: inventory.ModeEditable, Requirements: "requirements.txt"}
		recipe, err := newRecipe(t, install, withFiles(t, map[string]string{"requirements.txt": text}))
		if err != nil {
			return
		}
		same, err := newRecipe(t, install, withFiles(t, map[string]string{"requirements.txt": text}))
		require.NoError(t, err)
		require.Equal(t, recipe.Digest, same.Digest)
	})
}

// FuzzIndexURL: credentials are no part of a recipe, and its errors do not repeat them.
func FuzzIndexURL(f *testing.F) {
	for _, text := range []string{"", "https://index.example/simple", "https://ann:secret@index.example/simple", "https://index.example:x/", "://", "%", "https://[::1", "\x00", "//u:p@h", "https://a b@c/?x=y@z"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		install := inventory.Install{Mode: inventory.ModeEditable, IndexURL: text}
		recipe, err := newRecipe(t, install, t.TempDir())
		if err != nil {
			require.True(t, len(text) < 8 || !strings.Contains(err.Error(), text))
			return
		}
		scheme, rest, some := strings.Cut(text, "://")
		if host, path, slash := strings.Cut(rest, "/"); some && slash && !strings.ContainsAny(text, "@?#% ") && regexp.MustCompile(`^https?$`).MatchString(scheme) {
			install.IndexURL = scheme + "://ann:secret@" + host + "/" + path
			secret, err := newRecipe(t, install, t.TempDir())
			require.NoError(t, err)
			require.Equal(t, recipe.Digest, secret.Digest)
		}
	})
}
