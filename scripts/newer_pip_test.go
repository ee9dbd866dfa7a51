//go:build recovery

package scripts_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/testenv/piptest"
)

// An old pip fetches a newer one for editable installs, from the wheels where there are any.
func TestEnvironmentIsBuiltWithANewerPip(t *testing.T) {
	t.Parallel()
	pip := piptest.Folder(t, python)
	wheel := strings.TrimSpace(runs(t, python, "-c", "import os, sys; sys.path.insert(0, sys.argv[1]); from kisagent import bundled; print(bundled.pip_wheel())", here(t)))
	text, err := os.ReadFile(wheel)
	require.NoError(t, err)
	s := shells(t)[0]
	wheels, _ := wheelhouse(t, "")
	top, newer := project(t, nil), filepath.Join(t.TempDir(), "newer")
	r := s.step(t, "environment", top, python, pip, "editable", "", "", wheels, newer)
	requireFailed(t, r, "this host's pip is too old for editable installs (PEP 660), and no newer one could be installed")
	require.Contains(t, r.records["hint"], "add a wheel of pip to wheels:")

	require.NoError(t, os.WriteFile(filepath.Join(wheels, filepath.Base(wheel)), text, 0o600))
	top = project(t, nil)
	requireFinished(t, s.step(t, "environment", top, python, pip, "editable", "", "", wheels, newer), "environment")
	require.FileExists(t, filepath.Join(newer, "pip/__main__.py"))
	require.NoFileExists(t, filepath.Join(top, ".venv/bin/pip"))
}
