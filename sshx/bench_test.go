package sshx_test

import (
	"io"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/opensshtest"
	"github.com/keep-it-simple/kis/transfer"
)

// BenchmarkUpload measures an upload of 64 MiB to a real sshd on this machine.
func BenchmarkUpload(b *testing.B) {
	s := opensshtest.Start(b, opensshtest.Options{})
	c := dial(b, newDialer(b), targetOn(b, s))
	session, err := c.SFTP(b.Context())
	require.NoError(b, err)
	const size = 64 << 20
	b.SetBytes(size)
	for b.Loop() {
		dst := filepath.Join(s.Dir, "part")
		require.NoError(b, transfer.Put(b.Context(), session, io.LimitReader(zeros{}, size), size, dst, transfer.Options{}))
		require.NoError(b, session.Remove(dst))
	}
}
