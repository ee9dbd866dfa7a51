package remote_test

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/testenv/uvtest"
	"github.com/keep-it-simple/kis/internal/timeouts"
	"github.com/keep-it-simple/kis/remote"
)

// withUV is opened in a shell whose PATH begins with a directory, and whose variables would have uv write elsewhere.
func withUV(t *testing.T, root, directory string) *local {
	t.Helper()
	c := command()
	c.Env = append(os.Environ(), "PATH="+directory+":/usr/bin:/bin", "UV_TARGET="+directory+"/elsewhere", "UV_LINK_MODE=symlink", "UV_INDEX_URL=http://127.0.0.1:9/")
	l, err := launchOver(t, c, root, func(out io.Reader) io.Reader { return out }, timeouts.Default())
	require.NoError(t, err)
	require.NoError(t, l.Open(t.Context(), root))
	l.root = root
	return l
}

// TestEnvironmentFilledByUV is sealed like another one.
func TestEnvironmentFilledByUV(t *testing.T) {
	t.Parallel()
	directory := filepath.Dir(uvtest.Path(t, uvtest.Newest))
	l := withUV(t, pushed(t), directory)
	l.lock(t, "staging")
	facts, err := l.Check(t.Context(), remote.CheckRequest{Build: true, Installer: remote.UV})
	require.NoError(t, err)
	require.Empty(t, facts.Problems)
	a, wheel := tiny(t, ""), dep(t)
	l.unpack(t, a)
	l.place(t, wheel)
	given := remote.Wheel{Name: "dep-1.0-py3-none-any.whl", SHA256: digest(wheel)}
	recipe := remote.Recipe{Mode: remote.Editable, Installer: remote.UV, Wheels: []remote.Wheel{given}}
	var said []string
	installed, err := l.environment(t.Context(), t, a, recipe, func(line string) { said = append(said, line) })
	require.NoError(t, err, "%v", said)
	require.Equal(t, []string{"dep==1.0", "tiny==1.0"}, installed)
	modified := time.Unix(1_700_000_000, 0)
	require.NoError(t, l.Freeze(t.Context(), modified))
	l.requireTimes(t, "tiny-1.0", modified)
	_, err = l.Seal(t.Context(), a.Source, remote.Provenance{})
	require.NoError(t, err)
	require.NoDirExists(t, filepath.Join(directory, "elsewhere"))
	installers, err := filepath.Glob(filepath.Join(l.root, "tiny-1.0/.venv/lib/python3*/site-packages/dep-1.0.dist-info/INSTALLER"))
	require.NoError(t, err)
	require.Len(t, installers, 1)
	text, err := os.ReadFile(installers[0])
	require.NoError(t, err)
	require.Equal(t, "uv", string(text))
	left, err := filepath.Glob(filepath.Join(l.root, ".kis/run/*/uv-cache"))
	require.NoError(t, err)
	require.Empty(t, left, "a cache is as large as the environment")
}

// TestUVRefusesAWheel that does not hold what its name says, with a remedy.
func TestUVRefusesAWheel(t *testing.T) {
	t.Parallel()
	l := withUV(t, pushed(t), filepath.Dir(uvtest.Path(t, uvtest.Newest)))
	l.lock(t, "staging")
	a, wheel := tiny(t, ""), dep(t)
	l.unpack(t, a)
	l.place(t, wheel)
	request := remote.EnvironmentRequest{
		Wheels: []remote.Wheel{{Name: "other-1.0-py3-none-any.whl", SHA256: digest(wheel)}}, Library: l.installer(t),
		Recipe: remote.Recipe{Installer: remote.UV}, Within: time.Minute,
	}
	_, err := l.Environment(t.Context(), request, nil)
	requireRefused(t, err, remote.CodeStepFailed)
	require.ErrorContains(t, err, "uv could not fill the environment")
	require.NotEmpty(t, refusal(t, err).Hint)
	require.NotEmpty(t, refusal(t, err).Tail)
}

// TestUnsuitableUVIsRefused by the check, and by a host that lacks a package which is linked. A sealed package needs none.
func TestUnsuitableUVIsRefused(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		says    string
		code    remote.Code
		message string
	}{
		"too old":      {"echo uv 0.3.5", remote.CodeOldUV, "uv is too old to fill environments: %s/uv is 0.3.5, and 0.4.0 is needed"},
		"no version":   {"echo help", remote.CodeNoUV, "%s/uv --version does not say a version: help"},
		"does not run": {"exit 127", remote.CodeNoUV, "%s/uv --version does not say a version: "},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			directory := t.TempDir()
			require.NoError(t, os.WriteFile(filepath.Join(directory, "uv"), []byte("#!/bin/sh\n"+test.says+"\n"), 0o755))
			l := withUV(t, pushed(t), directory)
			l.lock(t, "staging")
			facts, err := l.Check(t.Context(), remote.CheckRequest{Build: true, Installer: remote.UV})
			require.NoError(t, err)
			require.Len(t, facts.Problems, 1)
			assert.Equal(t, test.code, facts.Problems[0].Code)
			assert.Equal(t, fmt.Sprintf(test.message, directory), facts.Problems[0].Message)
			assert.Contains(t, facts.Problems[0].Hint, "leave installer: out")
			a := tiny(t, "")
			l.unpack(t, a)
			_, err = l.Environment(t.Context(), remote.EnvironmentRequest{Library: l.installer(t), Recipe: remote.Recipe{Installer: remote.UV}, Within: time.Minute}, nil)
			requireRefused(t, err, test.code)
		})
	}
}
