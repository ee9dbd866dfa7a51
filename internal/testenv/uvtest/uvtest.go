// Package uvtest gives tests a real uv, from the index that pip is configured for.
package uvtest

import (
	"archive/zip"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/testenv/testcache"
)

// The releases that tests use.
const (
	Oldest = "0.4.0" // that kis takes, see scripts/kisagent/uv.py
	Old    = "0.3.5" // that it does not take
	Newest = "0.13.9"
)

// Path is the executable of a release. All tests of the user have the same, so nobody may change it.
func Path(tb testing.TB, release string) string {
	tb.Helper()
	return filepath.Join(testcache.Entry(tb, "uv-"+release, func(path string) {
		downloads := tb.TempDir()
		out, err := exec.CommandContext(tb.Context(), "python3", "-m", "pip", "download", "-q", "--no-deps", "--only-binary", ":all:", "-d", downloads, "uv=="+release).CombinedOutput()
		require.NoError(tb, err, "%s", out)
		wheels, err := filepath.Glob(filepath.Join(downloads, "*.whl"))
		require.NoError(tb, err)
		require.Len(tb, wheels, 1)
		require.NoError(tb, os.Mkdir(path, 0o755)) //nolint:gosec // uv is no secret
		extract(tb, wheels[0], filepath.Join(path, "uv"))
	}), "uv")
}

// extract takes the executable out of a wheel of uv.
func extract(tb testing.TB, wheel, path string) {
	tb.Helper()
	archive, err := zip.OpenReader(wheel)
	require.NoError(tb, err)
	defer archive.Close() //nolint:errcheck // only read
	for _, member := range archive.File {
		if !strings.HasSuffix(member.Name, ".data/scripts/uv") {
			continue
		}
		in, err := member.Open()
		require.NoError(tb, err)
		data, err := io.ReadAll(in)
		require.NoError(tb, err)
		require.NoError(tb, os.WriteFile(path, data, 0o755)) //nolint:gosec // likewise
		return
	}
	require.Fail(tb, "no uv in "+wheel)
}
