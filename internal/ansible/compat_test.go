//go:build compat

package ansible

import (
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "record what ansible-inventory prints") //nolint:gochecknoglobals // flags of a test have no other place

// TestInstalledAnsible compares with an Ansible that the test installs.
func TestInstalledAnsible(t *testing.T) {
	t.Parallel()
	venv := filepath.Join(t.TempDir(), "venv")
	run(t, "python3", "-m", "venv", venv)
	run(t, filepath.Join(venv, "bin", "pip"), "install", "-q", "--disable-pip-version-check", "ansible-core")
	for name, path := range inventories() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			printed := run(t, filepath.Join(venv, "bin", "ansible-inventory"), "-i", path, "--list")
			compare(t, path, printed)
			if *update {
				require.NoError(t, os.WriteFile(filepath.Join("testdata", name+".json"), printed, 0o644))
			}
		})
	}
}

func run(t *testing.T, program string, args ...string) []byte {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.Env = append(os.Environ(), "ANSIBLE_LOCALHOST_WARNING=0", "ANSIBLE_CONFIG="+filepath.Join(t.TempDir(), "none.cfg"), "LC_ALL=C.UTF-8")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	require.NoError(t, err, "%s %v", program, args)
	return out
}
