package deploy_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode"

	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/deploy"
	"github.com/keep-it-simple/kis/inventory"
)

// requirementLines splits a requirements file as pip does: Python's str.splitlines and str.strip.
func requirementLines(text string) []string {
	ends := regexp.MustCompile("\r\n|[\n\r\v\f\x1c\x1d\x1e\u0085\u2028\u2029]")
	var lines []string
	for _, line := range ends.Split(strings.TrimPrefix(text, "\ufeff"), -1) {
		lines = append(lines, strings.TrimFunc(line, func(r rune) bool { return unicode.IsSpace(r) || r >= 0x1c && r <= 0x1f }))
	}
	return lines
}

// FuzzRequirements: a requirements file is accepted exactly if none of its lines, as pip splits
// them, refers to another file; and its name is part of the recipe by its content only.
func FuzzRequirements(f *testing.F) {
	for _, text := range []string{
		"", "flask==3.0\n", "flask\n-r other.txt\n", " \t-c x", "flask\r-r x", "flask\u2028-e .", "flask\x1c--find-links x", "\ufeff-r x", "\u00a0-r x", "\v-f x\n", "# -r x\n#\u0085-r y", "flask # -r x", "-i https://x/ -r y",
		"flask==3.0 --hash=sha256:0a1b\n", "x\\\n  -r y", "./local", "../x", "file:x", ".hidden", "-\x00r x", "\xff-r x", "--requirement=x", "-rx", strings.Repeat(" ", 9000) + "-r x",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		dir := t.TempDir()
		path := filepath.Join(dir, "requirements.txt")
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		install := inventory.Install{Mode: inventory.ModeEditable, Requirements: "requirements.txt"}
		recipe, err := deploy.NewRecipe(install, inventory.Shared{}, nil, dir)
		nested := false
		for _, line := range requirementLines(text) {
			for _, option := range []string{"-r", "-c", "-e", "--requirement", "--constraint", "--editable", "--find-links", "-f", "file:", "./", "../"} {
				nested = nested || strings.HasPrefix(line, option)
			}
		}
		require.Equal(t, nested, err != nil, "%v", err)
		if err != nil {
			var line int
			_, scanned := fmt.Sscanf(strings.TrimPrefix(err.Error(), "install.requirements: "+path+":"), "%d:", &line)
			require.NoError(t, scanned, "%v", err)
			require.True(t, line >= 1 && line <= 1+strings.Count(text, "\n"))
			return
		}
		again := filepath.Join(dir, "again")
		require.NoError(t, os.Mkdir(again, 0o700))
		require.NoError(t, os.Rename(path, filepath.Join(again, "requirements.txt")))
		same, err := deploy.NewRecipe(install, inventory.Shared{}, nil, again)
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
		recipe, err := deploy.NewRecipe(install, inventory.Shared{}, nil, t.TempDir())
		if err != nil {
			require.True(t, len(text) < 8 || !strings.Contains(err.Error(), text))
			return
		}
		scheme, rest, some := strings.Cut(text, "://")
		if host, path, slash := strings.Cut(rest, "/"); some && slash && !strings.ContainsAny(text, "@?#% ") && regexp.MustCompile(`^https?$`).MatchString(scheme) {
			install.IndexURL = scheme + "://ann:secret@" + host + "/" + path
			secret, err := deploy.NewRecipe(install, inventory.Shared{}, nil, t.TempDir())
			require.NoError(t, err)
			require.Equal(t, recipe.Digest, secret.Digest)
		}
	})
}
