package requirements_test

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/requirements"
)

// TestUVLockNeedsUV, or a file that was exported once.
func TestUVLockNeedsUV(t *testing.T) {
	dir := project(t, map[string]string{"uv.lock": "version = 1\n"})
	t.Setenv("PATH", dir)
	path := filepath.Join(dir, "uv.lock")
	_, err := requirements.Read(t.Context(), path, options(dir, nil))
	require.EqualError(t, err, path+": is read with uv, which this machine does not have; install uv, or write a file once: uv export --frozen --no-dev -o requirements.txt")
}
