//go:build unix

package sdist

import (
	"io/fs"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestOpenRefusesWhatIsNoFile(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	fifo := filepath.Join(folder, "fifo")
	require.NoError(t, syscall.Mkfifo(fifo, 0o600))

	_, err := Open(filepath.Join(folder, "missing"))
	requireInvalid(t, err, filepath.Join(folder, "missing")+": stat: no such file or directory")
	require.ErrorIs(t, err, fs.ErrNotExist)
	_, err = Open(folder)
	requireInvalid(t, err, "is a folder: name the .tar.gz")
	_, err = Open(fifo) // must not wait for a writer
	requireInvalid(t, err, "fifo: is not a regular file")
}
