package scripts_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// bundled runs a Python program in a directory with wheels of pip and an ensurepip, or none. It can
// use the agent's module bundled.
func bundled(t *testing.T, wheels, ensurepip, program string) string {
	t.Helper()
	dir := t.TempDir()
	for path := range strings.FieldsSeq(wheels) {
		path = filepath.Join(dir, path)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
		c := exec.CommandContext(t.Context(), python, "-c", "import sys, zipfile; zipfile.ZipFile(sys.argv[1], 'w').writestr('pip/__init__.py', '')", path)
		out, err := c.CombinedOutput()
		require.NoError(t, err, "%s", out)
	}
	if ensurepip != "" {
		require.NoError(t, os.MkdirAll(filepath.Join(dir, "ensurepip"), 0o700))
		require.NoError(t, os.WriteFile(filepath.Join(dir, "ensurepip/__init__.py"), []byte(ensurepip), 0o600))
	}
	c := exec.CommandContext(t.Context(), python, "-B", "-c", `
import os, sys, sysconfig
sys.path.insert(0, sys.argv[1])
sys.path.insert(0, os.getcwd())
if not os.path.exists("ensurepip/__init__.py"):
    sys.modules["ensurepip"] = None  # importing it fails
from kisagent import bundled
from kisagent.store import Repository
configured = os.path.abspath("configured")
sysconfig.get_config_var = lambda name: configured if os.path.isdir(configured) else None
bundled.DISTRIBUTION_WHEELS = os.path.abspath("distribution")
`+program, here(t))
	c.Dir = dir
	out, err := c.CombinedOutput()
	require.NoError(t, err, "%s", out)
	return strings.TrimSpace(string(out))
}

// here is the directory of the agent's modules.
func here(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs(".")
	require.NoError(t, err)
	return dir
}

// ensurepip of Debian 11 has no wheel of its own, and asserts that the distribution has one.
const (
	stripped  = "def version():\n\tassert False, 'two of them'\n"
	reporting = "def version():\n\treturn '20.3.4'\n"
	redHat    = "import os\n_WHEEL_DIR = os.path.abspath('redhat')\n" + reporting     // of Python 3.6 to 3.9 in RHEL 8 and 9
	patched   = "import os\n_WHEEL_PKG_DIR = os.path.abspath('redhat')\n" + reporting // of later ones
)

func TestPipIsTheOneThatEnsurepipWouldInstall(t *testing.T) {
	t.Parallel()
	const old, newer, newest = "pip-9.0.3-py2.py3-none-any.whl", "pip-20.3.4-py2.py3-none-any.whl", "pip-24.0-py3-none-any.whl"
	for name, test := range map[string]struct{ wheels, ensurepip, want string }{
		"of Debian 11":                    {"distribution/" + newer, reporting, "distribution/" + newer},
		"two, of which it reports one":    {"distribution/" + old + " distribution/" + newer + " distribution/" + newest, reporting, "distribution/" + newer},
		"two, between which it fails":     {"distribution/" + old + " distribution/" + newer, stripped, "distribution/" + newer},
		"its own":                         {"ensurepip/_bundled/" + newer + " distribution/" + newest, reporting, "ensurepip/_bundled/" + newer},
		"configured":                      {"configured/" + newer + " ensurepip/_bundled/" + newer, reporting, "configured/" + newer},
		"configured, but it uses its own": {"configured/" + newest + " ensurepip/_bundled/" + newer, reporting, "ensurepip/_bundled/" + newer},
		"configured, without ensurepip":   {"configured/" + old + " configured/" + newer, "", "configured/" + newer},
		"of RHEL 9":                       {"redhat/" + newer + " distribution/" + old, redHat, "redhat/" + newer},
		"of RHEL's later ones":            {"redhat/" + old + " redhat/" + newer, patched, "redhat/" + newer},
		"two in one directory":            {"ensurepip/_bundled/" + newest + " ensurepip/_bundled/" + newer, reporting, "ensurepip/_bundled/" + newer},
		"without ensurepip":               {"distribution/" + newer, "", "."},
		"other files":                     {"distribution/setuptools-44.1.1-py3-none-any.whl distribution/pip-20.3.4.tar.gz", reporting, "."},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, test.want, bundled(t, test.wheels, test.ensurepip, `print(os.path.relpath(bundled.pip_wheel() or "."))`))
		})
	}
}

// A security update of a distribution may replace the wheel under the same name.
func TestUnpackedPipFollowsItsWheel(t *testing.T) {
	t.Parallel()
	out := bundled(t, "distribution/pip-20.3.4-py3-none-any.whl", reporting, `
import zipfile
repository = Repository(os.getcwd())
os.mkdir(repository.kis)
def unpacked():
    with open(bundled.unpack_pip(repository, os.getcwd()) + "/pip/__init__.py") as f:
        return f.read()
first = unpacked()
wheel = bundled.pip_wheel()
with zipfile.ZipFile(wheel, "w") as archive:
    archive.writestr("pip/__init__.py", "fixed = True")
print(repr(first), repr(unpacked()), repr(unpacked()), len(os.listdir(repository.path("pip"))))
`)
	require.Equal(t, "'' 'fixed = True' 'fixed = True' 2", out)
}
