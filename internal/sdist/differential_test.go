//go:build unix

package sdist

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// What Open accepts must be harmless for every tar that a host may have, and come out as Open saw
// it. So archives are unpacked for real, into a jail next to a file that hostile archives aim at.

// hostTars are the tars of the hosts, as kis calls them there.
func hostTars() map[string][]string {
	return map[string][]string{"gnu": {"tar"}, "busybox": {"busybox", "tar"}}
}

func unpack(t testing.TB, tar []string, archive, directory string) {
	t.Helper()
	args := append(slices.Clone(tar[1:]), "--no-same-owner", "--no-same-permissions", "-xzf", archive, "-C", directory)
	out, err := exec.CommandContext(t.Context(), tar[0], args...).CombinedOutput()
	require.NoError(t, err, "%s: %s", tar[0], out)
}

// jail is a directory to unpack into. Everything beside it is a canary.
type jail struct {
	root   string // jail/ and outside/canary are in it
	before string
}

const canaryText = "canary"

// newJail has a short path, as it is written into archives that aim at it.
func newJail(t testing.TB, root string) jail {
	t.Helper()
	require.NoError(t, os.MkdirAll(filepath.Join(root, "jail"), 0o700))
	require.NoError(t, os.MkdirAll(filepath.Join(root, "outside"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(root, "outside", "canary"), []byte(canaryText), 0o600))
	j := jail{root: root}
	j.before = j.outside(t)
	return j
}

func (j jail) inner() string { return filepath.Join(j.root, "jail") }

// outside describes all there is around the inner directory.
func (j jail) outside(t testing.TB) string {
	t.Helper()
	var b strings.Builder
	err := filepath.WalkDir(j.root, func(path string, d fs.DirEntry, err error) error {
		require.NoError(t, err)
		if path == j.inner() {
			return filepath.SkipDir
		}
		info, err := d.Info()
		require.NoError(t, err)
		fmt.Fprintln(&b, path, info.Mode(), info.Size(), links(info))
		return nil
	})
	require.NoError(t, err)
	data, err := os.ReadFile(filepath.Join(j.root, "outside", "canary"))
	require.NoError(t, err)
	return b.String() + string(data)
}

func links(info fs.FileInfo) uint64 { return uint64(info.Sys().(*syscall.Stat_t).Nlink) }

// requireHarmless checks everything that unpacking must not have done.
func (j jail) requireHarmless(t testing.TB, top string) {
	t.Helper()
	require.Equal(t, j.before, j.outside(t), "something outside was touched")
	entries, err := os.ReadDir(j.inner())
	require.NoError(t, err)
	require.Len(t, entries, 1)
	require.Equal(t, top, entries[0].Name())
	root := filepath.Join(j.inner(), top)
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		require.NoError(t, err)
		info, err := d.Info()
		require.NoError(t, err)
		if !info.IsDir() { // busybox keeps these bits, and the agent clears them
			require.Zero(t, info.Mode()&(fs.ModeSetuid|fs.ModeSetgid), path)
		}
		switch {
		case info.Mode()&fs.ModeSymlink != 0:
			if to, err := filepath.EvalSymlinks(path); err == nil { // else it leads nowhere
				require.True(t, to == root || strings.HasPrefix(to, root+"/"), "%s leads to %s", path, to)
			}
		case info.Mode().IsRegular():
			require.EqualValues(t, 1, links(info), "%s is a hard link", path)
		default:
			require.True(t, info.IsDir(), "%s: %v", path, info.Mode())
		}
		return nil
	})
	require.NoError(t, err)
}

// comparison unpacks archives that were opened, and compares what came out with what Open read.
type comparison struct {
	root        string // everything is unpacked below it
	jails       []jail
	work        extraction
	want, names []string // the content digest of each of work.Digest, and what it is of
}

// extraction is the input of testdata/extract.py.
type extraction struct {
	Unpack [][2]string `json:"unpack"`
	Digest []string    `json:"digest"`
}

func newComparison(t testing.TB) *comparison {
	t.Helper()
	root, err := filepath.EvalSymlinks(t.TempDir())
	require.NoError(t, err)
	return &comparison{root: root}
}

// unpack unpacks an archive with the tars of hosts, of which busybox knows no pax headers: what it
// unpacks has to be the same only where plain. Python does it later, all archives at once.
func (c *comparison) unpack(t testing.TB, number int, path string, a *Archive, name string, plain bool) {
	t.Helper()
	base := filepath.Join(c.root, strconv.Itoa(number))
	for tool, tar := range hostTars() {
		j := newJail(t, filepath.Join(base, tool))
		unpack(t, tar, path, j.inner())
		j.requireHarmless(t, a.Top)
		if plain || tool != "busybox" {
			c.expect(j, a, tool+", "+name)
		}
	}
	j := newJail(t, filepath.Join(base, "python"))
	c.work.Unpack = append(c.work.Unpack, [2]string{path, j.inner()})
	c.expect(j, a, "python, "+name)
}

func (c *comparison) expect(j jail, a *Archive, name string) {
	c.jails = append(c.jails, j)
	c.work.Digest = append(c.work.Digest, filepath.Join(j.inner(), a.Top))
	c.want, c.names = append(c.want, a.Content), append(c.names, name)
}

func (c *comparison) compare(t testing.TB) {
	t.Helper()
	input, err := json.Marshal(c.work)
	require.NoError(t, err)
	python := exec.CommandContext(t.Context(), "python3", "testdata/extract.py")
	python.Stdin = bytes.NewReader(input)
	python.Env = append(os.Environ(), "PYTHONUTF8=1")
	python.Stderr = os.Stderr
	out, err := python.Output()
	require.NoError(t, err)
	got := strings.Fields(string(out))
	require.Len(t, got, len(c.want))
	for i := range c.want {
		assert.Equal(t, c.want[i], got[i], c.names[i])
		c.jails[i].requireHarmless(t, filepath.Base(c.work.Digest[i]))
	}
}

func TestTarsUnpackWhatOpenRead(t *testing.T) {
	t.Parallel()
	c := newComparison(t)
	random := rand.New(rand.NewPCG(1, 2))
	var accepted, refused, plain int
	for i := range 400 {
		members := unusualMembers(random, filepath.Join(c.root, fmt.Sprint(i), "gnu", "outside", "canary"))
		path := write(t, gzipped(t, tarOf(members...)))
		a, err := Open(path)
		if err != nil {
			requireInvalid(t, err, "")
			refused++
			continue
		}
		require.NoError(t, a.Close())
		accepted++
		if !needsPax(members) {
			plain++
		}
		c.unpack(t, i, path, a, fmt.Sprintf("archive %d: %+v", i, members), !needsPax(members))
	}
	require.Greater(t, accepted, 100, "the generator makes too few good archives")
	require.Greater(t, refused, 50, "the generator makes too few bad archives")
	require.Greater(t, plain, accepted/4, "busybox was compared too rarely")
	c.compare(t)
}

// unusualMembers makes the members of an archive; in about every second one some are hostile, and
// aim at the file canary.
func unusualMembers(random *rand.Rand, canary string) []member {
	pick := func(from ...string) string { return from[random.IntN(len(from))] }
	members := sample()
	hostile := random.IntN(2) == 0
	for n := 2 + random.IntN(6); n > 0; n-- {
		name := in(pick("a", "b", "a/b", "a/c", "b/a", "-rf", "a b", "'$(id)'", `"q"`, "~", "ü/é", "d", "e/f", "g/h/i", "j", "k l/m", "o;p", "q/r", "s", "t&u", "v/w", "-x/-y", "*", "#x", `b\..\c`, "./u", "v//w", "a/b/c/d", "c/"+strings.Repeat("n", 120)))
		m := file(name, strings.Repeat(pick("x", "\x00", "\n"), random.IntN(1500)))
		switch random.IntN(6) {
		case 0:
			m = dir(name + pick("", "/", "/.", "//"))
			m.mode |= int64(random.IntN(2)) * 0o2000
		case 1:
			m = link(name, pick("a", "./b", "a/", "nowhere", "b//c", ".", "a/b/c"))
		case 2:
			m.mode = 0o751
		case 3:
			members = append(members, m) // twice
		}
		switch random.IntN(3) {
		case 0:
			m.long, m.name = m.name, pick("x", "../x", canary)
		case 1:
			m.pax = map[string]string{"path": m.name, "mtime": "1.5", "size": fmt.Sprint(len(m.data))}
			if len(m.name) > 100 {
				m.name = m.name[:100]
			}
		default:
			if i := strings.LastIndexByte(strings.TrimSuffix(m.name, "/"), '/'); i > 0 && i < len(m.name)-1 {
				m.prefix, m.name = m.name[:i], m.name[i+1:]
			}
		}
		if hostile && random.IntN(3) == 0 {
			m = attack(random, m, canary)
		}
		members = append(members, m)
	}
	return members
}

// needsPax reports whether a name of the archive is complete in a pax header only.
func needsPax(members []member) bool {
	return slices.ContainsFunc(members, func(m member) bool {
		path, ok := m.pax["path"]
		return ok && path != m.name
	})
}

// attack turns a harmless member into one that some tar would be fooled by.
func attack(random *rand.Rand, m member, canary string) member {
	climb := "../../../outside/canary"
	evil := member{name: in("evil"), typeflag: '1', link: canary}.header()
	switch random.IntN(10) {
	case 0:
		m.typeflag, m.data, m.link = '0', "", canary
	case 1:
		m.typeflag, m.data, m.longLink = '0', "", canary
	case 2:
		m.typeflag, m.data, m.pax = '0', evil, map[string]string{"size": "512"}
		m.sizeField = "00000000000\x00"
	case 3:
		m.pax, m.long, m.name, m.prefix = map[string]string{"path": in("x")}, "", climb, ""
	case 4:
		m = link(in("a/b"), pick3(random, climb, canary, "c/../../../.."))
	case 5:
		m = link(in("up"), pick3(random, ".", "..", "a/b"))
	case 6:
		m = file(in("up/"+climb), "hit")
	case 7:
		m = file(in("a/b/"+pick3(random, "x", "../x", "../../../y")), "hit")
	case 8:
		m.mode |= 0o6000
	case 9:
		m.magic, m.prefix = "ustar  \x00", "00000000000"
	}
	return m
}

func pick3(random *rand.Rand, a, b, c string) string { return []string{a, b, c}[random.IntN(3)] }

// FuzzOpen feeds tar streams. What is accepted is unpacked as hosts would do it.
func FuzzOpen(f *testing.F) {
	for _, test := range refusals() {
		if data := tarOf(test.members...); len(data) < 64<<10 {
			f.Add(data)
		}
	}
	random := rand.New(rand.NewPCG(3, 4))
	for range 20 {
		f.Add(tarOf(unusualMembers(random, "/nonexistent/canary")...))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		path := write(t, gzipped(t, repaired(data)))
		a, err := Open(path)
		if err != nil {
			requireInvalid(t, err, "")
			require.NotContains(t, err.Error(), "\n")
			return
		}
		require.NoError(t, a.Close())
		for name, tar := range hostTars() {
			root, err := filepath.EvalSymlinks(t.TempDir())
			require.NoError(t, err)
			j := newJail(t, filepath.Join(root, name))
			// Its exit status does not count here: a time stamp that a tar finds out of range is no
			// danger.
			args := append(slices.Clone(tar[1:]), "--no-same-owner", "--no-same-permissions", "-xzf", path, "-C", j.inner())
			_ = exec.CommandContext(t.Context(), tar[0], args...).Run()
			j.requireHarmless(t, a.Top)
		}
	})
}

// repaired corrects the checksums and the end of a tar stream. Without it, Open would refuse almost
// every input of the fuzzer at the first header.
func repaired(data []byte) []byte {
	data = slices.Clone(data)
	for at := int64(0); at+blockSize <= int64(len(data)); {
		block := data[at : at+blockSize]
		at += blockSize
		if [blockSize]byte(block) == [blockSize]byte{} {
			break
		}
		copy(block[148:156], "        ")
		sum := 0
		for _, c := range block {
			sum += int(c)
		}
		copy(block[148:156], fmt.Sprintf("%06o\x00 ", sum))
		if size, err := octal(block[124:136]); err == nil && size < 1<<30 {
			at += (size + blockSize - 1) / blockSize * blockSize
		}
	}
	return append(data, make([]byte, 2*blockSize+(blockSize-len(data)%blockSize)%blockSize)...)
}
