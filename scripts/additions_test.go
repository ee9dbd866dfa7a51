package scripts_test

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// added has the agent's own code store what changes in one package, and unpack it in another. It prints the digest's
// length, then what the second package has, then the modules that are to be compiled.
const added = `
import os, shutil, stat, sys, zipfile
sys.path.insert(0, sys.argv[1])
from kisagent import additions, seal
from kisagent.store import Repository
from kisagent.wire import Refused
repository, case = Repository(sys.argv[2]), sys.argv[3]
os.makedirs(repository.path("incoming"))
first, second = repository.package("app-1"), repository.package("app-2")
def write(top, name, text="", mode=0o644):
    path = os.path.join(os.fsencode(top), name if isinstance(name, bytes) else os.fsencode(name))
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as f:
        f.write(text)
    os.chmod(path, mode)
for name in (".kis/build.log", ".venv/lib/dep.py", "app/__init__.py", "version.py"):
    write(first, name, "old")
shutil.copytree(first, second)
before = additions.state(first)
write(first, ".kis/build.log", "more")
write(first, ".venv/lib/finder.py", "new")
write(first, ".venv/lib/__pycache__/finder.pyc", "new")
write(first, ".venv/bin/app", "#!", 0o755)
write(first, "app/c.so", "native", 0o755)
write(first, "version.py", "NEW")
os.makedirs(os.path.join(first, "empty/below"))
os.symlink("app", os.path.join(first, "link"))
if case == "removed":
    os.unlink(os.path.join(first, "app/__init__.py"))
if case == "not UTF-8":
    write(first, b"\xff")
digest = additions.store(repository, first, before, os.path.join(repository.root, "packed"))
print(len(digest))
if not digest:
    sys.exit()
stored = repository.path("incoming", digest)
hostile = {"outside": "../x", "absolute": "/tmp/x", "of kis": ".kis/receipt.json", "through itself": "a/../../x"}.get(case)
if hostile:
    with zipfile.ZipFile(stored, "a") as archive:
        archive.writestr(zipfile.ZipInfo(hostile), "x")
if case == "through a link":
    with zipfile.ZipFile(stored, "w") as archive:
        link = zipfile.ZipInfo("out")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "..")
        archive.writestr(zipfile.ZipInfo("out/x"), "x")
if case == "cut":
    os.truncate(stored, 200)
try:
    unpacked = additions.unpack(repository, digest, second, 0)
except Refused as refused:
    print(refused.code)
else:
    for path, info, kind in seal.walk(second):
        content = {"d": lambda p: "", "f": lambda p: open(p).read(), "l": os.readlink}[kind](os.path.join(second, path))
        print(path, oct(info.st_mode & 0o777) if kind == "f" else kind, content)
    print([os.path.relpath(module, second) for module in unpacked["modules"]])
print(os.path.lexists(os.path.join(repository.root, "x")))
`

// TestWhatPipHasAdded to one package gets into another as it is, and nothing gets out of that.
func TestWhatPipHasAdded(t *testing.T) {
	t.Parallel()
	const refused = "64\nbad-wheel\nFalse\n"
	for name, want := range map[string]string{
		"": `64
.kis d 
.kis/build.log 0o644 old
.venv d 
.venv/bin d 
.venv/bin/app 0o755 #!
.venv/lib d 
.venv/lib/dep.py 0o644 old
.venv/lib/finder.py 0o644 new
app d 
app/__init__.py 0o644 old
app/c.so 0o755 native
empty d 
empty/below d 
link l app
version.py 0o644 NEW
['.venv/lib/finder.py']
False
`,
		"removed": "0\n", "not UTF-8": "0\n",
		"outside": refused, "absolute": refused, "of kis": refused, "through itself": refused, "cut": refused, "through a link": refused,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			said := runs(t, python, "-B", "-c", added, here(t), filepath.Join(t.TempDir(), "root"), name)
			require.NotEmpty(t, said)
			assert.Equal(t, want, said)
		})
	}
}
