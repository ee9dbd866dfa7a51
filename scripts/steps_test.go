package scripts_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/scripts"
)

// shells are the readers that the steps are written for. One that is missing fails the test: what it would do is not known then.
func shells() map[string][]string {
	return map[string][]string{"dash": {"dash"}, "bash": {"bash", "--posix"}, "busybox": {"busybox", "sh"}}
}

// inEveryShell runs a test once per shell.
func inEveryShell(t *testing.T, test func(t *testing.T, shell []string)) {
	t.Helper()
	for name, shell := range shells() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := exec.LookPath(shell[0])
			require.NoError(t, err, "run: make setup")
			test(t, shell)
		})
	}
}

// run runs a text as the agent does: as one argument of the shell, with nothing as its input.
func run(t *testing.T, shell []string, text string, env []string, args ...string) (output string, status int) {
	t.Helper()
	full := append(append(append([]string{}, shell[1:]...), "-c", text, "kis-step"), args...)
	command := exec.Command(shell[0], full...)
	command.Env = append([]string{"PATH=/usr/local/bin:/usr/bin:/bin", "HOME=" + t.TempDir(), "LC_ALL=C.UTF-8"}, env...)
	command.Dir = t.TempDir()
	var out bytes.Buffer
	command.Stdout, command.Stderr = &out, &out
	if err := command.Run(); err != nil {
		var exit *exec.ExitError
		require.ErrorAs(t, err, &exit)
	}
	return out.String(), command.ProcessState.ExitCode()
}

// makeArchive packs the sample application, which brings its own build backend, so that no index is needed.
func makeArchive(t *testing.T) string {
	t.Helper()
	top := filepath.Join(t.TempDir(), "hello-1.0")
	require.NoError(t, os.CopyFS(top, os.DirFS("../cmd/kis/sample")))
	archive := filepath.Join(t.TempDir(), "archive")
	out, err := exec.Command("tar", "-czf", archive, "-C", filepath.Dir(top), "hello-1.0").CombinedOutput()
	require.NoError(t, err, string(out))
	return archive
}

// unpackPip puts the pip that comes with the interpreter where the agent would.
func unpackPip(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	const text = `
import ensurepip, glob, os, sys, sysconfig, zipfile
folders = [sysconfig.get_config_var("WHEEL_PKG_DIR") or "", os.path.join(os.path.dirname(ensurepip.__file__), "_bundled")]
wheel = [w for f in folders for w in glob.glob(os.path.join(f, "pip-*.whl"))][0]
zipfile.ZipFile(wheel).extractall(sys.argv[1])
`
	out, err := exec.Command("/usr/bin/python3", "-I", "-c", text, folder).CombinedOutput()
	require.NoError(t, err, string(out))
	return folder
}

func TestStepsMakeAPackage(t *testing.T) {
	t.Parallel()
	steps, archive, pip := scripts.Steps(), makeArchive(t), unpackPip(t)
	inEveryShell(t, func(t *testing.T, shell []string) {
		folder := t.TempDir()
		out, status := run(t, shell, steps["unpack"], nil, archive, folder)
		require.Zero(t, status, out)
		require.True(t, strings.HasSuffix(out, "kis\tfinished\tunpack\n"), out)
		top := filepath.Join(folder, "hello-1.0")

		out, status = run(t, shell, steps["environment"], nil, top, "/usr/bin/python3", pip, "editable", "", "", "")
		require.Zero(t, status, out)
		require.True(t, strings.HasSuffix(out, "kis\tfinished\tenvironment\n"), out)
		require.NoFileExists(t, filepath.Join(top, ".venv", "bin", "pip"))

		out, status = run(t, shell, steps["verify"], nil, top, pip, "hello", steps["imports"])
		require.Zero(t, status, out)
		require.Contains(t, out, "kis\timported\thello\n")
		require.True(t, strings.HasSuffix(out, "kis\tfinished\tverify\n"), out)

		out, status = run(t, shell, steps["command"], []string{"KIS_STAGE=staging"}, top, `command -v python; echo "$VIRTUAL_ENV $KIS_STAGE"; pwd; exit 7`)
		require.Equal(t, 7, status)
		require.Equal(t, top+"/.venv/bin/python\n"+top+"/.venv staging\n"+top+"\n", out)

		require.NoError(t, os.WriteFile(filepath.Join(top, "hello", "__init__.py"), []byte("import no_such_module\n"), 0o644))
		require.NoError(t, os.RemoveAll(filepath.Join(top, "hello", "__pycache__")))
		out, status = run(t, shell, steps["verify"], nil, top, pip, "hello", steps["imports"])
		require.Equal(t, 1, status)
		require.Contains(t, out, "no_such_module")
		require.Contains(t, out, "kis\tfailed\tthe application does not import\n")
		require.NotContains(t, out, "kis\tfinished")
	})
}

func TestStepsRefuseWhatTheyDoNotUnderstand(t *testing.T) {
	t.Parallel()
	steps := scripts.Steps()
	inEveryShell(t, func(t *testing.T, shell []string) {
		broken := filepath.Join(t.TempDir(), "archive")
		require.NoError(t, os.WriteFile(broken, []byte("no archive"), 0o600))
		out, status := run(t, shell, steps["unpack"], nil, broken, t.TempDir())
		require.Equal(t, 1, status)
		require.Contains(t, out, "kis\tfailed\ttar could not unpack the archive\n")

		out, status = run(t, shell, steps["environment"], nil, t.TempDir(), "/nowhere/python3", "/nowhere", "editable", "", "", "")
		require.Equal(t, 1, status)
		require.Contains(t, out, "kis\tfailed\t")

		for _, step := range []string{"unpack", "environment", "verify"} {
			out, status := run(t, shell, steps[step], nil) // arguments are missing
			require.NotZero(t, status, step)
			require.NotContains(t, out, "kis\tfinished", step)
		}
	})
}

// A step that was cut off on its way must never look finished.
func TestStepsCutOffAfterAnyLineAreNotFinished(t *testing.T) {
	t.Parallel()
	steps := scripts.Steps()
	inEveryShell(t, func(t *testing.T, shell []string) {
		archive := makeArchive(t)
		for _, step := range []string{"unpack", "environment", "verify"} {
			lines := strings.SplitAfter(steps[step], "\n")
			for n := range len(lines) - 1 {
				text := strings.Join(lines[:n], "")
				if strings.HasSuffix(text, "main \"$@\"\n") {
					continue // nothing but blank lines is missing
				}
				out, _ := run(t, shell, text, nil, archive, t.TempDir())
				require.NotContainsf(t, out, "kis\tfinished", "%s, cut after line %d", step, n)
			}
		}
	})
}

// Arguments are data: whatever they hold, they arrive whole and start nothing.
func TestStepsTakeArgumentsAsTheyAre(t *testing.T) {
	t.Parallel()
	steps := scripts.Steps()
	inEveryShell(t, func(t *testing.T, shell []string) {
		folder := filepath.Join(t.TempDir(), "a b;$(touch evil)`touch evil`'\"*")
		require.NoError(t, os.MkdirAll(folder, 0o755))
		out, status := run(t, shell, steps["unpack"], nil, makeArchive(t), folder)
		require.Zero(t, status, out)
		require.FileExists(t, filepath.Join(folder, "hello-1.0", "pyproject.toml"))
		require.NoFileExists(t, "evil")
	})
}

func TestBootstrapBecomesTheLoader(t *testing.T) {
	t.Parallel()
	cases := map[string]struct{ before, python, want string }{
		"ready":                      {"", "/usr/bin/python3", "KIS1 READY 3."},
		"a login script eats a line": {"read -r eaten\n", "/usr/bin/python3", "KIS1 READY 3."},
		"a login script prints":      {"printf 'welcome'\n", "/usr/bin/python3", "KIS1 READY 3."},
		"no such interpreter":        {"", "/nowhere/python3", "KIS1 NOPYTHON"},
		"no such command":            {"", "python3.99", "KIS1 NOPYTHON"},
	}
	inEveryShell(t, func(t *testing.T, shell []string) {
		for name, c := range cases {
			// The login script runs in the shell that then becomes ours, on the same input.
			login := c.before + "exec " + strings.Join(shell, " ") + " -s -- " + c.python
			command := exec.Command("/bin/sh", "-c", login)
			command.Stdin = strings.NewReader(scripts.Bootstrap())
			out, _ := command.Output() // the loader ends with an error, as no order follows
			found := false
			for line := range strings.Lines(string(out)) {
				found = found || strings.HasPrefix(line, c.want)
			}
			require.Truef(t, found, "%s: %q", name, out)
		}
	})
}
