package pybuild

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/sdist"
	"github.com/keep-it-simple/kis/internal/wheel"
)

// sourceOf makes a source distribution of pairs of path and content. A content that begins with "->"
// is the target of a symbolic link. More are members without content.
func sourceOf(t testing.TB, files map[string]string, more ...tar.Header) *sdist.Archive {
	t.Helper()
	var data bytes.Buffer
	zip := gzip.NewWriter(&data)
	out := tar.NewWriter(zip)
	files["PKG-INFO"] = "Metadata-Version: 2.2\nName: projectA\nVersion: 0.4\n"
	for name, content := range files {
		header := &tar.Header{Name: "projectA-0.4/" + name, Mode: 0o644, Size: int64(len(content)), Typeflag: tar.TypeReg}
		if len(content) > 2 && content[:2] == "->" {
			header.Typeflag, header.Linkname, header.Size, content = tar.TypeSymlink, content[2:], 0, ""
		}
		require.NoError(t, out.WriteHeader(header))
		_, err := out.Write([]byte(content))
		require.NoError(t, err)
	}
	for _, header := range more {
		require.NoError(t, out.WriteHeader(&header))
	}
	require.NoError(t, out.Close())
	require.NoError(t, zip.Close())
	path := filepath.Join(t.TempDir(), "projectA-0.4.tar.gz")
	require.NoError(t, os.WriteFile(path, data.Bytes(), 0o600))
	a, err := sdist.Open(path)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, a.Close()) })
	return a
}

func TestUnpackedFilesAreThoseOfTheArchive(t *testing.T) {
	t.Parallel()
	a := sourceOf(t, map[string]string{"setup.py": "pass\n", "a/b/c.py": "c = 1\n", "a/link.py": "->b/c.py"})
	unpacked, err := unpack(a, filepath.Join(t.TempDir(), "projecta-0.4"))
	require.NoError(t, err)
	data, err := os.ReadFile(filepath.Join(unpacked.dir, "a/link.py"))
	require.NoError(t, err)
	assert.Equal(t, "c = 1\n", string(data))
	made, err := unpacked.made()
	require.NoError(t, err)
	assert.Empty(t, made)
}

func TestMembersThatAreTwiceInAnArchiveAreUnpackedOnce(t *testing.T) {
	t.Parallel()
	a := sourceOf(t, map[string]string{"a/empty": ""},
		tar.Header{Name: "./projectA-0.4/a/./empty", Mode: 0o644, Typeflag: tar.TypeReg},
		tar.Header{Name: "projectA-0.4/a/", Mode: 0o2755, Typeflag: tar.TypeDir},
		tar.Header{Name: "./", Mode: 0o2755, Typeflag: tar.TypeDir})
	unpacked, err := unpack(a, filepath.Join(t.TempDir(), "projecta-0.4"))
	require.NoError(t, err)
	made, err := unpacked.made()
	require.NoError(t, err)
	assert.Empty(t, made)
}

// What a build has changed in its source is found, whatever it does to times and names.
func TestFilesThatABuildMakesAreFound(t *testing.T) {
	t.Parallel()
	const source = "a/b/c.py"
	tests := map[string]struct {
		change func(dir string) error
		want   []string
	}{
		"new file":        {func(dir string) error { return os.WriteFile(dir+"/a/new.so", nil, 0o600) }, []string{"a/new.so"}},
		"new link":        {func(dir string) error { return os.Symlink("b", dir+"/a/z") }, []string{"a/z"}},
		"other content":   {func(dir string) error { return os.WriteFile(dir+"/"+source, []byte("c = 2\n"), 0o600) }, []string{source}},
		"equal content":   {func(dir string) error { return os.WriteFile(dir+"/"+source, []byte("c = 1\n"), 0o600) }, nil},
		"replaced file":   {func(dir string) error { return replaceKeepingTime(dir+"/"+source, "c = 3\n") }, []string{source}},
		"file for a link": {func(dir string) error { return replaceKeepingTime(dir+"/a/link.py", "c = 1\n") }, []string{"a/link.py"}},
		"other link": {func(dir string) error {
			return firstError(os.Remove(dir+"/a/link.py"), os.Symlink("c.py", dir+"/a/link.py"))
		}, []string{"a/link.py"}},
		"new directory": {func(dir string) error {
			return firstError(os.MkdirAll(dir+"/a/d/e", 0o700), os.WriteFile(dir+"/a/d/e/f", nil, 0o600))
		}, []string{"a/d/", "a/d/e/", "a/d/e/f"}},
		"removed file":    {func(dir string) error { return os.Remove(dir + "/" + source) }, nil},
		"empty directory": {func(dir string) error { return os.Mkdir(dir+"/dist", 0o700) }, []string{"dist/"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := sourceOf(t, map[string]string{"setup.py": "pass\n", source: "c = 1\n", "a/link.py": "->b/c.py"})
			unpacked, err := unpack(a, filepath.Join(t.TempDir(), "projecta-0.4"))
			require.NoError(t, err)
			require.NoError(t, test.change(unpacked.dir))
			made, err := unpacked.made()
			require.NoError(t, err)
			assert.Equal(t, test.want, made)
		})
	}
}

// setuptools_scm writes the version's file in every build, with the commit where there is a repository.
func TestAVersionFileIsThatOfTheArchive(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"version = '0.4'\ncommit = None\n": "",
		"version = \"0.4\"\n":              "",
		"version = '0.40'\n":               "the editable build has written a/_version.py, which hosts would lack",
	} {
		a := sourceOf(t, map[string]string{"a/_version.py": "version = '0.4'\ncommit = 'g12'\n", "data": "x"})
		unpacked, err := unpack(a, filepath.Join(t.TempDir(), "projecta-0.4"))
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(unpacked.dir, "a/_version.py"), []byte(text), 0o600))
		generated, err := unpacked.generated()
		if want != "" {
			require.ErrorContains(t, err, want)
			require.ErrorIs(t, err, wheel.ErrNotPure)
			continue
		}
		require.NoError(t, err)
		assert.Empty(t, generated)
		require.NoError(t, os.WriteFile(filepath.Join(unpacked.dir, "a/_other.py"), []byte(text), 0o600))
		_, err = unpacked.generated()
		require.ErrorIs(t, err, wheel.ErrNotPure, "the archive lacks it")
	}
}

func replaceKeepingTime(path, content string) error {
	return firstError(
		os.WriteFile(path+".new", []byte(content), 0o600),
		os.Chtimes(path+".new", time.Time{}, unpackedTime()),
		os.Rename(path+".new", path),
	)
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func TestLeftoversOfBackends(t *testing.T) {
	t.Parallel()
	for file, want := range map[string]bool{
		"projecta.egg-info/PKG-INFO": true, "src/projecta.egg-info/SOURCES.txt": true, "build/lib/x.py": true, "a/__pycache__/x.pyc": true, ".pdm-build/x.pth": true,
		"a/_version.py": false, "a/build/x.py": false, "x.egg-info": false, "a/x.so": false, "rebuild/x": false, "dist/": true,
	} {
		assert.Equal(t, want, leftover(file), file)
	}
}
