package testenv

import (
	"crypto/sha256"
	"encoding/hex"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/testenv/testcache"
)

// Python is the interpreter of this machine and so of its hosts.
const Python = "/usr/bin/python3"

// Wheelhouse is a directory with the wheels of some requirements and of all they need. It is filled
// once, from the index that pip is configured for.
func Wheelhouse(t *testing.T, requirements ...string) string {
	t.Helper()
	version, err := exec.CommandContext(t.Context(), Python, "--version").Output()
	require.NoError(t, err)
	sum := sha256.Sum256([]byte(strings.Join(append(requirements, string(version)), "\n")))
	return testcache.Entry(t, "wheels-"+hex.EncodeToString(sum[:6]), func(path string) {
		args := append([]string{"-m", "pip", "download", "-q", "--only-binary", ":all:", "-d", path}, requirements...)
		out, err := exec.CommandContext(t.Context(), Python, args...).CombinedOutput()
		require.NoError(t, err, "a wheelhouse has to be filled once, from pip's index: %s", out)
	})
}
