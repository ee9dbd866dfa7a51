package scripts_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

// downloaded has the agent's own code look at what a pip has downloaded, in several states.
const downloaded = `
import os, sys, zipfile
sys.path.insert(0, sys.argv[1])
from kisagent import downloads
temporary, place = os.path.join(sys.argv[2], "tmp"), os.path.join(sys.argv[2], "run")
os.mkdir(place)
found = downloads.Downloads(temporary, place)
def look(of):
    print(of + ":", *(one["name"] for one in found.look()))
look("no directory")
os.makedirs(os.path.join(temporary, "pip-unpack-1"))
os.makedirs(os.path.join(temporary, "pip-build-env-1"))
def path(name, directory="pip-unpack-1"):
    return os.path.join(temporary, directory, name)
def wheel(path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.py", os.urandom(100))
wheel(path("a-1-py3-none-any.whl"))
with open(path("a-1-py3-none-any.whl"), "rb") as f:
    whole = f.read()
with open(path("part-1-py3-none-any.whl"), "wb") as f:
    f.write(whole[:-30])
wheel(path("a-1.zip"))
wheel(path("b-1-py3-none-any.whl", "pip-build-env-1"))
os.mkfifo(path("pipe-1-py3-none-any.whl"))
os.symlink("a-1-py3-none-any.whl", path("link-1-py3-none-any.whl"))
os.mkdir(path("directory-1-py3-none-any.whl"))
wheel(path("bad name-1-py3-none-any.whl"))
look("the complete one")
look("nothing new")
with open(path("part-1-py3-none-any.whl"), "wb") as f:
    f.write(whole)
look("it is complete now")
os.makedirs(os.path.join(temporary, "pip-unpack-2"))
os.link(path("a-1-py3-none-any.whl"), path("a-1-py3-none-any.whl", "pip-unpack-2"))
look("the same one again")
look("nothing new")
with open(path("disks-1-py3-none-any.whl"), "wb") as f:  # a locator of ZIP64 that names the second of two disks
    f.write(whole[:-22] + b"PK\6\7" + bytes(16) + whole[-22:])
    f.seek(-22 - 4, 2)
    f.write(b"\2\0\0\0")
look("on two disks")
os.rename(place, place + "-gone")
wheel(path("c-1-py3-none-any.whl"))
look("it cannot be kept")
os.rename(place + "-gone", place)
look("and is not read again")
wheel(path("d-1-py3-none-any.whl"))
look("others are")
downloads.LIMIT = 1
wheel(path("large-1-py3-none-any.whl"))
look("a large one")
print("kept:", len(os.listdir(place)))
os.unlink(os.path.join(place, os.listdir(place)[0]))
found.forget()
print("kept in the end:", len(os.listdir(place)))
`

// TestDownloads: complete wheels are found once, and nothing else is read.
func TestDownloads(t *testing.T) {
	t.Parallel()
	assert.Equal(t, `no directory:
the complete one: a-1-py3-none-any.whl
nothing new:
it is complete now: part-1-py3-none-any.whl
the same one again: a-1-py3-none-any.whl
nothing new:
on two disks:
it cannot be kept:
and is not read again:
others are: d-1-py3-none-any.whl
a large one:
kept: 2
kept in the end: 0
`, runs(t, python, "-B", "-c", downloaded, here(t), t.TempDir()))
}
