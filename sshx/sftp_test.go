package sshx_test

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/sshtest"
	"github.com/keep-it-simple/kis/sshx"
	"github.com/keep-it-simple/kis/sshx/internal/sshxtest"
)

func TestSFTPReachesTheHostsFiles(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	_, c := connect(t, sshtest.Options{Home: home})
	s, err := c.SFTP(sshxtest.Deadline(t))
	require.NoError(t, err)
	f, err := s.Create("greeting")
	require.NoError(t, err)
	_, err = io.WriteString(f, "hello")
	require.NoError(t, err)
	require.NoError(t, f.Close())
	require.NoError(t, s.Close())
	text, err := os.ReadFile(filepath.Join(home, "greeting"))
	require.NoError(t, err)
	assert.Equal(t, "hello", string(text))
}

func TestSFTPNamesAMissingSubsystem(t *testing.T) {
	t.Parallel()
	_, c := connect(t, sshtest.Options{Faults: sshtest.Faults{RefuseSubsystem: true}})
	_, err := c.SFTP(sshxtest.Deadline(t))
	require.ErrorIs(t, err, sshx.ErrNoSFTP)
	assert.ErrorContains(t, err, "add `Subsystem sftp internal-sftp`")
}

func TestSFTPQuotesALoginShellThatPrints(t *testing.T) {
	t.Parallel()
	_, c := connect(t, sshtest.Options{Faults: sshtest.Faults{NoiseBeforeSFTP: "Welcome to \x1b[31mweb1\n"}})
	_, err := c.SFTP(sshxtest.Deadline(t))
	require.ErrorIs(t, err, sshx.ErrNoSFTP)
	assert.ErrorContains(t, err, `first bytes: "Welcome to \x1b[31mweb1\n`) // what the server sends may follow
}

func TestSFTPEndsWithItsContextWhenTheServerIsSilent(t *testing.T) {
	t.Parallel()
	_, c := connect(t, sshtest.Options{Faults: sshtest.Faults{SilentSFTP: true}})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := c.SFTP(ctx)
	require.ErrorIs(t, err, context.DeadlineExceeded)
}

// Failed attempts must not use up the host's MaxSessions.
func TestSFTPLeavesNoSessionBehind(t *testing.T) {
	t.Parallel()
	for _, faults := range []sshtest.Faults{{RefuseSubsystem: true}, {NoiseBeforeSFTP: "hello\n"}} {
		h, c := connect(t, sshtest.Options{Faults: faults})
		for range 3 {
			_, err := c.SFTP(sshxtest.Deadline(t))
			require.Error(t, err)
		}
		require.Eventually(t, func() bool { return h.Record().Closed == 3 }, 10*time.Second, 5*time.Millisecond)
	}
}

// The sftp package waits in Close for the host's last answer, and in Write for its window; a host
// that is cut off must not hold the caller.
func TestSFTPOfAStalledHostClosesAtOnce(t *testing.T) {
	t.Parallel()
	proxy, c := connectThrough(t, sshtest.Options{}, nil)
	s, err := c.SFTP(sshxtest.Deadline(t))
	require.NoError(t, err)
	f, err := s.Create("big")
	require.NoError(t, err)
	proxy.Stall()
	written := make(chan error, 1)
	go func() {
		_, err := f.ReadFromWithConcurrency(io.LimitReader(zeros{}, 64<<20), 64)
		written <- err
	}()
	select {
	case err := <-written:
		require.Fail(t, "written to a stalled host", "%v", err)
	case <-time.After(300 * time.Millisecond):
	}
	require.NoError(t, s.Close())
	select {
	case err := <-written:
		require.Error(t, err)
	case <-time.After(10 * time.Second):
		require.Fail(t, "the writer is still held")
	}
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) {
	clear(b)
	return len(b), nil
}
