//go:build recovery

package requirements_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/requirements"
)

// TestLockFilesOfUV: uv.lock and the pylock.toml of uv are the same requirements, for a project and
// for a member of a workspace.
func TestLockFilesOfUV(t *testing.T) {
	venv := filepath.Join(t.TempDir(), "venv")
	run := func(dir string, args ...string) {
		cmd := exec.CommandContext(t.Context(), args[0], args[1:]...)
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s", out)
	}
	run("", "python3", "-m", "venv", venv)
	run("", filepath.Join(venv, "bin", "pip"), "install", "--quiet", "uv")
	t.Setenv("PATH", filepath.Join(venv, "bin")+":"+os.Getenv("PATH"))
	const backend = "[build-system]\nrequires = ['setuptools']\nbuild-backend = 'setuptools.build_meta'\n"
	top := project(t, map[string]string{
		"pyproject.toml":                 "[project]\nname = 'top'\nversion = '1'\nrequires-python = '>=3.9'\ndependencies = ['click']\n[project.optional-dependencies]\npg = ['idna']\n[dependency-groups]\ndev = ['six']\n[tool.uv.workspace]\nmembers = ['packages/*']\n",
		"packages/member/pyproject.toml": "[project]\nname = 'member'\nversion = '1'\nrequires-python = '>=3.9'\ndependencies = ['lib', 'attrs']\n[tool.uv.sources]\nlib = {path = '../../vendor/lib-1-py3-none-any.whl'}\n" + backend,
		"vendor/lib-1-py3-none-any.whl":  wheel(t, "lib", "1"),
	})
	member := filepath.Join(top, "packages", "member")
	run(top, "uv", "lock")
	run(top, "uv", "export", "--frozen", "--no-dev", "--extra", "pg", "--format", "pylock.toml", "-o", "pylock.toml")
	run(member, "uv", "export", "--frozen", "--no-dev", "--format", "pylock.toml", "-o", "pylock.toml")
	names := func(path, project string, extras ...string) []string {
		f, err := requirements.Read(t.Context(), path, requirements.Options{Project: project, Extras: extras})
		require.NoError(t, err)
		require.True(t, f.Hashed)
		require.Equal(t, ">=3.9", f.RequiresPython)
		var all []string
		for line := range strings.Lines(f.Text) {
			name, _, _ := strings.Cut(line, " ")
			all = append(all, name)
		}
		return all
	}
	require.ElementsMatch(t, names(filepath.Join(top, "pylock.toml"), top, "pg"), names(filepath.Join(top, "uv.lock"), top, "pg"))
	require.Contains(t, strings.Join(names(filepath.Join(top, "uv.lock"), top, "pg"), " "), "idna==")
	require.NotContains(t, strings.Join(names(filepath.Join(top, "uv.lock"), top), " "), "idna")
	require.ElementsMatch(t, names(filepath.Join(member, "pylock.toml"), member), names(filepath.Join(top, "uv.lock"), member))
	require.Contains(t, names(filepath.Join(top, "uv.lock"), member), "lib")
	_, err := requirements.Read(t.Context(), filepath.Join(top, "uv.lock"), requirements.Options{Project: top, Extras: []string{"none"}})
	require.ErrorContains(t, err, "uv.lock: uv export: ")
}
