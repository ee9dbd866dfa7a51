package wheel

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/csv"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	name     = "projecta-0.4-py3-none-any.whl"
	info     = "projecta-0.4.dist-info/"
	source   = "/tmp/kis-build-123/projecta-0.4"
	pure     = "Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
	metadat4 = "Metadata-Version: 2.1\nName: projectA\nVersion: 0.4\nRequires-Dist: six>=1.0\nRequires-Dist: requests; python_version<\"3.12\"\n\nRequires-Dist: text\n"
)

// member is one of a wheel for a test.
type member struct {
	name, data string
	mode       fs.FileMode
}

// valid are the members of a wheel, with changes: a nil member is left out.
func valid(changes map[string]string) []member {
	files := map[string]string{
		"projecta/__init__.py": "value = 1\n", "projecta/run.sh": "#!/bin/sh\n",
		info + "METADATA": metadat4, info + "WHEEL": pure, info + "RECORD": "wrong,,\n",
	}
	maps.Copy(files, changes)
	var members []member
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if files[name] == removed {
			continue
		}
		m := member{name: name, data: files[name], mode: 0o640}
		if strings.HasSuffix(name, ".sh") {
			m.mode = 0o750
		}
		members = append(members, m)
	}
	return members
}

const removed = "\x00removed"

func built(t testing.TB, file string, members []member, modified time.Time) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), file)
	require.NoError(t, os.WriteFile(path, zipped(t, members, modified), 0o600))
	return path
}

func zipped(t testing.TB, members []member, modified time.Time) []byte {
	t.Helper()
	var data bytes.Buffer
	out := zip.NewWriter(&data)
	for _, m := range members {
		header := &zip.FileHeader{Name: m.name, Method: zip.Deflate, Modified: modified}
		header.SetMode(m.mode)
		to, err := out.CreateHeader(header)
		require.NoError(t, err)
		_, err = to.Write([]byte(m.data))
		require.NoError(t, err)
	}
	require.NoError(t, out.Close())
	return data.Bytes()
}

func mustRead(t testing.TB, path string, source *Source) *Archive {
	t.Helper()
	a, err := Read(path, source)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, a.Close()) })
	return a
}

// content reads the whole file.
func content(t testing.TB, a *Archive) []byte {
	t.Helper()
	in, err := a.Open()
	require.NoError(t, err)
	data, err := io.ReadAll(in)
	require.NoError(t, err)
	require.NoError(t, in.Close())
	require.Len(t, data, int(a.Size))
	require.Equal(t, a.SHA256, fmt.Sprintf("%x", sha256.Sum256(data)))
	return data
}

// unzip reads the members, and requires that RECORD describes them.
func unzip(t testing.TB, data []byte) map[string]string {
	t.Helper()
	in, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	require.NoError(t, err)
	files := map[string]string{}
	record := ""
	for _, f := range in.File {
		text, err := readAll(f)
		require.NoError(t, err)
		files[f.Name] = string(text)
		record = f.Name
	}
	require.True(t, strings.HasSuffix(record, ".dist-info/RECORD"), "it is the last member")
	lines, err := csv.NewReader(strings.NewReader(files[record])).ReadAll()
	require.NoError(t, err)
	require.Len(t, lines, len(files))
	for _, line := range lines {
		text, found := files[line[0]]
		require.True(t, found, line[0])
		if line[0] == record {
			require.Equal(t, []string{record, "", ""}, line)
			continue
		}
		sum := sha256.Sum256([]byte(text))
		require.Equal(t, []string{line[0], "sha256=" + base64.RawURLEncoding.EncodeToString(sum[:]), fmt.Sprint(len(text))}, line)
	}
	return files
}

func TestReadMakesTheSameFileOfTheSameContents(t *testing.T) {
	t.Parallel()
	members := valid(nil)
	first := mustRead(t, built(t, name, members, time.Unix(1.7e9, 0)), nil)
	slices.Reverse(members)
	for i := range members {
		members[i].mode |= 0o044 // as another umask has it
	}
	members = append(members, member{name: "projecta/", mode: fs.ModeDir | 0o755})
	second := mustRead(t, built(t, name, members, time.Unix(1.6e9, 0)), nil)

	assert.Equal(t, first.SHA256, second.SHA256)
	assert.Equal(t, name, first.Name)
	assert.Equal(t, "projectA", first.Project)
	assert.Equal(t, "0.4", first.Version)
	assert.True(t, first.Is("ProjectA", "0.4"))
	assert.False(t, first.Is("projecta", "0.5"))
	assert.Equal(t, []string{"six>=1.0", `requests; python_version<"3.12"`}, first.RequiresDist)
	assert.False(t, first.Editable())

	data := content(t, first)
	assert.Equal(t, "value = 1\n", unzip(t, data)["projecta/__init__.py"])
	in, err := zip.NewReader(bytes.NewReader(data), first.Size)
	require.NoError(t, err)
	for _, f := range in.File {
		want := fs.FileMode(0o644)
		if f.Name == "projecta/run.sh" {
			want = 0o755
		}
		assert.Equal(t, want, f.Mode(), f.Name)
		assert.Equal(t, 1980, f.Modified.Year(), f.Name)
	}
}

// TestMetadataIsReadBehindLinesThatArePassedOver: Python's parser passes over a continuation of nothing, and a field
// without a name.
func TestMetadataIsReadBehindLinesThatArePassedOver(t *testing.T) {
	t.Parallel()
	m, err := parseMetadata([]byte(" x\nName: a\n: x\nVersion: 1\n:x\nRequires-Dist: b\n"))
	require.NoError(t, err)
	assert.Equal(t, metadata{"a", "1", []string{"b"}}, m)
}

func TestSeveralReadersAtOnce(t *testing.T) {
	t.Parallel()
	a := mustRead(t, built(t, name, valid(nil), time.Now()), sourceAt(source))
	moved, err := a.At("/var/webcode/projecta-0.4")
	require.NoError(t, err)
	var readers sync.WaitGroup
	for _, each := range []*Archive{a, a, moved, moved} {
		readers.Go(func() { assert.Equal(t, each.SHA256, fmt.Sprintf("%x", sha256.Sum256(content(t, each)))) })
	}
	readers.Wait()
	require.NoError(t, moved.Close())
	content(t, a)
	in, err := moved.Open()
	require.NoError(t, err)
	_, err = io.ReadAll(in)
	require.ErrorIs(t, err, os.ErrClosed)
}

func TestReadRefuses(t *testing.T) {
	t.Parallel()
	with := func(key, value string) []member { return valid(map[string]string{key: value}) }
	also := func(extra ...member) []member { return append(valid(nil), extra...) }
	notPure := ErrNotPure.Error()
	tests := map[string]struct {
		file    string
		members []member
		want    string
	}{
		"other root":           {name, with(info+"WHEEL", strings.Replace(pure, "true", "false", 1)), notPure + ": Root-Is-Purelib: false"},
		"other platform":       {name, with(info+"WHEEL", strings.Replace(pure, "py3-none-any", "cp311-cp311-linux_x86_64", 1)), notPure + ": Tag: cp311-cp311-linux_x86_64"},
		"other implementation": {name, with(info+"WHEEL", strings.Replace(pure, "py3-none-any", "cp311-none-any", 1)), notPure + ": Tag: cp311-none-any"},
		"second tag":           {name, with(info+"WHEEL", pure+"Tag: py3-none-win32\n"), notPure + ": Tag: py3-none-win32"},
		"platform in the name": {"projecta-0.4-py3-none-linux_x86_64.whl", valid(nil), notPure + ": its file name"},
		"platlib":              {name, with("projecta-0.4.data/platlib/x.py", ""), notPure + ": projecta-0.4.data/platlib/x.py"},
		"signed":               {name, with(info+"RECORD.jws", ""), notPure + ": it is signed"},
		"no tag":               {name, with(info+"WHEEL", strings.Replace(pure, "Tag", "X", 1)), "WHEEL: has no Tag"},
		"version 2":            {name, with(info+"WHEEL", strings.Replace(pure, "1.0", "2.0", 1)), "WHEEL: is not of version 1"},
		"empty WHEEL":          {name, with(info+"WHEEL", ""), "WHEEL: is not of version 1"},
		"no METADATA":          {name, with(info+"METADATA", removed), info + "METADATA is missing"},
		"no WHEEL":             {name, with(info+"WHEEL", removed), info + "WHEEL is missing"},
		"no RECORD":            {name, with(info+"RECORD", removed), info + "RECORD is missing"},
		"no name":              {name, with(info+"METADATA", "Version: 1\n"), "METADATA: does not have one Name"},
		"two versions":         {name, with(info+"METADATA", "Name: x\nVersion: 1\nVersion: 2\n"), "METADATA: does not have one Name"},
		"control character":    {name, with(info+"METADATA", "Name: x\nVersion: 1\nRequires-Dist: a\x1b[31m\n"), "METADATA: a name, version or requirement has a control character"},
		"huge METADATA":        {name, with(info+"METADATA", strings.Repeat("x", 1<<20+1)), "METADATA is larger than 1 MiB"},
		"no dist-info":         {name, []member{{name: "x.py"}}, "has no .dist-info directory"},
		"two dist-infos":       {name, with("x-1.dist-info/METADATA", ""), "has more than one .dist-info"},
		"other dist-info":      {"projectb-0.4-py3-none-any.whl", valid(nil), "projecta-0.4.dist-info is not the metadata"},
		"no name of a wheel":   {"projecta.whl", valid(nil), "the file has no name of a wheel"},
		"terminal in the name": {"pro\x1b-0.4-py3-none-any.whl", valid(nil), "the file has no name of a wheel"},
		"absolute path":        {name, with("/etc/passwd", ""), "/etc/passwd: the path is not one inside the wheel"},
		"parent directory":     {name, with("a/../../x", ""), "a/../../x: the path is not one inside"},
		"dot":                  {name, with("./x", ""), "./x: the path is not one inside"},
		"backslash":            {name, with(`..\x`, ""), `"..\\x": the path is not one inside`},
		"escape":               {name, with("a\x1b[2J", ""), `"a\x1b[2J": the name has a control`},
		"not UTF-8":            {name, with("a\xff", ""), `the name is not UTF-8`},
		"symbolic link":        {name, also(member{"link", "/etc/passwd", fs.ModeSymlink | 0o777}), "link: is not a regular file"},
		"twice":                {name, also(member{"projecta/__init__.py", "", 0o644}), "projecta/__init__.py: is in the wheel twice"},
		"below a file":         {name, with("projecta/run.sh/x", ""), "projecta/run.sh/x: lies below projecta/run.sh, which is a file"},
	}
	for label, test := range tests {
		t.Run(label, func(t *testing.T) {
			t.Parallel()
			_, err := Read(built(t, test.file, test.members, time.Now()), nil)
			require.ErrorContains(t, err, test.want)
			assert.Equal(t, strings.Contains(test.want, notPure), errorsIsNotPure(err))
			assert.NotContains(t, err.Error(), "\n")
			assert.NotContains(t, err.Error(), "\x1b")
		})
	}
}

// TestRecordMayBeLarge: it has a line for each file, and kis writes it anew.
func TestRecordMayBeLarge(t *testing.T) {
	t.Parallel()
	path := built(t, name, valid(map[string]string{info + "RECORD": strings.Repeat("x", 1<<20+1)}), time.Now())
	a, err := Read(path, nil)
	require.NoError(t, err)
	require.NoError(t, a.Close())
}

func TestReadRefusesDamagedFiles(t *testing.T) {
	t.Parallel()
	data := zipped(t, valid(nil), time.Now())
	for label, damaged := range map[string][]byte{"empty": nil, "truncated": data[:len(data)/2], "text": []byte("no zip\n"), "flipped": flipped(data)} {
		path := filepath.Join(t.TempDir(), name)
		require.NoError(t, os.WriteFile(path, damaged, 0o600))
		_, err := Read(path, nil)
		require.Error(t, err, label)
		require.Contains(t, err.Error(), name)
	}
}

// flipped damages the content of the first member.
func flipped(data []byte) []byte {
	damaged := bytes.Clone(data)
	damaged[30+len(info+"METADATA")+9+20] ^= 0xff // behind the header, the name and the time
	return damaged
}

func TestLimits(t *testing.T) {
	t.Parallel()
	path := built(t, name, valid(map[string]string{"big": strings.Repeat("x", 10_000)}), time.Now())
	for want, lim := range map[string]limits{
		"has more than 5 members":          {members: 5, unpacked: 1 << 30, metadata: 1 << 20, editing: 1 << 20},
		"unpacks to more than 0 MiB":       {members: 50, unpacked: 9_000, metadata: 1 << 20, editing: 1 << 20},
		"it is editable and unpacks to mo": {members: 50, unpacked: 1 << 30, metadata: 1 << 20, editing: 9_000},
	} {
		_, err := read(path, &Source{Dir: source, Temporary: "kis-build-123"}, lim)
		require.ErrorContains(t, err, want)
	}
}
