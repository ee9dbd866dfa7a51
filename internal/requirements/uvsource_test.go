package requirements_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/requirements"
	"github.com/keep-it-simple/kis/internal/testenv/uvtest"
)

// pyproject is a project of this name, and more of its file.
func pyproject(name, more string) string {
	return "[project]\nname = '" + name + "'\nversion = '1'\nrequires-python = '>=3.9'\n" + more
}

// uvLockHead is the beginning of a lock file of a project app that requires dep, which is at the end.
const uvLockHead = `version = 1
requires-python = ">=3.9"

[[package]]
name = "app"
version = "1"
source = { virtual = "." }
dependencies = [{ name = "dep" }]

[package.metadata]
requires-dist = [{ name = "dep" }]

[[package]]
name = "dep"
version = "1"
`

// lockedDep is uvLockHead and the rest, with the package of an index.
func lockedDep(index, hash string) string {
	return uvLockHead + "source = { registry = \"" + index + "\" }\nwheels = [{ url = \"https://files.example/dep-1-py3-none-any.whl\"" + hash + " }]\n"
}

const (
	someHash = `, hash = "sha256:9d965739bee8bb6a1ed4bc8a8f2c8bb9ea0d9ab0ae8a3f6d8d4ea7d1b3e1b9c2"`
	corp     = "https://corp.example/simple"
)

// readUVLock reads dir/uv.lock with a real uv.
func readUVLock(t *testing.T, dir string, o requirements.Options) (*requirements.File, error) {
	t.Helper()
	t.Setenv("PATH", filepath.Dir(uvtest.Path(t, uvtest.Newest))+":"+os.Getenv("PATH"))
	return requirements.Read(t.Context(), filepath.Join(dir, "uv.lock"), o)
}

// TestIndexesOfUVLock: hashes keep packages of other indexes out, and the user is told of the index. Without hashes the
// inventory must name it.
func TestIndexesOfUVLock(t *testing.T) {
	const notice = "uv.lock has packages of " + corp + ": hosts need that index in install.index_url, install.extra_index_urls, or their own pip configuration"
	const unsafe = `uv.lock:13: "dep" comes from ` + corp + ", which has no hashes, and hosts may find another package of that name; name that index in install.index_url or install.extra_index_urls"
	const directory = `uv.lock:13: "dep" comes from whl, a directory of this machine, which hosts do not have; name a directory of all wheels in install.wheels of the inventory`
	for name, test := range map[string]struct {
		lock            string
		options         requirements.Options
		notice, refused string
	}{
		"of PyPI":                      {lockedDep("https://pypi.org/simple", someHash), requirements.Options{}, "", ""},
		"another one":                  {lockedDep(corp, someHash), requirements.Options{Indexes: []string{"", "https://other.example/"}}, notice, ""},
		"that hosts are told of":       {lockedDep(corp, ""), requirements.Options{Indexes: []string{"https://me:secret@corp.example/simple/"}}, "", ""},
		"without hashes":               {lockedDep(corp, ""), requirements.Options{}, "", unsafe},
		"without hashes, given wheels": {lockedDep(corp, ""), requirements.Options{Wheels: true}, "", ""},
		"a directory":                  {uvLockHead + "source = { registry = \"whl\" }\nwheels = [{ path = \"dep-1-py3-none-any.whl\" }]\n", requirements.Options{}, "", directory},
	} {
		t.Run(name, func(t *testing.T) {
			dir := project(t, map[string]string{"pyproject.toml": pyproject("app", "dependencies = ['dep']\n"), "uv.lock": test.lock})
			f, err := readUVLock(t, dir, test.options)
			if test.refused != "" {
				require.EqualError(t, err, dir+"/"+test.refused)
				return
			}
			require.NoError(t, err)
			assert.True(t, strings.HasPrefix(f.Text, "dep==1"), f.Text)
			assert.Equal(t, test.notice, strings.Join(f.Notices, "\n"))
		})
	}
}

// TestEnvironmentsOfUVLock: a host that it was not locked for would lack what only that needs.
func TestEnvironmentsOfUVLock(t *testing.T) {
	lock := strings.Replace(lockedDep("https://pypi.org/simple", someHash), "\n\n", "\nsupported-markers = [\"sys_platform == 'win32'\"]\n\n", 1)
	dir := project(t, map[string]string{"pyproject.toml": pyproject("app", "dependencies = ['dep']\n"), "uv.lock": lock})
	f, err := readUVLock(t, dir, requirements.Options{})
	require.NoError(t, err)
	assert.Equal(t, []string{"sys_platform == 'win32'"}, f.Environments)
}

// TestDefaultGroupsOfUVLock are those of a developer's environment.
func TestDefaultGroupsOfUVLock(t *testing.T) {
	const dev = "\n[package.dev-dependencies]\nNAME = [{ name = \"dep\" }]\n\n[package.metadata]\n\n[package.metadata.requires-dev]\nNAME = [{ name = \"dep\" }]\n"
	lock := lockedDep("https://pypi.org/simple", someHash)
	lock = strings.Replace(lock, "dependencies = [{ name = \"dep\" }]\n\n[package.metadata]\nrequires-dist = [{ name = \"dep\" }]\n", dev, 1)
	for groups, test := range map[string]struct{ name, notice string }{
		"":                                {"dev", ""},
		"default-groups = ['dev']":        {"dev", ""},
		"default-groups = ['dev','test']": {"test", "tool.uv.default-groups are left out: test; to install one, write a file once: uv export --frozen --no-default-groups --group test -o requirements.txt"},
		"default-groups = 'all'":          {"test", "tool.uv.default-groups are left out: all; to install one, write a file once: uv export --frozen --no-default-groups --group all -o requirements.txt"},
	} {
		t.Run(groups, func(t *testing.T) {
			files := map[string]string{
				"pyproject.toml": pyproject("app", "[dependency-groups]\ndev = []\n"+test.name+" = ['dep']\n[tool.uv]\n"+groups+"\n"),
				"uv.lock":        strings.ReplaceAll(lock, "NAME", test.name),
			}
			if test.name == "dev" {
				files["pyproject.toml"] = strings.Replace(files["pyproject.toml"], "dev = []\n", "", 1)
			}
			f, err := readUVLock(t, project(t, files), requirements.Options{})
			require.NoError(t, err)
			assert.Empty(t, f.Text)
			assert.Equal(t, test.notice, strings.Join(f.Notices, "\n"))
		})
	}
}

// TestWorkspaceOfUVLock: a member that another one needs is a directory of this machine. The remedy is one.
func TestWorkspaceOfUVLock(t *testing.T) {
	uv := uvtest.Path(t, uvtest.Newest)
	const backend = "[build-system]\nrequires = ['setuptools']\nbuild-backend = 'setuptools.build_meta'\n"
	top := project(t, map[string]string{
		"pyproject.toml":              pyproject("top", "dependencies = ['lib']\n[tool.uv.workspace]\nmembers = ['packages/*']\n[tool.uv.sources]\nlib = {workspace = true}\n"),
		"packages/lib/pyproject.toml": pyproject("lib", backend),
		"other/pyproject.toml":        pyproject("other", "[tool.uv.workspace]\n"),
		"deploy/inventory.yaml":       "",
	})
	run := func(dir string, args ...string) {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), uv, args...)
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s", out)
	}
	run(top, "lock", "--offline")
	run(filepath.Join(top, "other"), "lock", "--offline")
	for _, dir := range []string{top, filepath.Join(top, "deploy")} {
		_, err := readUVLock(t, top, requirements.Options{Project: dir})
		require.ErrorContains(t, err, `uv.lock:`)
		require.ErrorContains(t, err, `: "lib" is a directory of this machine (./packages/lib), which hosts do not have; build its wheel`)
	}
	_, err := readUVLock(t, top, requirements.Options{Project: filepath.Join(top, "other")})
	require.EqualError(t, err, filepath.Join(top, "uv.lock")+": does not lock the project in "+filepath.Join(top, "other")+"; name the uv.lock of that project")
	f, err := readUVLock(t, top, requirements.Options{Project: filepath.Join(top, "packages", "lib")})
	require.NoError(t, err)
	require.Empty(t, f.Text)

	run(top, "export", "--frozen", "--no-dev", "--no-emit-project", "--no-emit-package", "lib", "-o", "requirements.txt")
	text, err := os.ReadFile(filepath.Join(top, "requirements.txt"))
	require.NoError(t, err)
	require.NoError(t, os.Mkdir(filepath.Join(top, "vendor"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(top, "vendor/lib-1-py3-none-any.whl"), []byte(wheel(t, "lib", "1")), 0o644))
	require.NoError(t, os.WriteFile(filepath.Join(top, "requirements.txt"), append(text, "./vendor/lib-1-py3-none-any.whl\n"...), 0o644))
	f, err = requirements.Read(t.Context(), filepath.Join(top, "requirements.txt"), requirements.Options{})
	require.NoError(t, err)
	require.Len(t, f.Locals, 1)
}
