package sdist

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// member is a tar member with full control of its header: archive/tar's Writer makes only valid
// ones. Empty fields get their usual values.
type member struct {
	name, prefix, link  string
	typeflag            byte
	mode                int64
	data                string
	sizeField, modeText string // raw fields
	magic               string
	pax                 map[string]string // written as an 'x' header before it
	long, longLink      string            // GNU long name and link name
	before              string            // raw blocks before everything
}

func dir(name string) member { return member{name: name, typeflag: '5', mode: 0o755} }

func file(name, data string) member {
	return member{name: name, typeflag: '0', mode: 0o644, data: data}
}

func link(name, target string) member {
	return member{name: name, typeflag: '2', mode: 0o777, link: target}
}

const pkgInfo = "Metadata-Version: 2.1\nName: projectA\nVersion: 0.4\nSummary: x\n\nName: not this one\n"

// sample returns the least valid archive's members and those given after them.
func sample(more ...member) []member {
	return append([]member{dir("projecta-0.4/"), file("projecta-0.4/PKG-INFO", pkgInfo)}, more...)
}

func (m member) bytes() string {
	var b strings.Builder
	b.WriteString(m.before)
	if m.pax != nil {
		b.WriteString(member{name: "pax", typeflag: 'x', mode: 0o644, data: paxData(m.pax)}.bytes())
	}
	if m.long != "" {
		b.WriteString(member{name: "././@LongLink", typeflag: 'L', mode: 0o644, data: m.long + "\x00"}.bytes())
	}
	if m.longLink != "" {
		b.WriteString(member{name: "././@LongLink", typeflag: 'K', mode: 0o644, data: m.longLink + "\x00"}.bytes())
	}
	b.WriteString(m.header())
	b.WriteString(m.data)
	b.WriteString(strings.Repeat("\x00", (blockSize-len(m.data)%blockSize)%blockSize))
	return b.String()
}

func (m member) header() string {
	h := make([]byte, blockSize)
	copy(h[0:100], m.name)
	copy(h[100:108], cmp.Or(m.modeText, fmt.Sprintf("%07o\x00", m.mode)))
	copy(h[108:116], "0000000\x00")
	copy(h[116:124], "0000000\x00")
	copy(h[124:136], cmp.Or(m.sizeField, fmt.Sprintf("%011o\x00", len(m.data))))
	copy(h[136:148], "14000000000\x00")
	copy(h[148:156], "        ")
	h[156] = m.typeflag
	copy(h[157:257], m.link)
	copy(h[257:265], cmp.Or(m.magic, "ustar\x0000"))
	copy(h[345:500], m.prefix)
	sum := 0
	for _, c := range h {
		sum += int(c)
	}
	copy(h[148:156], fmt.Sprintf("%06o\x00 ", sum))
	return string(h)
}

func paxData(records map[string]string) string {
	var b strings.Builder
	for _, key := range slices.Sorted(maps.Keys(records)) {
		rest := " " + key + "=" + records[key] + "\n"
		n := len(rest) + 1
		for len(fmt.Sprint(n))+len(rest) != n {
			n++
		}
		fmt.Fprintf(&b, "%d%s", n, rest)
	}
	return b.String()
}

// tarOf is an archive's uncompressed form, with its end.
func tarOf(members ...member) []byte {
	var b bytes.Buffer
	for _, m := range members {
		b.WriteString(m.bytes())
	}
	b.Write(make([]byte, 2*blockSize))
	return b.Bytes()
}

func gzipped(t testing.TB, data []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	zip := gzip.NewWriter(&b)
	_, err := zip.Write(data)
	require.NoError(t, err)
	require.NoError(t, zip.Close())
	return b.Bytes()
}

// write puts an archive's bytes into a file called projecta-0.4.tar.gz.
func write(t testing.TB, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "projecta-0.4.tar.gz")
	require.NoError(t, os.WriteFile(path, data, 0o600))
	return path
}

func openMembers(t testing.TB, members ...member) (*Archive, error) {
	t.Helper()
	a, err := Open(write(t, gzipped(t, tarOf(members...))))
	if err == nil {
		t.Cleanup(func() { require.NoError(t, a.Close()) })
	}
	return a, err
}

func mustOpen(t testing.TB, members ...member) *Archive {
	t.Helper()
	a, err := openMembers(t, members...)
	require.NoError(t, err)
	return a
}
