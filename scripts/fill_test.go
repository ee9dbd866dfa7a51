package scripts_test

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/testenv/agenttest"
	"github.com/keep-it-simple/kis/internal/testenv/uvtest"
	"github.com/keep-it-simple/kis/scripts"
)

// storing is the beginning of programs that store wheels as the agent does.
const storing = `import hashlib, json, os, shutil, sys
sys.path.insert(0, sys.argv[1])
from kisagent import bytecode, copies, environment, leftovers, seal
from kisagent.platforms import platform
from kisagent.store import Repository
from kisagent.wire import Refused
os.umask(0o022)
repository = Repository(sys.argv[2])
os.makedirs(repository.path("incoming"))
def store(path):
    with open(path, "rb") as f:
        digest = hashlib.sha256(f.read()).hexdigest()
    shutil.copy(path, repository.path("incoming", digest))
    return digest
`

// fill has the agent's own code fill an environment with the wheels of a directory.
const fill = storing + `directory, given, installer = sys.argv[3:]
wheels = [{"name": name, "sha256": store(os.path.join(given, name))} for name in sorted(os.listdir(given))]
environment.create(directory)
try:
    bytecode.complete(directory, environment.fill(repository, directory, wheels, store(installer), 0)["modules"], "", 0)
except Refused as refused:
    print(json.dumps(refused.record()))
`

// filled is an environment with the wheels of a directory, and what the agent refused.
func filled(t *testing.T, wheels string) (environment string, refusal map[string]string) {
	t.Helper()
	installer, err := scripts.Installer()
	require.NoError(t, err)
	library, environment := filepath.Join(t.TempDir(), "installer.zip"), filepath.Join(t.TempDir(), "package", ".venv")
	require.NoError(t, os.WriteFile(library, installer.Data, 0o600))
	said := runs(t, python, "-B", "-c", fill, here(t), t.TempDir(), environment, wheels, library)
	if said != "" {
		require.NoError(t, json.Unmarshal([]byte(said), &refusal), said)
	}
	return environment, refusal
}

// fillUV is fill with the uv of a host, as build.py runs it.
const fillUV = storing + `import subprocess
from kisagent import uv
directory, given, os.environ["KIS_LOGIN_PATH"], work = sys.argv[3:]
wheels = [{"name": name, "sha256": store(os.path.join(given, name))} for name in sorted(os.listdir(given))]
environment.create(directory)
variables = {"PATH": "/usr/bin:/bin", "HOME": work, "TMPDIR": work}
try:
    prepared = uv.prepare(repository, wheels, os.path.join(work, "wheels"), variables)
    for file in prepared["files"]:
        argv = [prepared["uv"]] + uv.arguments(os.path.join(work, "wheels"), directory, file, os.path.join(work, "cache"))
        done = subprocess.run(argv, env=dict(variables, **uv.environ(work)), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        if done.returncode:
            raise Refused("step-failed", done.stdout.decode())
    bytecode.complete(os.path.dirname(directory), uv.complete(directory)["modules"], "", 0)
except Refused as refused:
    print(json.dumps(refused.record()))
`

// filledByUV is filled with a release of uv.
func filledByUV(t *testing.T, wheels, release string) (environment string, refusal map[string]string) {
	t.Helper()
	environment = filepath.Join(t.TempDir(), "package", ".venv")
	said := runs(t, python, "-B", "-c", fillUV, here(t), t.TempDir(), environment, wheels, filepath.Dir(uvtest.Path(t, release)), t.TempDir())
	if said != "" {
		require.NoError(t, json.Unmarshal([]byte(said), &refusal), said)
	}
	return environment, refusal
}

// wheel writes a wheel of these members into the directory. Its RECORD names them without digests.
func wheel(t *testing.T, directory, name string, members map[string]string) {
	t.Helper()
	wheelWith(t, directory, name, strings.Join(strings.Split(name, "-")[:2], "-")+".dist-info/", members)
}

// wheelWith is wheel with another directory for the metadata.
func wheelWith(t *testing.T, directory, name, info string, members map[string]string) {
	t.Helper()
	var out bytes.Buffer
	zipped := zip.NewWriter(&out)
	all := map[string]string{
		info + "METADATA": "Metadata-Version: 2.1\nName: " + strings.Split(name, "-")[0] + "\nVersion: 1.0\n",
		info + "WHEEL":    "Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
	}
	maps.Copy(all, members)
	record := info + "RECORD,,\n"
	for path := range all {
		record += path + ",,\n"
	}
	all[info+"RECORD"] = record
	for path, text := range all {
		header := &zip.FileHeader{Name: path, Method: zip.Deflate}
		header.SetMode(0o644)
		if strings.Contains(path, "tool") {
			header.SetMode(0o755)
		}
		w, err := zipped.CreateHeader(header)
		require.NoError(t, err)
		_, err = w.Write([]byte(text))
		require.NoError(t, err)
	}
	require.NoError(t, zipped.Close())
	require.NoError(t, os.WriteFile(filepath.Join(directory, name), out.Bytes(), 0o600))
}

// tree is the files of an environment: mode and content, without what differs between two installers.
func tree(t *testing.T, environment string) map[string]string {
	t.Helper()
	found := map[string]string{}
	require.NoError(t, filepath.WalkDir(environment, func(path string, entry fs.DirEntry, err error) error {
		name, _ := filepath.Rel(environment, path)
		switch filepath.Base(path) {
		case "INSTALLER", "REQUESTED", "direct_url.json", "RECORD":
			return err
		case "__pycache__":
			return filepath.SkipDir
		}
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		info, err := entry.Info()
		require.NoError(t, err)
		text, err := os.ReadFile(path)
		content := strings.ReplaceAll(string(text), environment, "VENV")
		if first, rest, _ := strings.Cut(content, "\n"); strings.Contains(rest, "sys.argv[0]") {
			content = "a script of an entry point: " + first // whose text differs between versions of pip
		}
		found[name] = info.Mode().String() + " " + content
		return err
	}))
	return found
}

// exact is tree with the names of all files, bytecode, and what the RECORDs list.
func exact(t *testing.T, environment string) map[string]string {
	t.Helper()
	found := tree(t, environment)
	require.NoError(t, filepath.WalkDir(environment, func(path string, entry fs.DirEntry, err error) error {
		name, _ := filepath.Rel(environment, path)
		switch {
		case err != nil || !entry.Type().IsRegular():
			return err
		case entry.Name() == "RECORD":
			var rows []string // without digests, which uv leaves to the wheel
			for row := range strings.Lines(withoutDigests(readFile(t, path))) {
				rows = append(rows, filepath.Clean(strings.TrimSpace(row)))
			}
			slices.Sort(rows)
			found[name] = strings.Join(rows, "\n")
		case filepath.Ext(path) == ".pyc":
			found[name] = strings.ReplaceAll(readFile(t, path), environment, "VENV")[:16] // flags and the digest of its source
		default:
			if _, known := found[name]; !known {
				found[name] = ""
			}
		}
		return nil
	}))
	return found
}

// TestFilledEnvironmentIsWhatPipMakes, file by file, also with uv.
func TestFilledEnvironmentIsWhatPipMakes(t *testing.T) {
	t.Parallel()
	wheels := t.TempDir()
	wheel(t, wheels, "first-1.0-py3-none-any.whl", map[string]string{
		"first/__init__.py": "", "shared/__init__.py": "whose = 'first'\n", "first/data.txt": "data\n", "first/sub/tool.sh": "#!/bin/sh\n", "first/bad.py": "def",
		"first-1.0.dist-info/entry_points.txt": "[console_scripts]\nfirst = first:main\n", "first-1.0.data/scripts/script-tool": "#!python\nprint('x')\n",
		"first-1.0.data/scripts/shell-tool": "#!/bin/sh\n", "first-1.0.data/data/share/first/page.html": "<p>\n", "first-1.0.data/headers/first.h": "#define X\n",
		"first-1.0.data/purelib/pure.py": "", "first-1.0.data/platlib/plat.py": "",
	})
	wheel(t, wheels, "second-1.0-py3-none-any.whl", map[string]string{"second.py": "", "shared/__init__.py": "whose = 'second'\n"})
	wheel(t, wheels, "third-1.0-py3-none-any.whl", map[string]string{"third.py": "", "third-1.0.dist-info/entry_points.txt": "[console_scripts]\nfirst = third:main\n"})
	ours, refusal := filled(t, wheels)
	require.Empty(t, refusal)
	theirs := filepath.Join(t.TempDir(), "package", ".venv")
	runs(t, python, "-I", "-m", "venv", "--without-pip", theirs)
	arguments := []string{agenttest.Pip(t, python) + "/pip", "install", "--no-index", "--no-deps", "--no-compile", "--quiet"}
	for _, name := range []string{"first", "second", "third"} {
		runs(t, filepath.Join(theirs, "bin/python"), append(arguments, filepath.Join(wheels, name+"-1.0-py3-none-any.whl"))...)
	}
	want := tree(t, theirs)
	require.Greater(t, len(want), 14)
	assert.Equal(t, want, tree(t, ours))
	for _, release := range []string{uvtest.Oldest, uvtest.Newest} {
		t.Run("uv "+release, func(t *testing.T) {
			t.Parallel()
			byUV, refusal := filledByUV(t, wheels, release)
			require.Empty(t, refusal)
			assert.Equal(t, exact(t, ours), exact(t, byUV))
			assert.Equal(t, want, tree(t, byUV))
			assert.Contains(t, readFile(t, filepath.Join(byUV, "bin/first")), "third", "a script that two wheels have is that of the later one")
			installers, err := filepath.Glob(filepath.Join(byUV, "lib/python3*/site-packages/*/INSTALLER"))
			require.NoError(t, err)
			require.Len(t, installers, 3)
			assert.Equal(t, "uv", readFile(t, installers[0]))
		})
	}
}

// copied has the agent's own code fill two environments of a repository with sealed packages: the second is made of
// copies from the first.
const copied = storing + `given, installer, spoil = sys.argv[3:6]
early = int(sys.argv[6])
class Lock:
    def check(self):
        pass
def build(package, names):
    top = repository.package(package)
    os.mkdir(top)
    leftovers.write_marker(top, package)
    wheels = [{"name": name, "sha256": store(os.path.join(given, name)), "size": 1} for name in names]
    environment.create(os.path.join(top, ".venv"))
    filled = environment.fill(repository, os.path.join(top, ".venv"), wheels, store(installer), early)
    bytecode.complete(top, filled["modules"], "", early)
    if spoil == "late":
        path = os.path.join(top, sorted(filled["digests"])[0])
        os.chmod(path, 0o644)
        with open(path, "r+b") as f:
            f.write(b"X")
    facts = dict(python="3", platform=platform(), content="x", recipe="x")
    seal.seal(repository, package, facts, wheels, Lock(), seal.freeze(top, 1700000000), filled["digests"])
    with open(os.path.join(top, ".kis/manifest"), encoding="ascii") as f:
        assert f.read() == seal.manifest(top), "what was not read is as it was written"
both = ["first-1.0-py3-none-any.whl", "second-1.0-py3-none-any.whl", "third-1.0-py3-none-any.whl"]
if spoil == "uv":
    ours, copies.INSTALLER = copies.INSTALLER, b"uv"
build("app-1", both)
if spoil == "uv":
    copies.INSTALLER = ours
spoiled = {"module": "second.py", "bytecode": "__pycache__/second.%s.pyc" % sys.implementation.cache_tag, "record": "second-1.0.dist-info/RECORD"}
if spoil in spoiled:
    path = os.path.join(repository.package("app-1"), ".venv", copies.LIBRARY, spoiled[spoil])
    os.chmod(path, 0o644)
    with open(path, "ab") as f:
        f.write(b"\n")
reference = bytecode.compile_file
def never(path, files):
    print("compiled " + path[path.index("site-packages") + 14:])
    reference(path, files)
bytecode.compile_file = never
build("app-2", both)
print("alone")
build("app-3", both[:1])
`

// TestFilledEnvironmentIsCopiedFromAnEarlierOne, file by file the same, with its bytecode.
func TestFilledEnvironmentIsCopiedFromAnEarlierOne(t *testing.T) {
	t.Parallel()
	wheels := t.TempDir()
	wheel(t, wheels, "first-1.0-py3-none-any.whl", map[string]string{
		"first/__init__.py": "", "shared/__init__.py": "whose = 'first'\n", "first/sub/tool.sh": "#!/bin/sh\n", "first/bad.py": "def",
		"first-1.0.dist-info/entry_points.txt": "[console_scripts]\nfirst = first:main\n", "first-1.0.data/scripts/script-tool": "#!python\nprint('x')\n",
		"first-1.0.data/data/share/first/page.html": "<p>\n",
	})
	wheel(t, wheels, "second-1.0-py3-none-any.whl", map[string]string{"second.py": "", "shared/__init__.py": "whose = 'second'\n"})
	wheel(t, wheels, "third-1.0-py3-none-any.whl", map[string]string{
		"third.py": "def main(): print('third')\n", "third-1.0.dist-info/entry_points.txt": "[console_scripts]\nthird = third:main\n",
		"third-1.0.data/scripts/third-tool": "#!python\nprint('tool')\n", "third-1.0.data/data/share/third/page.html": "<p>\n",
	})
	installer, err := scripts.Installer()
	require.NoError(t, err)
	library := filepath.Join(t.TempDir(), "installer.zip")
	require.NoError(t, os.WriteFile(library, installer.Data, 0o600))
	all := func(top string) map[string]string {
		found := tree(t, top)
		require.NoError(t, filepath.WalkDir(top, func(path string, entry fs.DirEntry, err error) error {
			name, _ := filepath.Rel(top, path)
			if text, err := os.ReadFile(path); err == nil && (filepath.Base(path) == "RECORD" || filepath.Ext(path) == ".pyc") {
				found[name] = strings.ReplaceAll(string(text), top, "TOP")
			}
			return err
		}))
		return found
	}
	root := t.TempDir()
	said := runs(t, python, "-B", "-c", copied, here(t), root, wheels, library, "no", "0")
	const first = "compiled first/__init__.py\ncompiled first/bad.py\ncompiled shared/__init__.py\n"
	require.Equal(t, sortedLines(first+"alone\n"+first), sortedLines(said), "the second wheel is copied; the first lost a file to it")
	before, second := all(filepath.Join(root, "app-1")), all(filepath.Join(root, "app-2"))
	require.Greater(t, len(before), 20)
	for name, text := range before {
		if filepath.Base(name) == "RECORD" { // it has the digests of scripts
			text, second[name] = withoutDigests(text), withoutDigests(second[name])
		}
		if filepath.Ext(name) == ".pyc" {
			text, second[name] = text[16:24], second[name][16:24] // they name their first path; Python corrects that when it imports them
		}
		if filepath.Dir(name) == ".kis" {
			continue
		}
		assert.Equal(t, text, second[name], name)
	}
	assert.Equal(t, "whose = 'first'\n", strings.Join(strings.SplitAfterN(all(filepath.Join(root, "app-3"))[sitePackages(t, root, "app-3")+"/shared/__init__.py"], " ", 2)[1:], ""))
	assert.Equal(t, filepath.Join(root, "app-2/.venv/bin/python"), strings.TrimPrefix(strings.Split(readFile(t, filepath.Join(root, "app-2/.venv/bin/first")), "\n")[0], "#!"))
	assert.Equal(t, "third\n", runs(t, filepath.Join(root, "app-2/.venv/bin/third")))
	assert.Equal(t, "#!"+filepath.Join(root, "app-2/.venv/bin/python"), strings.Split(readFile(t, filepath.Join(root, "app-2/.venv/bin/third-tool")), "\n")[0])
	runs(t, filepath.Join(root, "app-2/.venv/bin/python"), "-c", "import first, second, shared; assert shared.whose == 'second'")

	early := t.TempDir()
	require.Equal(t, said, runs(t, python, "-B", "-c", copied, here(t), early, wheels, library, "no", "1700000000"))
	for _, name := range []string{"app-1", "app-2"} {
		require.Equal(t, exact(t, filepath.Join(root, name, ".venv")), exact(t, filepath.Join(early, name, ".venv")), "read-only, with its time, from the start")
	}
	runs(t, python, "-B", "-c", copied, here(t), t.TempDir(), wheels, library, "late", "1700000000")

	for _, spoiled := range []string{"module", "bytecode", "record"} {
		said = runs(t, python, "-B", "-c", copied, here(t), t.TempDir(), wheels, library, spoiled, "0")
		assert.Contains(t, said, "compiled second.py", "what was changed in a package is not copied: %s", spoiled)
		assert.NotContains(t, said, "compiled third.py", spoiled)
	}

	root = t.TempDir()
	said = runs(t, python, "-B", "-c", copied, here(t), root, wheels, library, "uv", "0")
	assert.Contains(t, said, "compiled third.py", "a package that uv has unpacked gives nothing")
	assert.Equal(t, "kis\n", readFile(t, filepath.Join(root, "app-2", sitePackages(t, root, "app-2"), "third-1.0.dist-info/INSTALLER")))
}

// alike has the agent's own code build three packages of distributions whose directories have names that are alike, and
// prints what is installed.
const alike = storing + `given, installer = sys.argv[3:5]
class Lock:
    def check(self):
        pass
for number in range(3):
    package = "app-%d" % number
    top = repository.package(package)
    os.mkdir(top)
    leftovers.write_marker(top, package)
    wheels = [{"name": name, "sha256": store(os.path.join(given, name)), "size": 1} for name in sorted(os.listdir(given))]
    environment.create(os.path.join(top, ".venv"))
    filled = environment.fill(repository, os.path.join(top, ".venv"), wheels, store(installer), 1700000000)
    bytecode.complete(top, filled["modules"], "", 1700000000)
    facts = dict(python="3", platform=platform(), content="x", recipe="x")
    receipt = seal.seal(repository, package, facts, wheels, Lock(), seal.freeze(top, 1700000000), filled["digests"])["receipt"]
    print(*receipt["installed"])
    with open(os.path.join(top, ".kis/manifest"), encoding="ascii") as f:
        assert f.read() == seal.manifest(top), "what was not read is as it was written"
`

// TestDistributionsWithNamesThatAreAlikeAreNotConfused when they are copied.
func TestDistributionsWithNamesThatAreAlikeAreNotConfused(t *testing.T) {
	t.Parallel()
	wheels, library := t.TempDir(), filepath.Join(t.TempDir(), "installer.zip")
	installer, err := scripts.Installer()
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(library, installer.Data, 0o600))
	wheel(t, wheels, "foo-1.0-py3-none-any.whl", map[string]string{"foo.py": ""})
	installed := ""
	for more := range strings.FieldsSeq("a b c d e f g h") {
		wheelWith(t, wheels, "foo_"+more+"-1.0-py3-none-any.whl", "foo-"+more+"-1.0.dist-info/", map[string]string{"foo" + more + ".py": ""})
		installed += "foo-" + more + "==1.0 "
	}
	assert.Equal(t, strings.Repeat(installed+"foo==1.0\n", 3), runs(t, python, "-B", "-c", alike, here(t), t.TempDir(), wheels, library))
}

// digests has the agent's own code write files in a package, and prints those whose digests are kept, although a clock
// of its file system counts seconds only, or a file is reached by two paths.
const digests = `
import os, sys
sys.path.insert(0, sys.argv[1])
from kisagent.files import Files
top, seconds = sys.argv[2], sys.argv[3] == "seconds"
os.makedirs(os.path.join(top, ".kis"))
os.makedirs(os.path.join(top, "lib"))
os.symlink("lib", os.path.join(top, "lib64"))
real = os.fstat
class Coarse:
    def __init__(self, info):
        self.st_ctime_ns = info.st_ctime_ns // 10**10 * 10**10
if seconds:
    os.fstat = lambda fd: Coarse(real(fd))
files = Files(top, 1700000000)
files.write(os.path.join(top, "lib/first"), [b"first"])
files.write(os.path.join(top, "lib64/both"), [b"1"])
files.write(os.path.join(top, "lib/both"), [b"2"])
deadline = os.stat(os.path.join(top, "lib/both")).st_ctime_ns
while os.stat(os.path.join(top, "lib")).st_ctime_ns <= deadline:  # until the clock of the file system has gone on
    os.utime(os.path.join(top, "lib"))
print(*sorted("%s=%s" % (path, entry[0][:4]) for path, entry in files.settled().items()), len(os.listdir(os.path.join(top, ".kis"))))
`

// TestDigestsAreKeptOnlyWhereTheyAreCertain.
func TestDigestsAreKeptOnlyWhereTheyAreCertain(t *testing.T) {
	t.Parallel()
	assert.Equal(t, "lib/both=d473 lib/first=a793 0", strings.TrimSpace(runs(t, python, "-B", "-c", digests, here(t), filepath.Join(t.TempDir(), "package"), "fine")))
	assert.Equal(t, "0", strings.TrimSpace(runs(t, python, "-B", "-c", digests, here(t), filepath.Join(t.TempDir(), "package"), "seconds")))
}

func sortedLines(text string) []string {
	lines := strings.Split(text, "\n")
	slices.Sort(lines)
	return lines
}

// withoutDigests are the paths of a RECORD.
func withoutDigests(record string) string {
	var paths []string
	for line := range strings.Lines(record) {
		path, _, _ := strings.Cut(line, ",")
		paths = append(paths, path)
	}
	return strings.Join(paths, "\n")
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	return string(text)
}

// sitePackages is the path below a package.
func sitePackages(t *testing.T, root, name string) string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(root, name, ".venv/lib/python3*/site-packages"))
	require.NoError(t, err)
	require.Len(t, found, 1)
	path, err := filepath.Rel(filepath.Join(root, name), found[0])
	require.NoError(t, err)
	return path
}

// TestWheelThatLeavesItsEnvironmentIsRefused: indexes are not trusted with other files.
func TestWheelThatLeavesItsEnvironmentIsRefused(t *testing.T) {
	t.Parallel()
	for name, member := range map[string]string{
		"parent": "../../../../../escaped.py", "inner parent": "x/../../../../../../escaped.py", "absolute": "/tmp/escaped.py",
		"script": "first-1.0.data/scripts/../../../escaped.py", "data": "first-1.0.data/data/../../escaped.py",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			wheels := t.TempDir()
			wheel(t, wheels, "first-1.0-py3-none-any.whl", map[string]string{member: "x = 1\n"})
			environment, refusal := filled(t, wheels)
			byUV, refusalOfUV := filledByUV(t, wheels, uvtest.Newest)
			assert.Equal(t, "bad-wheel", refusal["code"])
			assert.Contains(t, refusal["message"], "first-1.0-py3-none-any.whl")
			assert.Equal(t, refusal["code"], refusalOfUV["code"], refusalOfUV)
			for _, path := range []string{filepath.Dir(environment), filepath.Dir(byUV), "/tmp"} {
				assert.NoFileExists(t, filepath.Join(path, "escaped.py"))
			}
		})
	}
	for name, text := range map[string]string{"no archive": "x", "empty": ""} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			wheels := t.TempDir()
			require.NoError(t, os.WriteFile(filepath.Join(wheels, "first-1.0-py3-none-any.whl"), []byte(text), 0o600))
			_, refusal := filled(t, wheels)
			assert.Equal(t, "bad-wheel", refusal["code"])
			_, refusal = filledByUV(t, wheels, uvtest.Newest)
			assert.Equal(t, "bad-wheel", refusal["code"])
		})
	}
}
