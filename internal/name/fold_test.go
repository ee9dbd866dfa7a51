package name_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A pattern that ignores case accepts U+017F for s and U+212A for k. No pattern of kis does.
func TestNoPatternIgnoresCase(t *testing.T) {
	t.Parallel()
	assert.Regexp(t, `(?i)^[a-z]+$`, "\u017f\u212a", "the reason for this test")
	folding := regexp.MustCompile(`\(\?[a-zA-Z]*i[a-zA-Z]*[-:)]`)
	files := 0
	require.NoError(t, filepath.WalkDir("../..", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		files++
		text, err := os.ReadFile(path)
		if found := folding.FindString(string(text)); found != "" {
			t.Errorf("%s: %s", path, found)
		}
		return err
	}))
	assert.Greater(t, files, 100)
}
