package docpage

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const sample = "# Title\n\nProse.\n\n## First\n\n```toml a/b.toml\nx = 1\n```\n\n```console\n$ cat a/b.toml\nx = …\n$ (echo one\n>  exit 3)\n…\n$ echo $?\n3\n```\n\n" +
	"## Prose only\n\nText.\n\n## Second\n\n```console\n$ true\n```\n"

func TestAPageIsFollowedWordByWord(t *testing.T) {
	t.Parallel()
	sections, err := parse(sample)
	require.NoError(t, err)
	dir := t.TempDir()
	p := &Page{tb: t, path: "sample.md", dir: dir, sections: sections}
	p.Follow("First")
	p.Follow("Second")
	assert.Empty(t, p.sections)
	text, err := os.ReadFile(filepath.Join(dir, "a", "b.toml"))
	require.NoError(t, err)
	assert.Equal(t, "x = 1\n", string(text))
}

func TestABlockThatNothingWouldRunIsAnError(t *testing.T) {
	t.Parallel()
	for text, says := range map[string]string{
		"```\nls\n```":             "line 1: a block \"\" is neither",
		"```sh\nls\n```":           "line 1: a block \"sh\" is neither",
		"x\n```ini ../up\n```":     "line 2: a block \"ini ../up\" is neither",
		"```ini /etc/x\n```":       "neither",
		"  ```console\n$ ls\n```":  "line 1: a fence has to begin its line",
		"~~~\nls\n~~~":             "a fence has to begin its line",
		"```console\n$ ls\n":       "line 1: the block has no end",
		"```console\nls\n```":      "line 2: output of no command",
		"```console\n> more\n```":  "line 2: output of no command",
		"```console\n```":          "line 1: no command",
		"```ini a b c\nx\n```":     "neither",
		"```console --x\n$ a\n```": "neither",
	} {
		_, err := parse(text)
		assert.ErrorContains(t, err, says, text)
	}
}

func TestShownOutputIsCompared(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		shown, printed string
		same           bool
	}{
		{"", "", true},
		{"", "x", false},
		{"x", "", false},
		{"x", "x", true},
		{"…", "", true},
		{"…", "a\nb", true},
		{"a\n…\nd", "a\nb\nc\nd", true},
		{"a\n…\nd", "a\nb\nc", false},
		{"done (…s)", "done (2.3s)", true},
		{"done (…s)", "done (2.3s) or not", false},
		{"… of … on web1", "1 of 2 on web1", true},
		{"… of … on web1", "1 on web1", false},
		{"…", "", true},
		{"a…a", "a", false},
	} {
		assert.Equal(t, c.same, matches(split(c.shown), split(c.printed)), "%q shown, %q printed", c.shown, c.printed)
	}
}

// TestThePagesCanBeRun finds a block that nothing runs without running any.
func TestThePagesCanBeRun(t *testing.T) {
	t.Parallel()
	for _, name := range Pages() {
		text, err := os.ReadFile(filepath.Join(Dir(t), name))
		require.NoError(t, err)
		_, err = parse(string(text))
		require.NoError(t, err, name)
		assert.NotContains(t, strings.ToLower(string(text)), "todo", name)
	}
}
