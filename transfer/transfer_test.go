package transfer_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/pkg/sftp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"

	"github.com/keep-it-simple/kis/internal/sshtest"
	"github.com/keep-it-simple/kis/internal/testenv/proxytest"
	"github.com/keep-it-simple/kis/sshx"
	"github.com/keep-it-simple/kis/sshx/hostkey"
	"github.com/keep-it-simple/kis/transfer"
)

// site is a host, a proxy before it, and an SFTP session through both.
type site struct {
	home  string
	host  *sshtest.Host
	proxy *proxytest.Proxy
	ssh   *sshx.Client
	sftp  *sftp.Client
}

func newSite(t *testing.T) site {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	signer, err := ssh.NewSignerFromKey(private)
	require.NoError(t, err)
	block, err := ssh.MarshalPrivateKey(private, "")
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "id")
	require.NoError(t, os.WriteFile(file, pem.EncodeToMemory(block), 0o600))

	home := t.TempDir()
	host, err := sshtest.Start(sshtest.Options{Home: home, AuthorizedKeys: []ssh.PublicKey{signer.PublicKey()}})
	require.NoError(t, err)
	t.Cleanup(func() {
		_ = host.Close()
		require.Empty(t, host.Record().Execs, "files go over SFTP and nothing else")
	})
	proxy, err := proxytest.New(host.Addr())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, proxy.Close()) })
	d := &sshx.Dialer{}
	t.Cleanup(func() { require.NoError(t, d.Close()) })
	target := sshx.Target{Name: "web1", HostName: "127.0.0.1", Port: proxy.Port(), User: "deploy"}
	target.IdentityFiles, target.HostKey = []string{file}, hostkey.Pin{Fingerprint: ssh.FingerprintSHA256(host.HostKey())}
	c, err := d.Dial(t.Context(), target)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	s, err := c.SFTP(t.Context())
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.Close() })
	return site{home, host, proxy, c, s}
}

func (s site) path() string { return filepath.Join(s.home, "part") }

// requireAbsent requires that the host does not have the file.
func (s site) requireAbsent(t *testing.T) {
	t.Helper()
	_, err := os.Lstat(s.path())
	require.ErrorIs(t, err, os.ErrNotExist)
}

func random(t *testing.T, n int) []byte {
	t.Helper()
	b := make([]byte, n)
	_, err := rand.Read(b)
	require.NoError(t, err)
	return b
}

func TestPutWritesCompleteFile(t *testing.T) {
	t.Parallel()
	for _, size := range []int{0, 1, 32<<10 - 1, 32 << 10, 32<<10 + 1, 3<<20 + 17} {
		s := newSite(t)
		content := random(t, size)
		var reports []int64
		err := transfer.Put(t.Context(), s.sftp, bytes.NewReader(content), int64(size), s.path(), transfer.Options{
			Progress: func(done int64) { reports = append(reports, done) },
		})
		require.NoError(t, err)
		got, err := os.ReadFile(s.path())
		require.NoError(t, err)
		assert.True(t, bytes.Equal(content, got), "%d bytes", size)
		info, err := os.Stat(s.path())
		require.NoError(t, err)
		assert.Equal(t, os.FileMode(0o600), info.Mode())
		assert.IsNonDecreasing(t, reports)
		if size > 0 {
			assert.Equal(t, int64(size), reports[len(reports)-1])
		}
	}
}

func kind(t *testing.T, err error) transfer.Kind {
	t.Helper()
	var e *transfer.Error
	require.ErrorAs(t, err, &e)
	return e.Kind
}

func TestPutNeverTouchesExistingFiles(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	elsewhere := filepath.Join(s.home, "elsewhere")
	for name, make := range map[string]func() error{
		"file": func() error { return os.WriteFile(s.path(), []byte("mine"), 0o600) },
		"link": func() error { return os.Symlink(elsewhere, s.path()) },
	} {
		require.NoError(t, make(), name)
		err := transfer.Put(t.Context(), s.sftp, bytes.NewReader([]byte("x")), 1, s.path(), transfer.Options{})
		assert.Equal(t, transfer.Exists, kind(t, err), name)
		_, err = os.Lstat(s.path())
		require.NoError(t, err, name)
		require.NoError(t, os.Remove(s.path()))
	}
	_, err := os.Lstat(elsewhere)
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestPutRefusesRelativePaths(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for _, dst := range []string{"", "part", "./part", s.home + "/../part", s.path() + "/"} {
		require.Error(t, transfer.Put(t.Context(), s.sftp, bytes.NewReader(nil), 0, dst, transfer.Options{}), dst)
	}
}

func TestPutRemovesFileIfSourceChanged(t *testing.T) {
	t.Parallel()
	broken := errors.New("disk on fire")
	for _, c := range []struct {
		name string
		src  io.Reader
		want transfer.Kind
	}{
		{"shorter", bytes.NewReader(make([]byte, 99_999)), transfer.Size},
		{"longer", bytes.NewReader(make([]byte, 100_001)), transfer.Size},
		{"much longer", bytes.NewReader(make([]byte, 300_000)), transfer.Size},
		{"unreadable", io.MultiReader(bytes.NewReader(make([]byte, 50_000)), failing{broken}), transfer.Source},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			err := transfer.Put(t.Context(), s.sftp, c.src, 100_000, s.path(), transfer.Options{})
			assert.Equal(t, c.want, kind(t, err))
			s.requireAbsent(t)
			if c.want == transfer.Source {
				require.ErrorIs(t, err, broken)
			}
			// The session still works.
			require.NoError(t, transfer.Put(t.Context(), s.sftp, bytes.NewReader([]byte("x")), 1, s.path(), transfer.Options{}))
		})
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// Wherever the connection breaks, the error says that it is lost.
func TestPutReportsLostConnection(t *testing.T) {
	t.Parallel()
	content := random(t, 300_000)
	for _, after := range []int64{0, 1, 100, 5_000, 50_000, 200_000, 299_999} {
		s := newSite(t)
		s.proxy.CutAfter(after, proxytest.ToHost)
		err := transfer.Put(t.Context(), s.sftp, bytes.NewReader(content), int64(len(content)), s.path(), transfer.Options{})
		assert.Equal(t, transfer.Lost, kind(t, err), "cut after %d bytes: %v", after, err)
	}
}

func TestPutToStalledHostEnds(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.proxy.Stall()
	size := int64(64 << 20)
	err := transfer.Put(t.Context(), s.sftp, io.LimitReader(zeros{}, size), size, s.path(), transfer.Options{Stall: 200 * time.Millisecond})
	assert.Equal(t, transfer.Stalled, kind(t, err))
	assert.ErrorContains(t, err, "no progress for 200ms")
}

func TestPutReportsStallDuringTransfer(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	size := int64(64 << 20)
	err := transfer.Put(t.Context(), s.sftp, io.LimitReader(zeros{}, size), size, s.path(), transfer.Options{
		Stall: 500 * time.Millisecond,
		Progress: func(done int64) {
			if done > 1<<20 {
				s.proxy.Stall()
			}
		},
	})
	assert.Equal(t, transfer.Stalled, kind(t, err))
}

func TestPutEndsWithItsContext(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	ctx, cancel := context.WithCancel(t.Context())
	size := int64(1) << 40
	err := transfer.Put(ctx, s.sftp, io.LimitReader(zeros{}, size), size, s.path(), transfer.Options{
		Progress: func(int64) { cancel() },
	})
	assert.Equal(t, transfer.Interrupted, kind(t, err))
	require.ErrorIs(t, err, context.Canceled)
	s.requireAbsent(t)
	require.NoError(t, s.ssh.Err(), "the connection outlives the transfer")
}

func TestPutReportsMissingDirectory(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	err := transfer.Put(t.Context(), s.sftp, bytes.NewReader(nil), 0, "/no/such/directory/part", transfer.Options{})
	require.ErrorIs(t, err, os.ErrNotExist)
	assert.Equal(t, transfer.Failed, kind(t, err))
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) {
	clear(b)
	return len(b), nil
}
