package sdist

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"io/fs"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestOpenDescribesArchive(t *testing.T) {
	t.Parallel()
	data := gzipped(t, tarOf(sample(dir("projecta-0.4/src/"), file("projecta-0.4/src/a.py", "pass\n"), link("projecta-0.4/b.py", "src/a.py"))...))
	path := write(t, data)
	a, err := Open(path)
	require.NoError(t, err)
	defer func() { require.NoError(t, a.Close()) }()

	sum := sha256.Sum256(data)
	assert.Equal(t, path, a.Path)
	assert.Equal(t, "projectA", a.Name)
	assert.Equal(t, "0.4", a.Version)
	assert.Equal(t, "projecta-0.4", a.Package.String())
	assert.Equal(t, "projecta-0.4", a.Top)
	assert.Equal(t, hex.EncodeToString(sum[:]), a.SHA256)
	assert.EqualValues(t, len(data), a.Size)
	assert.EqualValues(t, len(pkgInfo)+len("pass\n"), a.Unpacked)
	assert.Equal(t, 5, a.Files)
	assert.Empty(t, a.Warnings)
}

func TestReadersAreIndependent(t *testing.T) {
	t.Parallel()
	data := gzipped(t, tarOf(sample(file("projecta-0.4/x", strings.Repeat("0123456789", 5000)))...))
	path := write(t, data)
	a, err := Open(path)
	require.NoError(t, err)
	require.NoError(t, os.Remove(path), "the open file must not depend on its name")
	var readers sync.WaitGroup
	var got [8][]byte
	for i := range got {
		readers.Go(func() { got[i], _ = io.ReadAll(a.Reader()) })
	}
	readers.Wait()
	for i := range got {
		assert.Equal(t, data, got[i])
	}
	require.NoError(t, a.Close())
	_, err = io.ReadAll(a.Reader())
	require.ErrorIs(t, err, fs.ErrClosed)
}

func TestOpenReadsNameFromPkgInfo(t *testing.T) {
	t.Parallel()
	tests := []struct{ top, name, version, wantPackage string }{
		{"Project-A-0.4.0rc1", "Project-A", "0.4.0rc1", "project_a-0.4.0rc1"}, // before PEP 625
		{"project_a-0.4.0rc1", "Project-A", "0.4.0rc1", "project_a-0.4.0rc1"}, // PEP 625
		{"my.proj_b-1.0+local.1", "my.proj_b", "1.0+local.1", "my_proj_b-1.0+local.1"},
		{"my_proj_b-1.0_local.1", "my.proj_b", "1.0+local.1", "my_proj_b-1.0+local.1"},
		{"p-1!2.0", "p", "1!2.0", "p-1!2.0"},
		{"a--b-1.0.post1", "A-_.B", "1.0.post1", "a_b-1.0.post1"},
	}
	for _, test := range tests {
		t.Run(test.top, func(t *testing.T) {
			t.Parallel()
			info := "Metadata-Version: 1.0\nName: " + test.name + "\nVersion: " + test.version + "\n"
			a := mustOpen(t, file(test.top+"/PKG-INFO", info))
			assert.Equal(t, test.wantPackage, a.Package.String())
			assert.Equal(t, test.top, a.Top)
			assert.Equal(t, test.name, a.Name)
			assert.Equal(t, test.version, a.Version)
		})
	}
}

func TestOpenRefusesBadMetadata(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ info, want string }{
		"no name":             {"Version: 0.4\n", `has 0 fields "Name"`},
		"no version":          {"Name: projecta\n", `has 0 fields "Version"`},
		"two names":           {"Name: projecta\nName: b\nVersion: 0.4\n", `has 2 fields "Name"`},
		"name in the body":    {"Version: 0.4\n\nName: projecta\n", `has 0 fields "Name"`},
		"name after junk":     {"Version: 0.4\njunk\nName: projecta\n", `has 0 fields "Name"`},
		"continued name":      {"Name: projecta\n b\nVersion: 0.4\n", `gives the name "projecta\n b"`},
		"path as name":        {"Name: ../x\nVersion: 0.4\n", `gives the name "../x"`},
		"shell as name":       {"Name: a;b\nVersion: 0.4\n", `gives the name "a;b"`},
		"dash before name":    {"Name: -rf\nVersion: 0.4\n", `gives the name "-rf"`},
		"name with a newline": {"Name: a\rb\nVersion: 0.4\n", `has 0 fields "Version"`},
		"invisible name":      {"Name: a\u200bb\nVersion: 0.4\n", `gives the name "a\u200bb"`},
		"other letters":       {"Name: проект\nVersion: 0.4\n", `gives the name "\u043f\u0440`},
		"path as version":     {"Name: projecta\nVersion: 0.4/../../x\n", `gives the version "0.4/../../x"`},
		"two dots":            {"Name: projecta\nVersion: 0..4\n", `gives the version "0..4"`},
		"dot before version":  {"Name: projecta\nVersion: .4\n", `gives the version ".4"`},
		"dash before version": {"Name: projecta\nVersion: -0.4\n", `gives the version "-0.4"`},
		"space in version":    {"Name: projecta\nVersion: 0.4 x\n", `gives the version "0.4 x"`},
		"shell as version":    {"Name: projecta\nVersion: $(id)\n", `gives the version "$(id)"`},
		"empty version":       {"Name: projecta\nVersion:\n", `gives the version ""`},
		"long version":        {"Name: projecta\nVersion: 0" + strings.Repeat("1", 100) + "\n", "which is not a canonical version"},
		"long name":           {"Name: " + strings.Repeat("a", 198) + "\nVersion: 0.4\n", "longer than 200 bytes"},
		"other version":       {"Name: projecta\nVersion: 0.5\n", "is not the directory of projecta 0.5"},
		"other name":          {"Name: projectb\nVersion: 0.4\n", "is not the directory of projectb 0.4"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := openMembers(t, file("projecta-0.4/PKG-INFO", test.info))
			requireInvalid(t, err, test.want)
		})
	}
}

// U+017F, U+212A and U+0130 become s, k and i where case is ignored: none of them makes a name, a
// field or a directory another one.
func TestOpenRefusesLettersThatFoldToOthers(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ top, info, want string }{
		{"pa\u017fte-0.4", "Name: pa\u017fte\nVersion: 0.4\n", "not a valid project name"},
		{"\u212ait-0.4", "Name: \u212ait\nVersion: 0.4\n", "not a valid project name"},
		{"kit-0.4", "Name: ki\u017f\nVersion: 0.4\n", "not a valid project name"},
		{"kit-0.4", "Name: kit\nVersion: 0.4\u212a\n", "not a canonical version"},
		{"\u212ait-0.4", "Name: kit\nVersion: 0.4\n", "is not the directory of kit 0.4"},
		{"kit-0.4", "Name: kit\nVers\u0130on: 0.4\n", `has 0 fields "Version"`},
	} {
		_, err := openMembers(t, file(test.top+"/PKG-INFO", test.info))
		requireInvalid(t, err, test.want)
	}
}

func TestOpenReadsPkgInfoAsPipDoes(t *testing.T) {
	t.Parallel()
	info := "Metadata-Version: 2.1\r\nname:projecta\r\nVersion:   0.4  \r\nLicense: long\r\n        text\r\nVERSION :0\r\nVersion: 9\r\n"
	a := mustOpen(t, file("projecta-0.4/PKG-INFO", info))
	assert.Equal(t, "projecta", a.Name)
	assert.Equal(t, "0.4", a.Version)
}

func TestOpenRefusesNonArchives(t *testing.T) {
	t.Parallel()
	good := tarOf(sample()...)
	zip := gzipped(t, good)
	tests := map[string]struct {
		data []byte
		want string
	}{
		"empty":                 {nil, "is empty"},
		"text":                  {[]byte("hello"), "is not compressed with gzip"},
		"zip":                   {[]byte("PK\x03\x04rest"), "is a zip archive or a wheel"},
		"xz":                    {[]byte("\xfd7zXZ\x00rest"), "is compressed with xz"},
		"bzip2":                 {[]byte("BZh9rest"), "is compressed with bzip2"},
		"zstd":                  {[]byte("\x28\xb5\x2f\xfdrest"), "is compressed with zstd"},
		"plain tar":             {good, "is a tar archive that is not compressed"},
		"gzip of text":          {gzipped(t, []byte(strings.Repeat("hello", 300))), "holds no valid tar archive"},
		"gzip of nothing":       {gzipped(t, nil), "ends without the end-of-archive blocks"},
		"no members":            {gzipped(t, make([]byte, 1024)), "is an archive without members"},
		"header only":           {zip[:8], "is truncated"},
		"cut in the middle":     {zip[:len(zip)/2], "is truncated"},
		"cut in the checksum":   {zip[:len(zip)-3], "is truncated"},
		"wrong checksum":        {flip(zip, len(zip)-8), "is damaged"},
		"wrong length":          {flip(zip, len(zip)-1), "is damaged"},
		"bytes after it":        {append(append([]byte{}, zip...), 0), "has data after the compressed archive"},
		"second gzip member":    {append(append([]byte{}, zip...), zip...), "has data after the compressed archive"},
		"no end":                {gzipped(t, good[:len(good)-1024]), "ends without the end-of-archive blocks"},
		"half an end":           {gzipped(t, good[:len(good)-512]), "ends without the end-of-archive blocks"},
		"cut in a member":       {gzipped(t, good[:1024+10]), "is truncated"},
		"members after it":      {gzipped(t, append(append([]byte{}, good...), good...)), "has data after the end of the archive"},
		"member after one zero": {gzipped(t, append(append([]byte{}, good[:len(good)-512]...), good...)), "has data after the end of the archive"},
		"text after it":         {gzipped(t, append(append([]byte{}, good...), "text"...)), "ends without the end-of-archive blocks"},
		"wrong header checksum": {gzipped(t, flip(good, 148)), "holds no valid tar archive"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := Open(write(t, test.data))
			requireInvalid(t, err, test.want)
			require.NotContains(t, err.Error(), "/", "one file name is enough")
		})
	}
}

func flip(data []byte, at int) []byte {
	data = append([]byte{}, data...)
	data[at] ^= 1
	return data
}

func TestOpenAcceptsPaddingAtTheEnd(t *testing.T) {
	t.Parallel()
	_, err := Open(write(t, gzipped(t, append(tarOf(sample()...), make([]byte, 10240)...))))
	require.NoError(t, err)
}

func TestErrorsQuoteUnusualNames(t *testing.T) {
	t.Parallel()
	tests := map[string]string{
		"projecta-0.4/../x":      "f.tar.gz: projecta-0.4/../x: why",
		"a b":                    `f.tar.gz: "a b": why`,
		"a\nkis: all is well":    `f.tar.gz: "a\nkis: all is well": why`,
		"a\x1b[2J\u202e":         `f.tar.gz: "a\x1b[2J\u202e": why`,
		"\xff":                   `f.tar.gz: "\xff": why`,
		strings.Repeat("a", 99):  "f.tar.gz: " + strings.Repeat("a", 99) + ": why",
		strings.Repeat("a", 1e6): "f.tar.gz: " + strings.Repeat("a", 300) + "…: why",
		"":                       "f.tar.gz: why",
	}
	for member, want := range tests {
		assert.Equal(t, want, (&InvalidError{File: "f.tar.gz", Member: member, Reason: "why"}).Error())
	}
}

func requireInvalid(t testing.TB, err error, want string) {
	t.Helper()
	var invalid *InvalidError
	require.ErrorAs(t, err, &invalid)
	require.ErrorContains(t, err, want)
}

func TestOpenReadsRequiresPython(t *testing.T) {
	t.Parallel()
	for fields, want := range map[string]string{
		"": "", "Requires-Python: >=3.9, <4\n": ">=3.9, <4", "requires-python:>=3\n": ">=3",
		"Requires-Python: >=3\nRequires-Python: >=4\n":           "",
		"Requires-Python: >=" + strings.Repeat("3", 1000) + "\n": "",
	} {
		a := mustOpen(t, file("projecta-0.4/PKG-INFO", "Name: projecta\nVersion: 0.4\n"+fields))
		assert.Equal(t, want, a.RequiresPython, fields)
	}
}
