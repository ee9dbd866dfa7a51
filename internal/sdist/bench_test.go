package sdist

import (
	"archive/tar"
	"bytes"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"
)

// benchArchive is a source distribution of 2000 files and 32 MiB that compress badly, as a path.
func benchArchive(b *testing.B) string {
	b.Helper()
	random := rand.NewChaCha8([32]byte{})
	var text bytes.Buffer
	w := tar.NewWriter(&text)
	add := func(name string, data []byte) {
		require.NoError(b, w.WriteHeader(&tar.Header{Name: "projecta-0.4/" + name, Mode: 0o644, Size: int64(len(data)), Typeflag: tar.TypeReg}))
		_, err := w.Write(data)
		require.NoError(b, err)
	}
	add("PKG-INFO", []byte("Metadata-Version: 2.1\nName: projecta\nVersion: 0.4\n"))
	for i := range 2000 {
		data := make([]byte, 16<<10)
		_, _ = random.Read(data)
		add(fmt.Sprintf("package/module%04d.py", i), data)
	}
	require.NoError(b, w.Close())
	return write(b, gzipped(b, text.Bytes()))
}

// BenchmarkOpen measures the one pass over an archive that validates every member and computes both
// digests.
func BenchmarkOpen(b *testing.B) {
	path := benchArchive(b)
	for b.Loop() {
		a, err := Open(path)
		require.NoError(b, err)
		require.NoError(b, a.Close())
	}
}

// BenchmarkOpenByTar is what BenchmarkOpen is to be held against: tar(1) reads the archive, and
// sha256sum(1) after it.
func BenchmarkOpenByTar(b *testing.B) {
	path := benchArchive(b)
	for b.Loop() {
		require.NoError(b, exec.CommandContext(b.Context(), "tar", "-tzf", path).Run())
		require.NoError(b, exec.CommandContext(b.Context(), "sha256sum", path).Run())
	}
}
