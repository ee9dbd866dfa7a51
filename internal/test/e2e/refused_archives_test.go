package e2e

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/testenv"
)

// withMember is a copy of an archive that has one more member.
func withMember(t *testing.T, archive string, h tar.Header) string {
	t.Helper()
	from, err := os.Open(archive)
	require.NoError(t, err)
	defer from.Close() //nolint:errcheck // only read
	plain, err := gzip.NewReader(from)
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), filepath.Base(archive))
	to, err := os.Create(path)
	require.NoError(t, err)
	packed := gzip.NewWriter(to)
	in, out := tar.NewReader(plain), tar.NewWriter(packed)
	for {
		member, err := in.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
		require.NoError(t, out.WriteHeader(member))
		_, err = io.Copy(out, in)
		require.NoError(t, err)
	}
	require.NoError(t, out.WriteHeader(&h))
	for _, c := range []io.Closer{out, packed, to} {
		require.NoError(t, c.Close())
	}
	return path
}

// TestArchivesRefused_B13_B17_I6: somebody else has made them, or they were made on another system.
func TestArchivesRefused_B13_B17_I6(t *testing.T) {
	t.Parallel()
	archive := testenv.Around(t, nil).Archive()
	l, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	w := testenv.Around(t, nil)
	w.Inventory(fmt.Sprintf("stages: {staging: {hosts: [web1]}}\nhosts: {web1: {address: 127.0.0.1, ssh: {port: %d}}}\n", l.Addr().(*net.TCPAddr).Port))
	for _, c := range []struct {
		name, says string
		member     tar.Header
	}{
		{"B13: two top folders", "other-1/x: lies outside hello-0.3", tar.Header{Name: "other-1/x", Mode: 0o644}},
		{"B17: names that collide", "hello-0.3/ReadMe.md", tar.Header{Name: "hello-0.3/ReadMe.md", Mode: 0o644}},
		{"a hard link", "hello-0.3/x: is a hard link", tar.Header{Name: "hello-0.3/x", Typeflag: tar.TypeLink, Linkname: "hello-0.3/VERSION"}},
		{"a device", "hello-0.3/x: is a device", tar.Header{Name: "hello-0.3/x", Typeflag: tar.TypeChar, Mode: 0o644, Devmajor: 1, Devminor: 3}},
		{"a way out", "hello-0.3/../../x: has a .. in its name", tar.Header{Name: "hello-0.3/../../x", Mode: 0o644}},
		{"a link that leads out", "hello-0.3/x: points to /etc/passwd", tar.Header{Name: "hello-0.3/x", Typeflag: tar.TypeSymlink, Linkname: "/etc/passwd"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := w.In(t).Kis("push", "staging", "--sdist", withMember(t, archive, c.member))
			assert.Equal(t, 2, r.Exit)
			assert.Contains(t, r.Err, c.says)
		})
	}
	require.NoError(t, l.SetDeadline(time.Now().Add(-time.Second)))
	_, err = l.Accept()
	assert.ErrorIs(t, err, os.ErrDeadlineExceeded, "nobody has come")
}
