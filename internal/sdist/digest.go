package sdist

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"
)

// contentLine is one entry of the content digest.
type contentLine struct {
	kind   kind
	exec   bool
	size   int64
	digest string // of a file, hexadecimal
	target string // of a symbolic link
	path   string // below the top-level directory
}

// contentDigest computes the content digest: "sha256:" and the SHA-256, in hexadecimal, of one line
// for each regular file, each symbolic link and each empty directory below the top-level directory,
// sorted by the bytes of its path:
//
//	f MODE SIZE SHA256 PATH
//	l 0777 0 TARGET PATH
//	d 0755 0 - PATH
//
// each ended by a newline. MODE is 0755 if the owner may execute the file and 0644 otherwise,
// because the rest depends on the umask of the build. PATH and TARGET are percent-encoded like
// Python's urllib.parse.quote, so that no name can forge a line. A directory that is not empty is
// implied by its contents: whether it has an entry of its own does not count.
func contentDigest(lines iter.Seq[contentLine]) string {
	sum := sha256.New()
	for _, l := range slices.SortedFunc(lines, func(a, b contentLine) int { return cmp.Compare(a.path, b.path) }) {
		_, _ = io.WriteString(sum, l.String()) // a hash never fails
	}
	return "sha256:" + hex.EncodeToString(sum.Sum(nil))
}

// String returns the line with its newline.
func (l contentLine) String() string {
	mode, data := "0644", l.digest
	switch {
	case l.kind == symlink:
		mode, data = "0777", percentEncode(l.target)
	case l.kind == directory:
		mode, data = "0755", "-"
	case l.exec:
		mode = "0755"
	}
	return fmt.Sprintf("%c %s %d %s %s\n", l.kind, mode, l.size, data, percentEncode(l.path))
}

// percentEncode keeps RFC 3986's unreserved characters and the slash. It differs from
// url.PathEscape, which keeps more.
func percentEncode(s string) string {
	const kept = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-~/"
	var b strings.Builder
	for i := range len(s) {
		if strings.IndexByte(kept, s[i]) >= 0 {
			b.WriteByte(s[i])
			continue
		}
		fmt.Fprintf(&b, "%%%02X", s[i])
	}
	return b.String()
}
