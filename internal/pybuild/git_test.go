package pybuild

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestTheRevisionOfTheProject(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("GIT_CONFIG_GLOBAL", filepath.Join(dir, "none"))
	t.Setenv("GIT_CONFIG_SYSTEM", filepath.Join(dir, "none"))
	t.Setenv("GIT_CEILING_DIRECTORIES", filepath.Dir(dir))
	git := func(args ...string) string {
		t.Helper()
		args = append([]string{"-C", dir, "-c", "user.name=ann", "-c", "user.email=ann@example.org"}, args...)
		out, err := exec.CommandContext(t.Context(), "git", args...).CombinedOutput()
		require.NoError(t, err, string(out))
		return string(out)
	}
	write := func(name, text string) {
		t.Helper()
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644))
	}
	revision := func() string { return checkedOut(t.Context(), dir) }

	assert.Empty(t, revision(), "no repository")
	git("init", "-q")
	assert.Empty(t, revision(), "nothing committed")
	write("app.py", "1")
	git("add", "app.py")
	git("commit", "-q", "-m", "first")
	first := revision()
	assert.Regexp(t, `^[0-9a-f]{12}$`, first)
	write("notes", "a file that git does not know is no change")
	assert.Equal(t, first, revision())
	write("app.py", "2")
	assert.Equal(t, first+"+", revision())
	git("add", "app.py")
	assert.Equal(t, first+"+", revision(), "neither is it committed once it is staged")
	git("commit", "-q", "-m", "second")
	second := revision()
	assert.Regexp(t, `^[0-9a-f]{12}$`, second)
	assert.NotEqual(t, first, second)
	git("checkout", "-q", "--detach", first)
	assert.Equal(t, first, revision())

	t.Setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
	assert.Empty(t, revision(), "git reads no configuration of another user, and so refuses to answer")
	t.Setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "0")
	assert.Equal(t, first, revision())

	t.Setenv("PATH", t.TempDir())
	assert.Empty(t, revision(), "no git")
}

// FuzzParseRevision: whatever git says, the revision is one word that every journal can hold.
func FuzzParseRevision(f *testing.F) {
	f.Add([]byte("0123456789ab\n"), []byte(""))
	f.Add([]byte("0123456789ab\n"), []byte(" M x\n"))
	f.Add([]byte("warning: x\n0123456789ab\n"), []byte(""))
	f.Add([]byte("HEAD"), []byte(""))
	f.Add([]byte("\x1b[31m0123456789ab\x00"), []byte(""))
	f.Add(bytes.Repeat([]byte("a"), 9000), []byte(""))
	f.Fuzz(func(t *testing.T, head, changed []byte) {
		revision := parseRevision(head, changed)
		if revision == "" {
			return
		}
		require.Regexp(t, `^[0-9a-f]{12,64}\+?$`, revision)
		require.Contains(t, string(head), strings.TrimSuffix(revision, "+"))
		require.Equal(t, len(changed) > 0, strings.HasSuffix(revision, "+"))
	})
}
