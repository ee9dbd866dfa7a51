package scripts_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// packed has the agent's own code compile a directory, pack the bytecode, and give it to another directory with the same
// modules, as they are there. It prints what it compiles there, and how many modules have bytecode in the end.
const packed = `
import os, shutil, sys, zipfile
sys.path.insert(0, sys.argv[1])
from kisagent import bytecode
from kisagent.store import Repository
root, case = sys.argv[2:]
repository = Repository(root)
os.makedirs(repository.path("incoming"))
def modules(top):
    return sorted(bytecode.sources(top))
first, second = os.path.join(root, "first"), os.path.join(root, "second")
shutil.copytree(first, second)
bytecode.complete(first, modules(first), "")
given = repository.path("incoming", bytecode.pack(repository, first, modules(first), os.path.join(root, "new"))["sha256"])
if case == "changed":
    with open(os.path.join(second, "a.py"), "w") as f:
        f.write("value = 2\n")
if case in ("of another Python", "checked by time", "empty"):
    with zipfile.ZipFile(given) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(given, "w") as archive:
        for name, data in members.items():
            data = {"of another Python": b"\0\0" + data[2:], "checked by time": data[:4] + b"\0\0\0\0" + data[8:], "empty": b""}[case]
            archive.writestr(name, data)
if case == "cut":
    os.truncate(given, 100)
if case == "damaged":
    with open(given, "r+b") as f:
        f.seek(60)
        f.write(b"\xff" * 40)
if case == "gone":
    os.unlink(given)
reference = bytecode.compile_file
def saying(path):
    print("compiled " + os.path.relpath(path, second))
    reference(path)
bytecode.compile_file = saying
bytecode.complete(second, modules(second), given)
print(sum(name.endswith(".pyc") for _, _, names in os.walk(second) for name in names))
`

// TestBytecodeOfAnotherHost is taken where it belongs to the module, and only there.
func TestBytecodeOfAnotherHost(t *testing.T) {
	t.Parallel()
	const all = "compiled a.py compiled below/b.py 2"
	for name, want := range map[string]string{
		"same":              "2",
		"changed":           "compiled a.py 2",
		"of another Python": all,
		"checked by time":   all,
		"empty":             all,
		"cut":               all,
		"damaged":           all,
		"gone":              all,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			root := t.TempDir()
			write(t, filepath.Join(root, "first", "a.py"), "value = 1\n")
			write(t, filepath.Join(root, "first", "below", "b.py"), "value = 'b'\n")
			said := runs(t, python, "-B", "-c", packed, here(t), root, name)
			require.NotEmpty(t, said)
			assert.Equal(t, want, strings.Join(strings.Fields(said), " "))
		})
	}
}

// TestModulesThatAreNotPython are not compiled, and no error.
func TestModulesThatAreNotPython(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	write(t, filepath.Join(root, "first", "a.py"), "value = 1\n")
	write(t, filepath.Join(root, "first", "template.py"), "def {{ name }}\n")
	said := runs(t, python, "-B", "-c", packed, here(t), root, "same")
	assert.Equal(t, "compiled template.py 1", strings.Join(strings.Fields(said), " "))
}

// manyCompiled has the agent's own code compile so many modules that it uses several processes.
const manyCompiled = `
import os, sys
sys.path.insert(0, sys.argv[1])
from kisagent import bytecode
from kisagent.wire import Refused
top, case = sys.argv[2:]
os.mkdir(os.path.join(top, "many"))
for number in range(900):
    with open(os.path.join(top, "many", "m%d.py" % number), "w") as f:
        f.write("value = %d\n" % number)
os.sched_getaffinity = lambda pid: range(3)
parent, reference = os.getpid(), bytecode.compile_all
def dying(modules):
    if os.getpid() != parent:
        os.kill(os.getpid(), 9)
    reference(modules)
if case == "killed":
    bytecode.compile_all = dying
try:
    bytecode.complete(top, bytecode.sources(top), "")
    print(len(os.listdir(os.path.join(top, "many", "__pycache__"))))
except Refused as refused:
    print(refused.code)
`

// TestManyModulesAreCompiled by several processes, whose end is not taken for success.
func TestManyModulesAreCompiled(t *testing.T) {
	t.Parallel()
	assert.Equal(t, "900", strings.TrimSpace(runs(t, python, "-B", "-c", manyCompiled, here(t), t.TempDir(), "all")))
	assert.Equal(t, "step-failed", strings.TrimSpace(runs(t, python, "-B", "-c", manyCompiled, here(t), t.TempDir(), "killed")))
}

func write(t *testing.T, path, text string) {
	t.Helper()
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
}
