package sdist

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"strconv"
	"strings"
)

// A tar header can say one thing to archive/tar and another to a host's tar: busybox ignores pax
// records, so a pax "size" makes it read file content as headers; GNU tar applies global pax
// records that archive/tar ignores; busybox makes an empty regular file with a link name a hard
// link. Therefore a second parser reads the raw headers along with archive/tar, and an archive is
// accepted only if both readings are safe.

const blockSize = 512

// rawHeader is the part of a header block that determines what a tar does with the member, without
// extensions (POSIX.1-2017 pax, "ustar Interchange Format").
type rawHeader struct {
	typeflag   byte
	name, link string
	mode, size int64
	// extensions are the type flags of the headers before this one that change its meaning: 'x'
	// (pax), 'L' and 'K' (GNU long name and long link name).
	extensions string
}

// headerWatch is a reader that parses the headers of the tar stream it passes through. It follows
// only the size field of each block, as the simplest tar does.
type headerWatch struct {
	r       io.Reader
	limits  limits
	archive int64 // compressed size in bytes, for the ratio

	total   int64 // bytes read
	block   [blockSize]byte
	filled  int
	skip    int64 // bytes of content and padding before the next header
	zeros   int   // blocks of zero bytes seen; two end the archive (POSIX)
	pending string
	last    *rawHeader
	err     error
}

// Read passes the bytes through, and fails at the first invalid header.
func (w *headerWatch) Read(p []byte) (int, error) {
	if w.err != nil {
		return 0, w.err
	}
	n, err := w.r.Read(p)
	w.total += int64(n)
	w.err = w.limits.stream(w.total, w.archive)
	for rest := p[:n]; len(rest) > 0 && w.err == nil; {
		rest, w.err = w.feed(rest)
	}
	if w.err != nil {
		return 0, w.err
	}
	return n, err
}

// feed consumes the beginning of p: content to skip, or header bytes.
func (w *headerWatch) feed(p []byte) ([]byte, error) {
	if w.skip > 0 {
		n := min(w.skip, int64(len(p)))
		w.skip -= n
		return p[n:], nil
	}
	n := copy(w.block[w.filled:], p)
	w.filled += n
	if w.filled < blockSize {
		return p[n:], nil
	}
	w.filled = 0
	return p[n:], w.header()
}

func (w *headerWatch) header() error {
	if w.block == [blockSize]byte{} {
		w.zeros++
		return nil
	}
	if w.zeros > 0 {
		return refuse("", "has data after the end of the archive: a tar could read it as further members")
	}
	h, err := parseHeader(w.block[:])
	if err != nil {
		return err
	}
	if !strings.ContainsRune("123456", rune(h.typeflag)) { // these have no content
		w.skip = (h.size + blockSize - 1) / blockSize * blockSize
	}
	switch h.typeflag {
	case tar.TypeXHeader, tar.TypeGNULongName, tar.TypeGNULongLink:
		if strings.IndexByte(w.pending, h.typeflag) >= 0 {
			return refuse(h.name, "has two extension headers of type %q for one member", h.typeflag)
		}
		w.pending += string(h.typeflag)
		return nil
	case tar.TypeXGlobalHeader:
		if w.pending != "" {
			return refuse(h.name, "is a global header between an extension header and its member")
		}
	}
	h.extensions, w.pending = w.pending, ""
	w.last = h
	return nil
}

// take returns the raw header of the member that archive/tar has just returned.
func (w *headerWatch) take() (*rawHeader, error) {
	h := w.last
	w.last = nil
	if h == nil {
		return nil, refuse("", "has headers that tar programs read in different ways")
	}
	return h, nil
}

// finish reads the rest of the stream, which may only be zero bytes, so that the compressed
// stream's own checksum is compared too.
func (w *headerWatch) finish() error {
	if _, err := io.Copy(io.Discard, w); err != nil {
		return err
	}
	if w.zeros < 2 || w.filled > 0 || w.pending != "" {
		return refuse("", "ends without the end-of-archive blocks: it is truncated, build it again")
	}
	return nil
}

func parseHeader(block []byte) (*rawHeader, error) {
	if !sumMatches(block) {
		return nil, tar.ErrHeader
	}
	h := &rawHeader{typeflag: block[156], name: cString(block[0:100]), link: cString(block[157:257])}
	// Some tars join the prefix whatever the magic says. Where archive/tar does not, the two names
	// differ and the member is refused.
	if prefix := cString(block[345:500]); prefix != "" {
		h.name = prefix + "/" + h.name
	}
	var err error
	if h.mode, err = octal(block[100:108]); err != nil {
		return nil, refuse(h.name, "has a mode that is not an octal number")
	}
	if h.size, err = octal(block[124:136]); err != nil {
		return nil, refuse(h.name, "has a size that is not an octal number")
	}
	return h, nil
}

// sumMatches compares a header's checksum: the sum of its bytes, with spaces for the checksum's own
// field. The signed sums of some very old tars are not supported.
func sumMatches(block []byte) bool {
	want, err := octal(block[148:156])
	for i, c := range block {
		if i >= 148 && i < 156 {
			c = ' '
		}
		want -= int64(c)
	}
	return err == nil && want == 0
}

// octal reads a numeric field as all tars do: optional spaces, digits, then only spaces and NULs.
// The base-256 form of GNU tar is for files larger than 8 GiB.
func octal(field []byte) (int64, error) {
	digits := strings.TrimRight(strings.TrimLeft(string(field), " "), " \x00")
	if strings.ContainsAny(digits, "+-_") {
		return 0, errors.New("not an octal number")
	}
	return strconv.ParseInt(digits, 8, 64)
}

func cString(field []byte) string {
	if i := bytes.IndexByte(field, 0); i >= 0 {
		field = field[:i]
	}
	return string(field)
}
