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
root, case = sys.argv[2:]
def modules(top):
    return sorted(bytecode.sources(top))
first, second = os.path.join(root, "first"), os.path.join(root, "second")
shutil.copytree(first, second)
bytecode.complete(first, modules(first), "", 0)
given = os.path.join(root, "packed")
bytecode.pack(first, modules(first), given)
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
if case in ("stored", "encrypted"):
    with zipfile.ZipFile(given) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(given, "w", zipfile.ZIP_STORED if case == "stored" else zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
            archive.filelist[-1].flag_bits |= case == "encrypted"
if case == "cut":
    os.truncate(given, 100)
if case == "damaged":
    with open(given, "r+b") as f:
        f.seek(60)
        f.write(b"\xff" * 40)
if case == "gone":
    os.unlink(given)
reference = bytecode.compile_file
def saying(path, files):
    print("compiled " + os.path.relpath(path, second))
    reference(path, files)
bytecode.compile_file = saying
bytecode.complete(second, modules(second), given, 0)
assert not os.path.exists(given)
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
		"damaged":           "compiled a.py 2",
		"stored":            all,
		"encrypted":         all,
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

// noBytecode has the agent's own code compile modules that cannot have bytecode, pack what there is, and give it to a copy.
const noBytecode = `
import os, shutil, sys
sys.path.insert(0, sys.argv[1])
from kisagent import bytecode
first, second, given = (os.path.join(sys.argv[2], name) for name in ("first", "second", "packed"))
os.makedirs(os.path.join(first, "sub"))
for name in ("a.py", "n" * 250 + ".py", "sub/__init__.py", "sub/__pycache__"):
    with open(os.path.join(first, name), "w") as f:
        f.write("value = 1\n")
shutil.copytree(first, second)
bytecode.complete(first, bytecode.sources(first), "", 0)
bytecode.pack(first, bytecode.sources(first), given)
bytecode.complete(second, bytecode.sources(second), given, 0)
print([sorted(os.listdir(os.path.join(top, "__pycache__"))) for top in (first, second)])
`

// TestModulesWithoutBytecode are no error: the name of their bytecode would be too long, or a file is where it would be.
func TestModulesWithoutBytecode(t *testing.T) {
	t.Parallel()
	said := runs(t, python, "-B", "-c", noBytecode, here(t), t.TempDir())
	assert.Regexp(t, `^\[\['a\.cpython-\d+\.pyc'\], \['a\.cpython-\d+\.pyc'\]\]$`, strings.TrimSpace(said))
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
def dying(modules, files):
    if os.getpid() != parent:
        os.kill(os.getpid(), 9)
    reference(modules, files)
if case == "killed":
    bytecode.compile_all = dying
try:
    bytecode.complete(top, bytecode.sources(top), "", 0)
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

// fullDisk has the agent's own code compile modules where a file cannot be written to its end, in one process or in two.
const fullDisk = `
import errno, os, py_compile, resource, sys
sys.path.insert(0, sys.argv[1])
from kisagent import bytecode
top, count = sys.argv[2], int(sys.argv[3])
os.sched_getaffinity = lambda pid: range(2)
names = ["m%d.py" % number for number in range(count)]
for name in names:
    with open(os.path.join(top, name), "w") as f:
        f.write("value = 1\n")
with open(os.path.join(top, names[-1]), "w") as f:
    f.write("value = %r\n" % ("x" * 5000))
resource.setrlimit(resource.RLIMIT_FSIZE, (4000, 4000))
try:
    bytecode.complete(top, bytecode.sources(top), "", 0)
except OSError as err:
    print(err.errno == errno.EFBIG)
print(max([0] + [entry.stat().st_size for entry in os.scandir(os.path.join(top, "__pycache__"))]) < 4000)
`

// TestBytecodeIsWholeOrAbsent where the disk is full in the middle of it, which py_compile does not notice.
func TestBytecodeIsWholeOrAbsent(t *testing.T) {
	t.Parallel()
	for _, count := range []string{"1", "600"} {
		assert.Equal(t, "True\nTrue\n", runs(t, python, "-B", "-c", fullDisk, here(t), t.TempDir(), count))
	}
}

// asPython has the agent's own code compile a module, and py_compile another one of the same content and place.
const asPython = `
import importlib.util, os, py_compile, sys
sys.path.insert(0, sys.argv[1])
from kisagent import bytecode
top = sys.argv[2]
path = os.path.join(top, "m.py")
with open(path, "w", encoding="latin-1") as f:
    f.write("# -*- coding: latin-1 -*-\nfrom __future__ import annotations\ndef f(a: int) -> str:\n    'text'\n    return '\xe4'\n")
bytecode.complete(top, [path], "", 0)
with open(importlib.util.cache_from_source(path), "rb") as f:
    ours = f.read()
py_compile.compile(path, doraise=True, invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)
with open(importlib.util.cache_from_source(path), "rb") as f:
    print(ours == f.read())
`

// TestBytecodeIsThatOfPython: the same file that py_compile makes.
func TestBytecodeIsThatOfPython(t *testing.T) {
	t.Parallel()
	assert.Equal(t, "True\n", runs(t, python, "-B", "-c", asPython, here(t), t.TempDir()))
}
