package pybuild

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/sdist"
)

// inTreeBackend makes a project that needs nothing from an index: it brings its own back end (PEP
// 517, in-tree build backends). Its build.py and its build directory shadow the module build for a
// `python -m build` that is run in the project.
func inTreeBackend(t testing.TB) string {
	return projectOf(t, map[string]string{
		"pyproject.toml": `[build-system]
requires = []
build-backend = "backend"
backend-path = ["_build"]
`,
		"_build/backend.py": `import io, tarfile

def build_sdist(directory, settings=None):
    with tarfile.open(directory + "/in_tree-1.0.tar.gz", "w:gz") as tar:
        data = b"Metadata-Version: 2.2\nName: In-Tree\nVersion: 1.0\n"
        member = tarfile.TarInfo("in_tree-1.0/PKG-INFO")
        member.size = len(data)
        tar.addfile(member, io.BytesIO(data))
    return "in_tree-1.0.tar.gz"
`,
		"build.py":          "raise SystemExit('the wrong build')\n",
		"build/__init__.py": "raise SystemExit('the wrong build')\n",
		"setuptools.py":     "raise SystemExit('the wrong setuptools')\n",
		"json.py":           "raise SystemExit('the wrong json')\n",
	})
}

// startedBuilder is a builder without uv, and its result.
type startedBuilder struct {
	*builder
	log  bytes.Buffer
	said []string
	a    *sdist.Archive
	err  error
}

func startBuilder(t testing.TB, project, cache, python string) *startedBuilder {
	t.Helper()
	s := &startedBuilder{}
	s.builder = newBuilder(Options{Dir: project, Cache: cache, Python: python, Log: &s.log, Say: func(text string) {
		if !strings.HasPrefix(text, "waiting for ") {
			s.said = append(s.said, text)
		}
	}})
	s.lookPath = noUV
	return s
}

func (s *startedBuilder) close(t testing.TB) {
	t.Helper()
	require.NoError(t, s.err, "%s", &s.log)
	require.NoError(t, s.a.Close())
}

func TestPrivateEnvironmentFailures(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	withVenv := probed(`, "venv": true`)
	noVenv := filepath.Join(t.TempDir(), "python")
	require.NoError(t, os.WriteFile(noVenv, []byte("#!/bin/sh\n[ \"$1\" = -c ] || exit 9\necho '"+strings.Replace(withVenv, "/py", noVenv, 1)+"'\n"), 0o700))
	// It reports success and makes nothing.
	lazy := filepath.Join(t.TempDir(), "python")
	require.NoError(t, os.WriteFile(lazy, []byte("#!/bin/sh\necho '"+strings.Replace(withVenv, "/py", lazy, 1)+"'\n"), 0o700))
	tests := map[string]struct{ cache, python, want string }{
		"cache below a file":   {filepath.Join(file, "cache"), lazy, "cache directory: mkdir"},
		"venv fails":           {t.TempDir(), noVenv, "-m venv"},
		"venv without a pip":   {t.TempDir(), lazy, "-m pip install"},
		"unwritable lock file": {"", lazy, "cache directory: open"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := startBuilder(t, setupProject(t), test.cache, test.python)
			if test.cache == "" {
				b.cache = t.TempDir()
				dir, err := b.environmentDir(interpreter{Executable: test.python, Version: "3.12.1"}, nil)
				require.NoError(t, err)
				require.NoError(t, os.Mkdir(dir+".lock", 0o700))
			}
			_, err := b.build(t.Context())
			var failure *Error
			require.ErrorAs(t, err, &failure)
			require.ErrorContains(t, err, test.want)
			assert.NoDirExists(t, b.temp)
		})
	}
}

func TestOneProcessMakesThePrivateEnvironment(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	said := ""
	b := newBuilder(Options{
		Dir: setupProject(t), Cache: t.TempDir(), Python: fakePython(t, probed(`, "venv": true`)),
		Say: func(text string) {
			said = text
			cancel()
		},
	})
	dir, err := b.environmentDir(interpreter{Executable: "/py", Version: "3.12.1"}, nil)
	require.NoError(t, err)
	mutex, err := os.Create(dir + ".lock")
	require.NoError(t, err)
	unlock, err := lock(t.Context(), mutex, nil)
	require.NoError(t, err)
	defer unlock()
	_, err = b.build(ctx)
	require.ErrorIs(t, err, context.Canceled)
	assert.Equal(t, "waiting for another kis that makes the build environment "+dir, said)
}
