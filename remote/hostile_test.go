package remote_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// tarball is an archive of exactly these members.
func tarball(t *testing.T, members ...tar.Header) []byte {
	t.Helper()
	var out bytes.Buffer
	zipped := gzip.NewWriter(&out)
	tarred := tar.NewWriter(zipped)
	for _, h := range members {
		require.NoError(t, tarred.WriteHeader(&h))
	}
	require.NoError(t, errors.Join(tarred.Close(), zipped.Close()))
	return out.Bytes()
}

// The controller refuses such archives. The host unpacks with its own tar, and checks again.
func TestHostRefusesHostileArchives(t *testing.T) {
	t.Parallel()
	metadata := tar.Header{Name: "app-1/PKG-INFO", Mode: 0o644}
	for name, data := range map[string][]byte{
		"nothing":             tarball(t),
		"two top directories": tarball(t, metadata, tar.Header{Name: "other/x", Mode: 0o644}),
		"no top directory":    tarball(t, tar.Header{Name: "PKG-INFO", Mode: 0o644}),
		"a top link":          tarball(t, tar.Header{Name: "app-1", Typeflag: tar.TypeSymlink, Linkname: "/etc"}),
		"a hard link":         tarball(t, metadata, tar.Header{Name: "app-1/again", Typeflag: tar.TypeLink, Linkname: "app-1/PKG-INFO"}),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l, a := owner(t, repository(t)), source(t, "app", "1")
			a.SHA256 = digest(data)
			_, err := l.Begin(t.Context(), a.Source)
			require.NoError(t, err)
			l.place(t, data)
			requireRefused(t, l.Unpack(t.Context(), a.Source, soon, nil), "bad-archive")
			require.NoDirExists(t, filepath.Join(l.root, "app-1"))
		})
	}
}
