package compat

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/testenv"
	"github.com/keep-it-simple/kis/internal/testenv/debhost"
	"github.com/keep-it-simple/kis/internal/testenv/testcache"
)

// impure is a project without pyproject.toml that hosts have to build: its wheel is for one platform, although no compiler
// is needed.
const impure = `from setuptools import Distribution, setup


class Binary(Distribution):
    def has_ext_modules(self):
        return True


setup(
    name="Old-App", version="VERSION", packages=["oldapp"], distclass=Binary, install_requires=["itsdangerous"],
    entry_points={"console_scripts": ["old-app = oldapp:main"]},
)
`

// TestDebianBuildsWhatHasOnlyASetupFile_H5 with the pip of its ensurepip, which is 20.3 on Debian 11: that one finds no setuptools
// for a setup.py unless it is told to, and installs nothing editable without a newer one.
func TestDebianBuildsWhatHasOnlyASetupFile_H5(t *testing.T) {
	t.Parallel()
	for _, suite := range []debhost.Suite{debhost.Bullseye, debhost.Bookworm, debhost.Trixie} {
		t.Run(string(suite), func(t *testing.T) {
			t.Parallel()
			h := debhost.New(t, suite, 1)[0]
			home := t.TempDir()
			config := filepath.Join(home, "ssh_config")
			text := fmt.Sprintf("Host web1\n  HostName %s\n  IdentityFile %s\n  UserKnownHostsFile %s\n  User %s\n  IdentitiesOnly yes\n  IdentityAgent none\n", h.Address, h.Key, h.KnownHosts(), debhost.User)
			require.NoError(t, os.WriteFile(config, []byte(text), 0o600))
			for i, mode := range []string{"regular", "editable"} {
				version := fmt.Sprintf("1.%d", i)
				dir := filepath.Join(home, version)
				require.NoError(t, os.MkdirAll(filepath.Join(dir, "oldapp"), 0o755))
				for name, text := range map[string]string{
					"setup.py":           strings.ReplaceAll(impure, "VERSION", version),
					"oldapp/__init__.py": "import itsdangerous\n\n\ndef main():\n    print('old', '" + version + "', itsdangerous.__name__)\n",
					"inventory.yaml":     "root: /var/webcode\ninstall: {mode: " + mode + "}\nstages: {staging: {hosts: [web1]}}\n",
				} {
					require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
				}
				kis := exec.CommandContext(t.Context(), testenv.Binary(), "--ssh-config", config, "push", "staging")
				kis.Dir = dir
				kis.Env = append([]string{"PATH=" + os.Getenv("PATH"), "LANG=C.UTF-8", "HOME=" + home, "XDG_STATE_HOME=" + filepath.Join(home, "state"), "XDG_CACHE_HOME=" + testcache.Dir(t)}, testenv.Environment()...)
				out, err := kis.CombinedOutput()
				require.NoError(t, err, "%s %s: %s", suite, mode, out)
				assert.Contains(t, string(out), "hosts build the application", "otherwise this test shows nothing")
				assert.Equal(t, "old "+version+" itsdangerous\n", h.Shell(t, "/var/webcode/staging/.venv/bin/old-app"))
			}
		})
	}
}
