package scripts_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestHomeForPip: a ~/.pydistutils.cfg says where setuptools builds and installs. pip sees everything else that is there.
func TestHomeForPip(t *testing.T) {
	t.Parallel()
	own, directory := t.TempDir(), filepath.Join(t.TempDir(), "home")
	require.NoError(t, os.WriteFile(filepath.Join(own, ".netrc"), []byte("machine x"), 0o600))
	require.NoError(t, os.Mkdir(filepath.Join(own, ".cache"), 0o700))
	home := func() string {
		return strings.TrimSpace(runs(t, python, "-B", "-c", "import sys; sys.path.insert(0, sys.argv[1]); from kisagent import settings; print(settings.home(*sys.argv[2:]))", here(t), own, directory))
	}
	assert.Equal(t, own, home(), "the user's own, if there is no such file")
	assert.NoDirExists(t, directory)

	require.NoError(t, os.WriteFile(filepath.Join(own, ".pydistutils.cfg"), []byte("[build]\nbuild-base = /elsewhere\n"), 0o600))
	assert.Equal(t, directory, home())
	names, err := os.ReadDir(directory)
	require.NoError(t, err)
	assert.Len(t, names, 2)
	text, err := os.ReadFile(filepath.Join(directory, ".netrc"))
	require.NoError(t, err)
	assert.Equal(t, "machine x", string(text))
	info, err := os.Stat(filepath.Join(directory, ".cache"))
	require.NoError(t, err)
	assert.True(t, info.IsDir())
}
