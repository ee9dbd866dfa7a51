package recovery

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/keep-it-simple/kis/internal/testenv/hosttest"
)

// Sizes of the disk, in bytes.
const (
	diskSize   = 144 << 20
	sectorSize = 512 // what a disk writes whole or not at all
)

// recordedDisk is a disk that remembers in what order it was written to and when it was told to flush: a file of a FUSE file system (fuse(4)), under a
// loop device. What a power cut can leave of it is then known exactly, see cut.
type recordedDisk struct {
	device *os.File // /dev/fuse
	served sync.WaitGroup

	mu      sync.Mutex
	content []byte // as it is
	log     []request
	base    string // path of a file with what the first flushed requests have left
	flushed int
}

// request is a write, or a flush, which has no data.
type request struct {
	offset int64
	data   []byte
}

func (r request) flush() bool { return r.data == nil }

// newRecordedDisk makes an ext4 file system that belongs to the deploying user and mounts it over the host's package repository.
func newRecordedDisk(t *testing.T, h *hosttest.Host, options string) *recordedDisk {
	t.Helper()
	dir := t.TempDir()
	image := filepath.Join(dir, "made")
	hosttest.Run(t, "/usr/sbin/mkfs.ext4", "-q", "-b", "4096", "-E", fmt.Sprintf("root_owner=%d:%d,lazy_itable_init=0,lazy_journal_init=0", h.UID, h.UID), image, fmt.Sprintf("%dk", diskSize>>10))
	content, err := os.ReadFile(image)
	require.NoError(t, err)
	require.Equal(t, diskSize, len(content)) //nolint:testifylint // Len would print it
	device, err := os.OpenFile("/dev/fuse", os.O_RDWR, 0)
	require.NoError(t, err, "the power cuts need FUSE")
	d := &recordedDisk{device: device, base: image, content: content}
	point := filepath.Join(dir, "disk")
	require.NoError(t, os.WriteFile(point, nil, 0o600))
	require.NoError(t, mountInside(h, device, point))
	d.served.Go(d.serve)
	t.Cleanup(func() {
		still := context.WithoutCancel(t.Context()) // which has ended when tests are cleaned up after
		_ = h.Command(still, "umount", hosttest.Repository).Run()
		_ = h.Command(still, "umount", "-l", point).Run() // the server ends with the last mount
		h.Kill()
		d.served.Wait()
		_ = device.Close()
	})
	h.Shell(t, "mount -o loop,"+options+" "+point+" "+hosttest.Repository)
	return d
}

// mountInside mounts the file system of a FUSE device on a file, in the host's mount namespace. mount(8) cannot do it: it looks at what it has
// mounted, and nobody answers before it has ended.
func mountInside(h *hosttest.Host, device *os.File, point string) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread, which belongs to the host now, ends with the goroutine
		done <- func() error {
			own, err := os.Open("/proc/thread-self/ns/mnt")
			if err != nil {
				return err
			}
			defer own.Close() //nolint:errcheck // only a name
			space, err := os.Open(fmt.Sprintf("/proc/%d/ns/mnt", h.PID()))
			if err != nil {
				return err
			}
			defer space.Close() //nolint:errcheck // only a name
			if err := unix.Unshare(unix.CLONE_FS); err != nil {
				return fmt.Errorf("unshare: %w", err)
			}
			if err := unix.Setns(int(space.Fd()), unix.CLONE_NEWNS); err != nil {
				return fmt.Errorf("setns: %w", err)
			}
			// The thread goes back: were it the program's first one, it would be kept for ever, and the host's namespace with its mounts with it.
			mounted := unix.Mount("kis-disk", point, "fuse", 0, fmt.Sprintf("fd=%d,rootmode=100000,user_id=0,group_id=0", device.Fd()))
			return errors.Join(mounted, unix.Setns(int(own.Fd()), unix.CLONE_NEWNS))
		}()
	}()
	return <-done
}

// written is the number of requests so far.
func (d *recordedDisk) written() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.log)
}

// cut writes to a file what the disk can hold after a power cut when n requests had been answered: everything that was written before the last
// flush, and of what was written after it, whatever the disk has happened to write already: sectors in any order. keep decides for each. Ask
// with growing n.
func (d *recordedDisk) cut(t *testing.T, n int, keep func() bool, path string) {
	t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	flushed := d.flushed
	for i, r := range d.log[:n] {
		if r.flush() {
			flushed = max(flushed, i)
		}
	}
	apply(t, d.base, d.log[d.flushed:flushed], everyThing)
	d.flushed = flushed
	hosttest.Run(t, "cp", "--sparse=always", d.base, path)
	apply(t, path, d.log[flushed:n], keep)
}

// apply writes the sectors of requests that keep decides for.
func apply(t *testing.T, path string, requests []request, keep func() bool) {
	t.Helper()
	file, err := os.OpenFile(path, os.O_WRONLY, 0)
	require.NoError(t, err)
	for _, r := range requests {
		for at := 0; at < len(r.data); at += sectorSize {
			if keep() {
				_, err := file.WriteAt(r.data[at:min(at+sectorSize, len(r.data))], r.offset+int64(at))
				require.NoError(t, err)
			}
		}
	}
	require.NoError(t, file.Close())
}

// Three disks: one that has written nothing without being told to, one that has written everything at once, and one in between.
func nothing() bool    { return false }
func everyThing() bool { return true }
func some(r *rand.Rand) func() bool {
	return func() bool { return r.IntN(2) == 0 }
}

// flushes are the numbers of the requests from a to b that are flushes, and b.
func (d *recordedDisk) flushes(a, b int) []int {
	d.mu.Lock()
	defer d.mu.Unlock()
	var found []int
	for i := a; i < b; i++ {
		if d.log[i].flush() {
			found = append(found, i)
		}
	}
	return append(found, b)
}

// The operations of fuse(4) that a file system of one file has to know.
const (
	opGetattr = 3
	opSetattr = 4
	opOpen    = 14
	opRead    = 15
	opWrite   = 16
	opStatfs  = 17
	opRelease = 18
	opFsync   = 20
	opFlush   = 25
	opInit    = 26
	opForget  = 2
	opForgets = 42
	opStop    = 36 // INTERRUPT
)

const maxWrite = 256 << 10

// serve answers the kernel, one request after the other, until the file system is unmounted.
func (d *recordedDisk) serve() {
	buffer := make([]byte, maxWrite+4096)
	for {
		n, err := syscall.Read(int(d.device.Fd()), buffer)
		if errors.Is(err, syscall.EINTR) || errors.Is(err, syscall.ENOENT) || errors.Is(err, syscall.EAGAIN) {
			continue
		}
		if err != nil || n < 40 {
			return // ENODEV: unmounted
		}
		op, unique := binary.LittleEndian.Uint32(buffer[4:]), binary.LittleEndian.Uint64(buffer[8:])
		if op == opForget || op == opForgets || op == opStop {
			continue // they want no answer
		}
		body, errno := d.answer(op, buffer[40:n])
		reply := binary.LittleEndian.AppendUint32(nil, uint32(16+len(body)))
		reply = binary.LittleEndian.AppendUint32(reply, uint32(-int32(errno)))
		reply = append(binary.LittleEndian.AppendUint64(reply, unique), body...)
		if _, err := syscall.Write(int(d.device.Fd()), reply); err != nil && !errors.Is(err, syscall.ENOENT) {
			return
		}
	}
}

func (d *recordedDisk) answer(op uint32, in []byte) ([]byte, syscall.Errno) {
	d.mu.Lock()
	defer d.mu.Unlock()
	little := binary.LittleEndian
	switch op {
	case opInit:
		const bigWrites, maxPages = 1 << 5, 1 << 22
		out := make([]byte, 64)
		little.PutUint32(out[0:], 7)
		little.PutUint32(out[4:], 31)
		little.PutUint32(out[8:], 128<<10)
		little.PutUint32(out[12:], bigWrites|maxPages)
		little.PutUint16(out[16:], 12)
		little.PutUint16(out[18:], 9)
		little.PutUint32(out[20:], maxWrite)
		little.PutUint32(out[24:], 1)
		little.PutUint16(out[28:], maxWrite/4096)
		return out, 0
	case opGetattr, opSetattr:
		out := make([]byte, 104)
		little.PutUint64(out[0:], 1<<30) // seconds for which this holds
		little.PutUint64(out[16:], 1)
		little.PutUint64(out[24:], diskSize)
		little.PutUint64(out[32:], diskSize/512)
		little.PutUint32(out[76:], syscall.S_IFREG|0o600)
		little.PutUint32(out[80:], 1)
		little.PutUint32(out[96:], 4096)
		return out, 0
	case opOpen:
		out := make([]byte, 16)
		little.PutUint32(out[8:], 1) // FOPEN_DIRECT_IO: nothing is cached between the loop device and us
		return out, 0
	case opRead:
		offset, size := little.Uint64(in[8:]), uint64(little.Uint32(in[16:]))
		offset = min(offset, diskSize)
		return d.content[offset:min(offset+size, diskSize)], 0
	case opWrite:
		offset, data := int64(little.Uint64(in[8:])), in[40:]
		d.log = append(d.log, request{offset: offset, data: append([]byte{}, data...)})
		copy(d.content[offset:], data)
		return little.AppendUint64(nil, uint64(len(data))), 0
	case opFsync:
		d.log = append(d.log, request{})
		return nil, 0
	case opStatfs:
		return make([]byte, 80), 0
	case opFlush, opRelease:
		return nil, 0
	}
	return nil, syscall.ENOSYS
}
