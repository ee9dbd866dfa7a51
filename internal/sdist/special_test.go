//go:build unix

package sdist

import (
	"io/fs"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestOpenRefusesNonFiles(t *testing.T) {
	t.Parallel()
	directory := t.TempDir()
	fifo := filepath.Join(directory, "fifo")
	require.NoError(t, syscall.Mkfifo(fifo, 0o600))

	_, err := Open(filepath.Join(directory, "missing"))
	requireInvalid(t, err, filepath.Join(directory, "missing")+": stat: no such file or directory")
	require.ErrorIs(t, err, fs.ErrNotExist)
	_, err = Open(directory)
	requireInvalid(t, err, "is a directory: name the .tar.gz")
	_, err = Open(fifo) // must not wait for a writer
	requireInvalid(t, err, "fifo: is not a regular file")
}
