package scripts_test

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/testenv/piptest"
	"github.com/keep-it-simple/kis/scripts"
)

// fill has the agent's own code fill an environment with the wheels of a directory.
const fill = `import hashlib, json, os, shutil, sys
sys.path.insert(0, sys.argv[1])
from kisagent import environment
from kisagent.store import Repository
from kisagent.wire import Refused
os.umask(0o022)
repository, directory, given, installer = Repository(sys.argv[2]), sys.argv[3], sys.argv[4], sys.argv[5]
os.makedirs(repository.path("incoming"))
def store(path):
    with open(path, "rb") as f:
        digest = hashlib.sha256(f.read()).hexdigest()
    shutil.copy(path, repository.path("incoming", digest))
    return digest
wheels = [{"name": name, "sha256": store(os.path.join(given, name))} for name in sorted(os.listdir(given))]
environment.create(directory)
try:
    environment.fill(repository, directory, wheels, store(installer))
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

// wheel writes a wheel of these members into the directory; it has no RECORD but an empty one.
func wheel(t *testing.T, directory, name string, members map[string]string) {
	t.Helper()
	var out bytes.Buffer
	zipped := zip.NewWriter(&out)
	info := strings.Join(strings.Split(name, "-")[:2], "-") + ".dist-info/"
	all := map[string]string{
		info + "METADATA": "Metadata-Version: 2.1\nName: " + strings.Split(name, "-")[0] + "\nVersion: 1.0\n",
		info + "WHEEL":    "Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
	}
	for path, text := range members {
		all[path] = text
	}
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

// TestFilledEnvironmentIsWhatPipMakes, file by file.
func TestFilledEnvironmentIsWhatPipMakes(t *testing.T) {
	t.Parallel()
	wheels := t.TempDir()
	wheel(t, wheels, "first-1.0-py3-none-any.whl", map[string]string{
		"first/__init__.py": "", "shared/__init__.py": "whose = 'first'\n", "first/data.txt": "data\n", "first/sub/tool.sh": "#!/bin/sh\n",
		"first-1.0.dist-info/entry_points.txt": "[console_scripts]\nfirst = first:main\n", "first-1.0.data/scripts/script-tool": "#!python\nprint('x')\n",
		"first-1.0.data/scripts/shell-tool": "#!/bin/sh\n", "first-1.0.data/data/share/first/page.html": "<p>\n", "first-1.0.data/headers/first.h": "#define X\n",
		"first-1.0.data/purelib/pure.py": "", "first-1.0.data/platlib/plat.py": "",
	})
	wheel(t, wheels, "second-1.0-py3-none-any.whl", map[string]string{"second.py": "", "shared/__init__.py": "whose = 'second'\n"})
	ours, refusal := filled(t, wheels)
	require.Empty(t, refusal)
	theirs := filepath.Join(t.TempDir(), "package", ".venv")
	runs(t, python, "-I", "-m", "venv", "--without-pip", theirs)
	arguments := []string{piptest.Folder(t, python) + "/pip", "install", "--no-index", "--no-deps", "--no-compile", "--quiet"}
	for _, name := range []string{"first", "second"} {
		runs(t, filepath.Join(theirs, "bin/python"), append(arguments, filepath.Join(wheels, name+"-1.0-py3-none-any.whl"))...)
	}
	want := tree(t, theirs)
	require.Greater(t, len(want), 14)
	assert.Equal(t, want, tree(t, ours))
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
			assert.Equal(t, "bad-wheel", refusal["code"])
			assert.Contains(t, refusal["message"], "first-1.0-py3-none-any.whl")
			assert.NoFileExists(t, filepath.Join(filepath.Dir(environment), "escaped.py"))
			assert.NoFileExists(t, "/tmp/escaped.py")
		})
	}
	for name, text := range map[string]string{"no archive": "x", "empty": ""} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			wheels := t.TempDir()
			require.NoError(t, os.WriteFile(filepath.Join(wheels, "first-1.0-py3-none-any.whl"), []byte(text), 0o600))
			_, refusal := filled(t, wheels)
			assert.Equal(t, "bad-wheel", refusal["code"])
		})
	}
}
