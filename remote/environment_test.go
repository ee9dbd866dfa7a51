package remote_test

import (
	"archive/zip"
	"bytes"
	"context"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/remote"
	"github.com/keep-it-simple/kis/scripts"
)

// tiny is the project of the tests in package scripts, with other code in its module.
func tiny(t *testing.T, code string) archive {
	t.Helper()
	change := map[string]string{}
	if code != "" {
		change["tiny/__init__.py"] = code
	}
	return changed(t, change)
}

// changed is the project tiny with some files replaced.
func changed(t *testing.T, change map[string]string) archive {
	t.Helper()
	var members []member
	project := os.DirFS("../scripts/testdata/tiny")
	require.NoError(t, fs.WalkDir(project, ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := fs.ReadFile(project, path)
		if other, ok := change[path]; ok {
			text = []byte(other)
		}
		members = append(members, file(path, string(text)))
		return err
	}))
	return source(t, "tiny", "1.0", append(members, file("REQUIRES", "dep"))...)
}

// dep is a wheel of the distribution dep 1.0, which tiny requires.
func dep(t *testing.T) []byte {
	t.Helper()
	return depOf(t, map[string]string{"dep.py": ""})
}

// depOf is a wheel of the distribution dep 1.0 with some files.
func depOf(t *testing.T, files map[string]string) []byte {
	t.Helper()
	var out bytes.Buffer
	zipped := zip.NewWriter(&out)
	members := maps.Clone(files)
	members["dep-1.0.dist-info/METADATA"] = "Metadata-Version: 2.1\nName: dep\nVersion: 1.0\n"
	members["dep-1.0.dist-info/WHEEL"] = "Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
	record := "dep-1.0.dist-info/RECORD"
	members[record] = strings.Join(append(slices.Sorted(maps.Keys(members)), record), ",,\n") + ",,\n"
	for _, name := range slices.Sorted(maps.Keys(members)) { // always the same bytes
		w, err := zipped.Create(name)
		require.NoError(t, err)
		_, err = w.Write([]byte(members[name]))
		require.NoError(t, err)
	}
	require.NoError(t, zipped.Close())
	return out.Bytes()
}

// environment makes the wheels and the environment of an unpacked archive, as the controller does for a
// host that builds everything itself.
func (l *local) environment(ctx context.Context, t *testing.T, a archive, r remote.Recipe, output func(string)) ([]string, error) {
	t.Helper()
	made, err := l.Wheels(ctx, remote.WheelsRequest{Recipe: r, Name: a.Name, Archive: a.SHA256, Within: 2 * time.Minute}, output, nil)
	if err != nil {
		return nil, err
	}
	request := remote.EnvironmentRequest{Wheels: made.Wheels, Library: l.installer(t), Editable: true, Recipe: r, Within: 2 * time.Minute}
	if r.Mode == remote.Regular {
		request.Wheels, request.Editable = append(request.Wheels, *made.Application), false
	}
	filled, err := l.Environment(ctx, request, output)
	if err == nil {
		err = l.Compile(ctx, "", time.Minute)
	}
	return filled.Installed, err
}

// installer places the library that unpacks wheels, and returns its digest.
func (l *local) installer(t *testing.T) string {
	t.Helper()
	installer, err := scripts.Installer()
	require.NoError(t, err)
	l.place(t, installer.Data)
	return installer.SHA256
}

// From the archive of an application to the sealed package, with a real environment.
func TestPackageWithARealEnvironment(t *testing.T) {
	t.Parallel()
	const canary = "hunter2canary"
	l, a, wheel := owner(t, pushed(t)), tiny(t, ""), dep(t)
	l.unpack(t, a)
	l.place(t, wheel)
	pinned := []byte("dep==1.0 --hash=sha256:" + digest(wheel) + "\n")
	l.place(t, pinned)
	recipe := remote.Recipe{
		Mode: remote.Editable, Requirements: digest(pinned), Hashed: true, IndexURL: "http://ann:" + canary + "@127.0.0.1:9/simple",
		Wheels: []remote.Wheel{{Name: "dep-1.0-py3-none-any.whl", SHA256: digest(wheel)}},
	}
	c := remote.Commands{
		Package: a.Package, Within: soon, Env: map[string]string{"KIS_STAGE": "staging"},
		Commands: []string{"tiny", `test "$KIS_STAGE" = staging && test -z "$PYTHONPATH" && test -d "$TMPDIR"`, `python -c "import dep"`},
	}
	var said []string
	listen := func(line string) { said = append(said, line) }
	installed, err := l.environment(t.Context(), t, a, recipe, listen)
	require.NoError(t, err, "%v", said)
	require.Equal(t, []string{"dep==1.0", "tiny==1.0"}, installed)
	c.Commands = append(c.Commands, "python -m compileall -q -f --invalidation-mode timestamp tiny .venv/lib/python3*/site-packages/dep.py")
	require.NoError(t, l.Run(t.Context(), c, listen), "%v", said)
	c.Commands = c.Commands[:3]
	modified := time.Unix(1_700_000_000, 0)
	require.NoError(t, l.Freeze(t.Context(), modified))
	l.requireTimes(t, "tiny-1.0", modified)
	verified, err := l.Verify(t.Context(), a.Package, a.Name, true, soon, listen)
	require.NoError(t, err, "%v", said)
	require.Equal(t, remote.Verified{Imported: []string{"tiny"}}, verified)
	require.NoError(t, l.Run(t.Context(), c, listen), "%v", said)
	require.Contains(t, said, "tiny 1.0")
	require.NotContains(t, strings.Join(said, "\n"), canary)
	receipt, err := l.Seal(t.Context(), a.Source, remote.Provenance{})
	require.NoError(t, err)
	require.Equal(t, installed, receipt.Installed)
	require.Equal(t, modified.Unix(), receipt.Modified)

	// The package can be verified again, runs, and is as it was sealed after that.
	_, err = l.Verify(t.Context(), a.Package, a.Name, true, soon, listen)
	require.NoError(t, err, "%v", said)
	require.NoError(t, l.Run(t.Context(), c, listen), "%v", said)
	l.link(t, "", "tiny-1.0")
	again, err := l.Begin(t.Context(), a.Source)
	require.NoError(t, err)
	require.Equal(t, receipt.Environment, again.Environment)
	require.NoError(t, l.Close())
	require.NoError(t, filepath.WalkDir(l.root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		text, err := os.ReadFile(path)
		assert.NotContains(t, string(text), canary, path)
		return err
	}))
}

// unchecked is a program that fails unless bytecode is that of its source, and valid whatever the time of that.
const unchecked = `import sys, importlib.util as util
data = open(sys.argv[1], "rb").read(16)
assert data[4:8] == b"\1\0\0\0", data
assert data[8:] == util.source_hash(open(util.source_from_cache(sys.argv[1]), "rb").read()), data
`

// requireTimes requires that all files of a package have this time, and that no bytecode depends on it.
func (l *local) requireTimes(t *testing.T, name string, modified time.Time) {
	t.Helper()
	compiled := 0
	require.NoError(t, filepath.WalkDir(filepath.Join(l.root, name), func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.Name() == ".kis" {
			return filepath.SkipDir
		}
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil || info.Mode()&fs.ModeSymlink != 0 {
			return err
		}
		assert.Equal(t, modified, info.ModTime(), path)
		if filepath.Ext(path) == ".pyc" {
			sh(t, "/", "python3 -c '"+unchecked+"' "+path)
			compiled++
		}
		return nil
	}))
	require.GreaterOrEqual(t, compiled, 2)
}

func TestVerifyRefusesAnApplicationThatExits(t *testing.T) {
	t.Parallel()
	const forging = `import os, sys
for line in ("kis\timported\tx", "kis\tfinished\tverify", "imported\tx", "finished\tverify"):
    print("\n" + line, flush=True)
    print("\n" + line, file=sys.stderr, flush=True)
`
	for name, code := range map[string]string{"in silence": "", "and says success": forging} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := owner(t, pushed(t))
			a := tiny(t, code+"import os; os._exit(0)")
			l.unpack(t, a)
			wheel := dep(t)
			l.place(t, wheel)
			recipe := remote.Recipe{Mode: remote.Regular, Wheels: []remote.Wheel{{Name: "dep-1.0-py3-none-any.whl", SHA256: digest(wheel)}}}
			_, err := l.environment(t.Context(), t, a, recipe, nil)
			require.NoError(t, err)
			_, err = l.Verify(t.Context(), a.Package, a.Name, true, soon, nil)
			requireRefused(t, err, "step-failed")
			require.ErrorContains(t, err, "ended while the application was imported")
			require.NotEmpty(t, refusal(t, err).Hint)
		})
	}
}

func TestIncompleteEnvironmentIsRefused(t *testing.T) {
	t.Parallel()
	l := owner(t, pushed(t))
	a := tiny(t, "")
	l.unpack(t, a)
	wheel := dep(t)
	l.place(t, wheel)
	other := []remote.Wheel{{Name: "other-1.0-py3-none-any.whl", SHA256: digest(wheel)}}
	_, err := l.environment(t.Context(), t, a, remote.Recipe{Mode: remote.Editable, Wheels: other}, nil)
	requireRefused(t, err, "step-failed")
	require.ErrorContains(t, err, "pip could not make wheels of the requirements")
	require.NotEmpty(t, refusal(t, err).Tail)
}

// TestVerifySaysWhatIsWrongWithTheApplication, with a remedy where there is one.
func TestVerifySaysWhatIsWrongWithTheApplication(t *testing.T) {
	t.Parallel()
	l := owner(t, pushed(t))
	a, wheel := tiny(t, ""), dep(t)
	l.unpack(t, a)
	l.place(t, wheel)
	recipe := remote.Recipe{Mode: remote.Editable, Wheels: []remote.Wheel{{Name: "dep-1.0-py3-none-any.whl", SHA256: digest(wheel)}}}
	_, err := l.environment(t.Context(), t, a, recipe, nil)
	require.NoError(t, err)
	module := filepath.Join(l.root, "tiny-1.0/tiny/__init__.py")
	for code, test := range map[string]struct {
		code    remote.Code
		message string
	}{
		"import no_such_module":                         {"step-failed", "the application does not import: module tiny"},
		"def min(): pass":                               {"step-failed", "the application does not import: script tiny = tiny:main"},
		"raise SystemExit(0)":                           {"step-failed", "the interpreter ended while the application was imported, without an error: module tiny"},
		"raise PermissionError(13, 'denied', __file__)": {"writes-inside", "module tiny writes tiny/__init__.py in the package when it is imported"},
	} {
		require.NoError(t, os.WriteFile(module, []byte(code), 0o600))
		require.NoError(t, os.RemoveAll(filepath.Join(filepath.Dir(module), "__pycache__")))
		_, err = l.Verify(t.Context(), a.Package, a.Name, false, soon, nil)
		requireRefused(t, err, test.code)
		require.ErrorContains(t, err, test.message)
		assert.Equal(t, code != "import no_such_module" && code != "def min(): pass", refusal(t, err).Hint != "", code)
	}
	// Root may write what others may not.
	require.NoError(t, os.WriteFile(module, []byte("import os\nmain = print\nos.mkdir(__file__ + '.lock')\nos.rmdir(__file__ + '.lock')\n"), 0o600))
	require.NoError(t, l.Freeze(t.Context(), time.Now()))
	if _, err = l.Verify(t.Context(), a.Package, a.Name, false, soon, nil); os.Geteuid() == 0 {
		require.NoError(t, err)
		_, err = l.Seal(t.Context(), a.Source, remote.Provenance{})
		require.ErrorContains(t, err, "verification changed tiny in the package")
	}
	requireRefused(t, err, "writes-inside")
}
