package sshx_test

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/testenv/opensshtest"
	"github.com/keep-it-simple/kis/sshx/internal/sshxtest"
	"github.com/keep-it-simple/kis/transfer"
)

// BenchmarkUpload measures an upload of 64 MiB to a real sshd on this machine.
func BenchmarkUpload(b *testing.B) {
	s := opensshtest.Start(b, opensshtest.Options{})
	c := sshxtest.Dial(b, sshxtest.NewDialer(b), sshxtest.TargetOn(b, s))
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

// BenchmarkUploadByOpenSSH is what BenchmarkUpload is to be held against: the same bytes to the
// same sshd by sftp(1), its connection included.
func BenchmarkUploadByOpenSSH(b *testing.B) {
	s := opensshtest.Start(b, opensshtest.Options{})
	const size = 64 << 20
	src, dst := filepath.Join(b.TempDir(), "source"), filepath.Join(s.Dir, "part")
	require.NoError(b, os.WriteFile(src, make([]byte, size), 0o600))
	known := filepath.Join(b.TempDir(), "known_hosts")
	require.NoError(b, os.WriteFile(known, []byte("[127.0.0.1]:"+strconv.Itoa(s.Port)+" "+s.PublicHostKey(b, 0)+"\n"), 0o600))
	b.SetBytes(size)
	for b.Loop() {
		cmd := exec.CommandContext(b.Context(), "sftp", "-q", "-b", "-", "-i", s.UserKey, "-P", strconv.Itoa(s.Port), "-o", "UserKnownHostsFile="+known, "-o", "IdentitiesOnly=yes", s.User+"@127.0.0.1")
		cmd.Stdin = strings.NewReader("put " + src + " " + dst + "\n")
		out, err := cmd.CombinedOutput()
		require.NoErrorf(b, err, "%s", out)
	}
}
