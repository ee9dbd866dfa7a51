package site

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Python is the interpreter of this machine and so of its hosts.
const Python = "/usr/bin/python3"

// Wheelhouse is a folder with the wheels of some requirements and of all they need. It is filled once, from the index that pip is configured
// for, and kept in the user's cache.
func Wheelhouse(t *testing.T, requirements ...string) string {
	t.Helper()
	cache, err := os.UserCacheDir()
	require.NoError(t, err)
	version, err := exec.CommandContext(t.Context(), Python, "--version").Output()
	require.NoError(t, err)
	sum := sha256.Sum256([]byte(strings.Join(append(requirements, string(version)), "\n")))
	folder := filepath.Join(cache, "kis-test", "wheels-"+hex.EncodeToString(sum[:6]))
	if _, err := os.Stat(folder); err == nil {
		return folder
	}
	require.NoError(t, os.MkdirAll(filepath.Dir(folder), 0o755))  //nolint:gosec // wheels are no secret
	beside, err := os.MkdirTemp(filepath.Dir(folder), "filling-") //nolint:usetesting // renamed into place, which needs the same file system
	require.NoError(t, err)
	defer os.RemoveAll(beside) //nolint:errcheck // renamed, or left to the cache
	args := append([]string{"-m", "pip", "download", "-q", "--only-binary", ":all:", "-d", beside}, requirements...)
	out, err := exec.CommandContext(t.Context(), Python, args...).CombinedOutput()
	require.NoError(t, err, "a wheelhouse has to be filled once, from pip's index: %s", out)
	if err := os.Rename(beside, folder); err != nil {
		require.DirExists(t, folder, "%v", err) // another test was faster
	}
	return folder
}
