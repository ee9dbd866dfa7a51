package scripts_test

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/scripts"
)

// shell is one of the shells that /bin/sh is on hosts. A missing one fails the tests: what they
// show is shown nowhere else.
type shell struct {
	name string
	argv []string
	path string // PATH of the steps
}

func shells(t *testing.T) []shell {
	t.Helper()
	const ordinary = "/usr/local/bin:/usr/bin:/bin"
	all := []shell{
		{"dash", []string{"dash"}, ordinary},
		{"bash", []string{"bash", "--posix"}, ordinary},
		{"busybox", []string{"busybox", "sh"}, ordinary},
		{"only busybox", []string{"busybox", "sh"}, applets(t)},
	}
	for _, s := range all {
		_, err := exec.LookPath(s.argv[0])
		require.NoError(t, err, "run .ci/setup")
	}
	return all
}

// eachShell runs test under every shell.
func eachShell(t *testing.T, test func(t *testing.T, s shell)) {
	t.Helper()
	for _, s := range shells(t) {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			test(t, s)
		})
	}
}

// applets is a directory with busybox under all its names, and Python, only.
func applets(t *testing.T) string {
	t.Helper()
	directory := t.TempDir()
	out, err := exec.Command("busybox", "--install", "-s", directory).CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.NoError(t, os.Symlink(python, filepath.Join(directory, "python3")))
	return directory
}

// python is the interpreter of the system, as a host has one.
const python = "/usr/bin/python3"

// result is what came of a step.
type result struct {
	out     string
	status  int
	records map[string]string
}

// step runs a step as the agent does: its text is one argument, its input is empty.
func (s shell) step(t *testing.T, name string, arguments ...string) result {
	t.Helper()
	return s.text(t, scripts.Steps()[name], arguments...)
}

func (s shell) text(t *testing.T, text string, arguments ...string) result {
	t.Helper()
	argv := append(append(append([]string{}, s.argv[1:]...), "-c", text, "kis-step"), arguments...)
	c := exec.Command(s.argv[0], argv...)
	c.Dir = t.TempDir()
	c.Env = []string{"PATH=" + s.path, "HOME=/nowhere", "LC_ALL=C.UTF-8", "TMPDIR=" + t.TempDir(), "PIP_INDEX_URL=http://127.0.0.1:9", "PIP_RETRIES=0", "PIP_DISABLE_PIP_VERSION_CHECK=1"}
	c.Env = append(c.Env, "CDPATH=/", "KIS_STAGE=staging")
	var out, records bytes.Buffer
	c.Stdout, c.Stderr = &records, &out
	err := c.Run()
	if _, exited := errors.AsType[*exec.ExitError](err); !exited {
		require.NoError(t, err)
	}
	left, err := os.ReadDir(c.Dir)
	require.NoError(t, err)
	require.Empty(t, left, "a step leaves nothing where it is started")
	r := result{out: out.String(), status: c.ProcessState.ExitCode(), records: map[string]string{}}
	for line := range strings.Lines(records.String()) {
		key, value, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		require.True(t, ok, "a program has got at the records: %q", line)
		r.records[key] = value
	}
	return r
}

func requireFinished(t *testing.T, r result, step string) {
	t.Helper()
	require.Zero(t, r.status, r.out)
	require.Equal(t, step, r.records["finished"], r.out)
	require.NotContains(t, r.records, "failed")
}

func requireFailed(t *testing.T, r result, reason string) {
	t.Helper()
	require.Equal(t, 1, r.status, r.out)
	require.Contains(t, r.records["failed"], reason, r.out)
	require.NotContains(t, r.records, "finished")
}

// project is a copy of the project tiny at a path of its own, with changes: member → text.
func project(t *testing.T, changes map[string]string) string {
	t.Helper()
	top := filepath.Join(t.TempDir(), "tiny-1.0")
	require.NoError(t, os.CopyFS(top, os.DirFS("testdata/tiny")))
	for name, text := range changes {
		require.NoError(t, os.WriteFile(filepath.Join(top, name), []byte(text), 0o600))
	}
	return top
}

// code replaces the code of the project tiny at top, and what was compiled of it, which otherwise
// would be run all the same.
func code(t *testing.T, top, text string) {
	t.Helper()
	require.NoError(t, os.WriteFile(filepath.Join(top, "tiny/__init__.py"), []byte(text), 0o600))
	require.NoError(t, os.RemoveAll(filepath.Join(top, "tiny/__pycache__")))
}

// TestWhatIsFullIsNamed: of a quota the free space says nothing, and some file systems count no inodes.
func TestWhatIsFullIsNamed(t *testing.T) {
	t.Parallel()
	said := runs(t, python, "-B", "-c", `import errno, sys
sys.path.insert(0, sys.argv[1])
from kisagent import store
store.free_space = lambda path: {"bytes": 5, "inodes": 6 if path == "/counts" else -1}
store.os.path.isdir = lambda path: True
for number, path in ((errno.ENOSPC, "/counts"), (errno.ENOSPC, "/counts-none"), (errno.EDQUOT, "/quota")):
    print(store.error_text(OSError(number, "x"), path))
`, here(t))
	assert.Equal(t, "disk full: 5 bytes and 6 inodes free at /counts\ndisk full: 5 bytes free at /counts-none\ndisk full: the quota at /quota is used up\n", said)
}
