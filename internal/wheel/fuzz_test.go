package wheel

import (
	"archive/zip"
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// FuzzRead: whatever a backend has made, it is a wheel that every host can install, the same when
// it is read again, or one line says what is wrong with it.
func FuzzRead(f *testing.F) {
	f.Add(zipped(f, valid(nil), time.Now()))
	f.Add(zipped(f, valid(map[string]string{"../x": ""}), time.Now()))
	f.Add(zipped(f, valid(map[string]string{"x.pth": source + "\n", "é,\"": ""}), time.Now()))
	f.Add(zipped(f, valid(map[string]string{info + "METADATA": "Name: a\n b\nVersion:1\r\nrequires-dist: é\n"}), time.Now()))
	f.Add([]byte("PK"))
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, data []byte) {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, data, 0o600))
		lim := limits{members: 100, unpacked: 1 << 20, metadata: 1 << 16, editing: 1 << 20}
		a, err := read(path, sourceAt(source), lim)
		if err != nil {
			require.NotContains(t, err.Error(), "\n")
			require.Less(t, len(err.Error()), 2000)
			return
		}
		defer func() { require.NoError(t, a.Close()) }()
		normal := content(t, a)
		unzip(t, normal)
		require.NoError(t, os.WriteFile(path, normal, 0o600))
		again, err := read(path, sourceAt(source), lim)
		require.NoError(t, err)
		defer func() { require.NoError(t, again.Close()) }()
		require.Equal(t, a.SHA256, again.SHA256)
		moved, err := a.At("/srv/projecta-0.4")
		require.NoError(t, err)
		defer func() { require.NoError(t, moved.Close()) }()
		in, err := zip.NewReader(bytes.NewReader(content(t, moved)), moved.Size)
		require.NoError(t, err)
		for _, member := range in.File {
			text, err := readAll(member)
			require.NoError(t, err)
			require.NotContains(t, string(text), "kis-build-123")
		}
	})
}

// FuzzMetadata: METADATA and WHEEL give clean values, or an error.
func FuzzMetadata(f *testing.F) {
	f.Add([]byte(metadat4))
	f.Add([]byte(pure))
	f.Add([]byte("Name: a\r\nVersion: 1\r\nRequires-Dist: b\r\n  ; x\r\n\r\nName: c"))
	f.Add([]byte("Name:\x00\nVersion: \xff\n: x\nTag"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if err := requirePure(data); err != nil {
			require.NotContains(t, err.Error(), "\n")
			require.Less(t, len(err.Error()), 2000)
		}
		m, err := parseMetadata(data)
		if err != nil {
			return
		}
		require.NotEmpty(t, m.project)
		require.NotEmpty(t, m.version)
		for _, value := range append(m.requires, m.project, m.version) {
			require.False(t, strings.ContainsFunc(value, func(r rune) bool { return r < ' ' }), "%q", value)
		}
	})
}
