package pybuild

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestLockReportsFilesThatCannotBeLocked(t *testing.T) {
	t.Parallel()
	file, err := os.Create(filepath.Join(t.TempDir(), "file"))
	require.NoError(t, err)
	require.NoError(t, file.Close())
	_, err = lock(t.Context(), file, nil)
	require.ErrorIs(t, err, errNoLocks)
}
