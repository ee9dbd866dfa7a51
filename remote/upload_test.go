package remote_test

import (
	"bufio"
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/remote"
)

func TestUploadInTheSessionArrives(t *testing.T) {
	t.Parallel()
	l := owner(t, repository(t))
	for _, size := range []int{0, 1, 64 << 10, 3<<20 + 1} {
		data := bytes.Repeat([]byte("\n{\"id\":1,\"op\":\"bye\"}\n"), size/20+1)[:size]
		part, done := newPart(), int64(0)
		require.NoError(t, l.Put(t.Context(), part, bytes.NewReader(data), int64(size), func(now int64) { done = now }))
		require.Equal(t, int64(size), done)
		require.NoError(t, l.Receive(t.Context(), part, digest(data), int64(size)))
		have, err := l.Have(t.Context(), []string{digest(data), digest([]byte("other"))})
		require.NoError(t, err)
		require.Equal(t, map[string]bool{digest(data): true}, have)
	}
}

func TestCommandsMayFollowAnUpload(t *testing.T) {
	t.Parallel()
	l := owner(t, repository(t))
	data := bytes.Repeat([]byte("x"), 1<<20)
	var others sync.WaitGroup
	defer others.Wait()
	for range 8 {
		others.Go(func() {
			_, err := l.Ping(t.Context())
			assert.NoError(t, err)
		})
		part := newPart()
		require.NoError(t, l.Put(t.Context(), part, bytes.NewReader(data), int64(len(data)), nil))
		require.NoError(t, l.Receive(t.Context(), part, digest(data), int64(len(data))))
	}
}

// The bytes after a refused upload are still a file, which must not be read as commands.
func TestBytesOfARefusedUploadAreNotCommands(t *testing.T) {
	t.Parallel()
	evil := strings.Repeat("{\"id\":1,\"op\":\"bye\"}\n", 10000)
	size := int64(len(evil))
	t.Run("bad name", func(t *testing.T) {
		t.Parallel()
		l := owner(t, repository(t))
		requireRefused(t, l.Put(t.Context(), "../escape", strings.NewReader(evil), size, nil), "bad-request")
		_, err := l.Ping(t.Context())
		require.NoError(t, err)
	})
	t.Run("no lock", func(t *testing.T) {
		t.Parallel()
		l := opened(t, repository(t))
		requireRefused(t, l.Put(t.Context(), newPart(), strings.NewReader(evil), size, nil), "bad-request")
		_, err := l.Ping(t.Context())
		require.NoError(t, err)
	})
	t.Run("something is there", func(t *testing.T) {
		t.Parallel()
		l := owner(t, repository(t))
		part, outside := newPart(), filepath.Join(t.TempDir(), "victim")
		require.NoError(t, os.Symlink(outside, filepath.Join(l.locked.Directory, part)))
		requireRefused(t, l.Put(t.Context(), part, strings.NewReader(evil), size, nil), "io")
		require.NoFileExists(t, outside)
		_, err := l.Ping(t.Context())
		require.NoError(t, err)
	})
	t.Run("another step is in progress", func(t *testing.T) {
		t.Parallel()
		l := installed(t, "1")
		step := l.sleep(t)
		requireRefused(t, l.Put(t.Context(), newPart(), strings.NewReader(evil), size, nil), "busy")
		require.NoError(t, l.Cancel(t.Context()))
		requireRefused(t, <-step, "command-failed")
	})
}

func TestUploadLargerThanTheDiskIsRefusedAndTheSessionContinues(t *testing.T) {
	t.Parallel()
	l := owner(t, repository(t))
	l.limitFiles(t, 100_000)
	err := l.Put(t.Context(), newPart(), bytes.NewReader(make([]byte, 300_000)), 300_000, nil)
	requireRefused(t, err, "io")
	require.ErrorContains(t, err, "file too large")
	require.ErrorContains(t, err, l.root, "the place is named")
	l.place(t, []byte("small"))
}

func TestUploadWhoseSourceEndsEarlyEndsTheSession(t *testing.T) {
	t.Parallel()
	l := owner(t, repository(t))
	err := l.Put(t.Context(), newPart(), strings.NewReader("short"), 100, nil)
	requireLost(t, err)
	require.ErrorContains(t, err, "5 of 100 bytes")
	l.requireEnd(t)
}

func TestReceiveChecksSizeAndDigest(t *testing.T) {
	t.Parallel()
	l := owner(t, repository(t))
	good := []byte("good")
	put := func(t *testing.T, make func(path string) error) string {
		t.Helper()
		part := newPart()
		require.NoError(t, make(filepath.Join(l.locked.Directory, part)))
		return part
	}
	write := func(text string) func(string) error {
		return func(path string) error { return os.WriteFile(path, []byte(text), 0o600) }
	}
	secret := filepath.Join(t.TempDir(), "secret")
	require.NoError(t, os.WriteFile(secret, good, 0o600))
	for _, test := range []struct {
		name string
		make func(path string) error
		code remote.Code
	}{
		{"nothing", func(string) error { return nil }, "no-upload"},
		{"too short", write("goo"), "short-upload"},
		{"too long", write("goods"), "short-upload"},
		{"other bytes", write("evil"), "digest-mismatch"},
		{"a link to the right bytes", func(path string) error { return os.Symlink(secret, path) }, "no-upload"},
		{"a directory", func(path string) error { return os.Mkdir(path, 0o700) }, "short-upload"},
		{"a pipe", func(path string) error { return syscall.Mkfifo(path, 0o600) }, "short-upload"},
	} {
		part := put(t, test.make)
		requireRefused(t, l.Receive(t.Context(), part, digest(good), 4), test.code)
		if test.name != "a directory" && test.code != "no-upload" {
			_, err := os.Lstat(filepath.Join(l.locked.Directory, part))
			require.ErrorIs(t, err, os.ErrNotExist, "%s: what is of no use is not kept until the end of the run", test.name)
		}
		have, err := l.Have(t.Context(), []string{digest(good)})
		require.NoError(t, err)
		require.Empty(t, have, test.name)
	}
	requireRefused(t, l.Receive(t.Context(), "../../incoming/x", digest(good), 4), "bad-request")
	requireRefused(t, l.Receive(t.Context(), put(t, write("good")), "../"+digest(good), 4), "bad-request")
	require.NoError(t, l.Receive(t.Context(), put(t, write("good")), digest(good), 4))
	require.FileExists(t, secret)
}

// TestUploadsOfAPackageSurviveAPowerLoss: all of the file system is flushed before the receipt names them. Until then a run
// compares them again, and they are sent again where they are damaged.
func TestUploadsOfAPackageSurviveAPowerLoss(t *testing.T) {
	t.Parallel()
	l := owner(t, repository(t))
	log := filepath.Join(t.TempDir(), "strace")
	c := exec.Command("strace", "-f", "-y", "-o", log, "-e", "trace="+calls("rename")+",syncfs", "-p", strconv.Itoa(l.command.Process.Pid))
	said, err := c.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, c.Start())
	line, err := bufio.NewReader(said).ReadString('\n')
	require.NoError(t, err)
	require.Contains(t, line, "attached")
	a := source(t, "app", "1")
	l.install(t, a)
	require.NoError(t, c.Process.Signal(os.Interrupt))
	_ = c.Wait()
	text, err := os.ReadFile(log)
	require.NoError(t, err)
	require.Regexp(t, `(?s)/incoming/`+a.SHA256+`".* syncfs\(\d+<`+regexp.QuoteMeta(l.root)+`/app-1>\) += 0.*/receipt\.json"`, string(text))
}

func TestDamagedUploadIsSentAgain(t *testing.T) {
	t.Parallel()
	l := owner(t, repository(t))
	l.place(t, []byte("good"))
	path := filepath.Join(l.root, ".kis/incoming", digest([]byte("good")))
	require.NoError(t, os.WriteFile(path, []byte("evil"), 0o600))
	have, err := l.Have(t.Context(), []string{digest([]byte("good"))})
	require.NoError(t, err)
	require.Empty(t, have)
	require.NoFileExists(t, path)
}
