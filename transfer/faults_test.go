package transfer_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/pkg/sftp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/transfer"
)

// disk is the file system of an SFTP server, with one file and the faults that a test sets.
type disk struct {
	createError error
	writeError  error // for blocks at failAt and beyond
	failAt      int64
	free        sftp.StatVFS

	mu      sync.Mutex
	exists  bool
	size    int64
	removed bool
}

// Filewrite creates the file.
func (d *disk) Filewrite(*sftp.Request) (io.WriterAt, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.createError != nil {
		return nil, d.createError
	}
	d.exists = true
	return d, nil
}

// WriteAt fails at failAt.
func (d *disk) WriteAt(p []byte, off int64) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.writeError != nil && off == d.failAt {
		return 0, d.writeError
	}
	d.size = max(d.size, off+int64(len(p)))
	return len(p), nil
}

// Filecmd takes Setstat and Remove.
func (d *disk) Filecmd(r *sftp.Request) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if r.Method == "Remove" {
		d.exists, d.removed = false, true
	}
	return nil
}

// StatVFS returns the free space.
func (d *disk) StatVFS(*sftp.Request) (*sftp.StatVFS, error) { return &d.free, nil }

// Filelist answers Stat and Lstat.
func (d *disk) Filelist(*sftp.Request) (sftp.ListerAt, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.exists {
		return nil, os.ErrNotExist
	}
	return entry{size: d.size}, nil
}

type entry struct{ size int64 }

func (e entry) ListAt(list []os.FileInfo, _ int64) (int, error) {
	list[0] = e
	return 1, io.EOF
}
func (e entry) Name() string       { return "part" }
func (e entry) Size() int64        { return e.size }
func (e entry) Mode() os.FileMode  { return 0o600 }
func (e entry) ModTime() time.Time { return time.Time{} }
func (e entry) IsDir() bool        { return false }
func (e entry) Sys() any           { return nil }

// serve connects a client to an SFTP server over d.
func (d *disk) serve(t *testing.T) *sftp.Client {
	t.Helper()
	here, there := net.Pipe()
	server := sftp.NewRequestServer(there, sftp.Handlers{FileGet: nil, FilePut: d, FileCmd: d, FileList: d})
	var serving sync.WaitGroup
	serving.Go(func() { _ = server.Serve() })
	c, err := sftp.NewClientPipe(here, here)
	require.NoError(t, err)
	t.Cleanup(func() {
		_ = c.Close()
		_ = server.Close()
		serving.Wait()
	})
	return c
}

func TestPutExplainsBareFailures(t *testing.T) {
	t.Parallel()
	failure := errors.New("the detail does not travel")
	enough := sftp.StatVFS{Frsize: 4096, Bavail: 1 << 20, Files: 100, Favail: 50}
	for _, c := range []struct {
		name string
		disk *disk
		want transfer.Kind
		step string
		free string
	}{
		{"no space", &disk{writeError: failure, free: sftp.StatVFS{Frsize: 4096, Files: 100, Favail: 14}}, transfer.Full, "write", "0 bytes, 14 inodes free"},
		{"no inodes", &disk{createError: failure, free: sftp.StatVFS{Frsize: 1 << 20, Bavail: 5, Files: 100}}, transfer.Full, "create", "5242880 bytes, 0 inodes free"},
		{"a disk without end", &disk{writeError: failure, free: sftp.StatVFS{Frsize: 4096, Bavail: 1 << 53, Files: 100, Favail: 50}}, transfer.Failed, "write", ""},
		{"no size of a block", &disk{writeError: failure, free: sftp.StatVFS{Bavail: 1 << 20, Files: 100, Favail: 50}}, transfer.Failed, "write", ""},
		{"something else", &disk{writeError: failure, free: enough}, transfer.Failed, "write", ""},
		{"file exists", &disk{createError: failure, exists: true, free: enough}, transfer.Exists, "create", ""},
		{"not allowed", &disk{createError: sftp.ErrSSHFxPermissionDenied, free: enough}, transfer.Permission, "create", ""},
		{"one block in the middle fails", &disk{writeError: failure, failAt: 64 << 10, free: enough}, transfer.Failed, "write", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			d := c.disk
			created := d.createError == nil
			content := bytes.NewReader(make([]byte, 256<<10))
			err := transfer.Put(t.Context(), d.serve(t), content, content.Size(), "/in/part", transfer.Options{})
			var e *transfer.Error
			require.ErrorAs(t, err, &e)
			assert.Equal(t, c.want, e.Kind)
			assert.Equal(t, c.step, e.Step)
			assert.Equal(t, c.free, e.Free)
			d.mu.Lock()
			defer d.mu.Unlock()
			assert.Equal(t, created, d.removed, "the file is removed only if it is ours")
		})
	}
}

// The server acknowledges every block and does not write them all.
func TestPutComparesTheSize(t *testing.T) {
	t.Parallel()
	d := &disk{}
	c := d.serve(t)
	err := transfer.Put(t.Context(), c, bytes.NewReader(make([]byte, 100)), 100, "/in/part", transfer.Options{
		Progress: func(int64) {
			d.mu.Lock()
			defer d.mu.Unlock()
			d.size = 99
		},
	})
	require.ErrorContains(t, err, "the host has 99 of 100 bytes")
	assert.True(t, d.removed)
}
