package recovery

import (
	"archive/tar"
	"bufio"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/testenv/hosttest"
	"github.com/keep-it-simple/kis/internal/testenv/oracle"
)

// TestPowerCutAtAnyFlush_C14_D1: a push onto a disk that remembers its requests. Between two flushes a disk may write in any order, so a power cut can
// only leave what one of the two flushes vouches for and any part of what was written between them. Every interval between two flushes of the
// push is tried, every third in the journal's other modes: nothing of it on the disk, all of it (not always), and parts drawn at random. A cut
// within a request is one of these parts.
//
// So this proves that kis tells the disk to flush wherever it must, for ext4 as it is mounted here: commits come every second, to have some
// while the hosts build, and nothing orders data before metadata. It says nothing of disks that lie about flushing, and nothing of what ext4 does
// without being asked: there every fsync(2) takes along whatever was done to folders before it.
func TestPowerCutAtAnyFlush_C14_D1(t *testing.T) {
	t.Parallel()
	for i, mode := range []string{"data=writeback", "data=ordered", "data=journal"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			p := newPusher(t, 1)
			d := newRecordedDisk(t, p.Hosts[0], "commit=1,"+mode)
			p.Roots = map[string]string{"web1": p.Hosts[0].Inside(hosttest.Repository)}
			c := cuts{pusher: p, disk: d, mount: filepath.Join(t.TempDir(), "after"), random: rand.New(rand.NewPCG(*seed, 0)), each: 1}
			if i > 0 && !*everyCall {
				c.each = 3
			}
			require.NoError(t, os.Mkdir(c.mount, 0o755))
			c.old, c.oldName = p.archive()
			p.Run(0, c.oldName, "push", "staging", "--sdist", c.old)
			c.try(d.written(), nothing, c.oldName)
			from := d.written()
			c.new, c.newName = p.archive()
			p.Run(0, c.newName, "push", "staging", "--sdist", c.new)
			c.all(from, d.written())
		})
	}
}

// cuts are the power cuts of one push.
type cuts struct {
	*pusher
	disk                       *recordedDisk
	mount                      string
	random                     *rand.Rand
	old, oldName, new, newName string
	seen                       map[string]int
	each                       int // of how many intervals one is tried
}

// all cuts everywhere from the from-th request to the to-th, with which kis has ended.
func (c *cuts) all(from, to int) {
	c.T.Helper()
	c.seen = map[string]int{}
	flushes := c.disk.flushes(from, to)
	parts := 1
	if *everyCall {
		parts = 8
	}
	c.T.Logf("%d requests, %d intervals between flushes", to-from, len(flushes))
	again := 0
	for i, n := range flushes {
		if i%c.each > 0 && n < to {
			continue
		}
		c.try(n, nothing)
		if *everyCall || i%4 == 0 {
			c.try(n, everyThing)
		}
		for range parts {
			c.try(n, some(c.random))
		}
		if i/c.each == len(flushes)/c.each/3 || i/c.each == len(flushes)/c.each*2/3 || n == to {
			again++
			c.disk.cut(c.T, n, some(c.random), c.image(again))
		}
	}
	c.T.Logf("linked after the cuts: %v", c.seen)
	require.NotZero(c.T, c.seen[c.oldName])
	require.NotZero(c.T, c.seen[c.newName])
	c.try(to, nothing, c.newName) // kis has said 0: a cut now takes nothing back

	c.Hosts[0].Shell(c.T, "umount "+hosttest.Repository)
	for i := range again {
		unmount := c.insert(c.image(i+1), hosttest.Repository)
		c.Run(0, c.newName, "push", "staging", "--sdist", c.new)
		unmount()
	}
}

// image is the path of a disk; the first is the one that is looked at.
func (c *cuts) image(i int) string { return fmt.Sprintf("%s.%d", c.mount, i) }

// insert mounts a disk on the host, which replays its journal as after a start.
func (c *cuts) insert(image, point string) (unmount func()) {
	c.T.Helper()
	c.Hosts[0].Shell(c.T, "mount -o loop "+image+" "+point)
	return func() { c.Hosts[0].Shell(c.T, "umount "+point) }
}

// try cuts the power and looks at what is left. The stage must be linked to one of the named packages, by default the old and the new one, and
// that one and the old one must be whole. It returns the disk.
func (c *cuts) try(n int, keep func() bool, linked ...string) {
	c.T.Helper()
	if linked == nil {
		linked = []string{c.oldName, c.newName}
	}
	c.disk.cut(c.T, n, keep, c.image(0))
	defer c.insert(c.image(0), c.mount)()
	root := c.Hosts[0].Inside(c.mount)
	target, err := os.Readlink(filepath.Join(root, "staging"))
	require.NoError(c.T, err, "request %d", n)
	require.Contains(c.T, linked, target, "request %d", n)
	if c.seen != nil {
		c.seen[target]++
	}
	whole(c.T, filepath.Join(root, c.oldName), c.old)
	if target == c.newName {
		whole(c.T, filepath.Join(root, c.newName), c.new)
	}
	watch := oracle.Start(c.T, "staging", oracle.Host{Name: fmt.Sprintf("request %d", n), Root: root})
	watch.Check(oracle.Expect{Exit: -1, Within: lease, Dirty: true})
}

// whole compares a package with its manifest, both ways, its manifest with its receipt, and its files with those of the archive.
func whole(t *testing.T, top, archive string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(top, ".kis", "manifest"))
	require.NoError(t, err)
	var receipt struct{ Manifest string }
	sealed, err := os.ReadFile(filepath.Join(top, ".kis", "receipt.json"))
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(sealed, &receipt))
	require.Equal(t, receipt.Manifest, hash(text), "the manifest is the one of the receipt")
	members := 0
	for line := range strings.Lines(string(text)) {
		fields := strings.SplitN(strings.TrimSpace(line), " ", 5)
		require.Len(t, fields, 5)
		var name string
		require.NoError(t, json.Unmarshal([]byte(fields[4]), &name))
		path := filepath.Join(top, name)
		info, err := os.Lstat(path)
		require.NoError(t, err)
		members++
		switch fields[0] {
		case "f":
			data, err := os.ReadFile(path)
			require.NoError(t, err)
			require.Equal(t, fields[3], hash(data), path)
		case "l":
			target, err := os.Readlink(path)
			require.NoError(t, err)
			var want string
			// A target may have spaces: the line is JSON from its fourth field on, in two values.
			require.NoError(t, json.NewDecoder(strings.NewReader(strings.Join(fields[3:], " "))).Decode(&want))
			require.Equal(t, want, target, path)
		default:
			require.True(t, info.IsDir(), path)
		}
	}
	require.Greater(t, members, 10)
	contains(t, top, archive)
}

func hash(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// contains compares every file of a source distribution with the package made of it.
func contains(t *testing.T, top, archive string) {
	t.Helper()
	file, err := os.Open(archive)
	require.NoError(t, err)
	defer file.Close() //nolint:errcheck // only read
	plain, err := gzip.NewReader(bufio.NewReader(file))
	require.NoError(t, err)
	members := tar.NewReader(plain)
	for {
		member, err := members.Next()
		if err == io.EOF { //nolint:errorlint // as archive/tar returns it
			return
		}
		require.NoError(t, err)
		if member.Typeflag != tar.TypeReg {
			continue
		}
		want, err := io.ReadAll(members)
		require.NoError(t, err)
		_, name, _ := strings.Cut(member.Name, "/")
		found, err := os.ReadFile(filepath.Join(top, name))
		require.NoError(t, err)
		require.Equal(t, string(want), string(found), name)
	}
}
