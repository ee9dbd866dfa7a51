package sdist

import (
	"archive/tar"
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// kind is a member's type; its value is the letter in the content digest.
type kind byte

const (
	directory kind = 'd'
	regular   kind = 'f'
	symlink   kind = 'l'
)

// place is the path of a member and, for a symbolic link, its target.
type place struct {
	path   string // slash-separated, from the top-level directory on, without a slash at its end
	target string
}

// entry is one member whose header is valid by itself.
type entry struct {
	place
	kind kind
	exec bool // the owner may execute it
	size int64
	// noPax is where a tar without pax support (busybox) puts the member.
	noPax place
}

// newEntry converts a header to an entry, or returns why it is refused.
func newEntry(hdr *tar.Header, raw *rawHeader) (entry, error) {
	k, err := kindOf(raw.typeflag)
	if err != nil {
		return entry{}, err
	}
	if err := cmp.Or(checkRecords(hdr.PAXRecords, raw.size), checkAgreement(hdr, raw, k), checkMode(raw.mode, k)); err != nil {
		return entry{}, err
	}
	e := entry{
		place: place{path: hdr.Name, target: hdr.Linkname},
		kind:  k,
		exec:  raw.mode&0o100 != 0,
		size:  raw.size,
		noPax: noPaxPlace(hdr, raw),
	}
	if err := e.checkSpelling(k); err != nil {
		return entry{}, err
	}
	if err := e.normalize(k); err != nil {
		return entry{}, err
	}
	// Not checkSpelling: what differs from the place above was cut off, and may end anywhere.
	if err := e.noPax.normalize(k); err != nil {
		return entry{}, fmt.Errorf("without its pax header: %w", err)
	}
	return e, nil
}

// noPaxPlace is where a tar without pax support puts a member: names that are too long for the header's fields
// are cut there, and may end with a slash or a dot, or within a character.
func noPaxPlace(hdr *tar.Header, raw *rawHeader) place {
	p := place{path: hdr.Name, target: hdr.Linkname}
	if _, ok := hdr.PAXRecords["path"]; ok {
		p.path = raw.name
	}
	if _, ok := hdr.PAXRecords["linkpath"]; ok {
		p.target = raw.link
	}
	p.path = strings.TrimRight(strings.TrimSuffix(p.path, "/."), "/")
	return p
}

// isRoot reports whether the member is the directory "." that everything is unpacked into:
// `tar -C dist .` begins with it.
func (e entry) isRoot() bool { return e.path == "" && e.noPax.path == "" }

func kindOf(typeflag byte) (kind, error) {
	switch typeflag {
	case tar.TypeReg, 0: // 0 in archives older than POSIX.1-1988
		return regular, nil
	case tar.TypeDir:
		return directory, nil
	case tar.TypeSymlink:
		return symlink, nil
	case tar.TypeLink:
		return 0, errors.New("is a hard link: make it a file of its own, with cp and mv, or a symbolic link, and build again")
	case tar.TypeChar, tar.TypeBlock:
		return 0, errors.New("is a device")
	case tar.TypeFifo:
		return 0, errors.New("is a fifo")
	case tar.TypeGNUSparse:
		return 0, errors.New("is a sparse file")
	}
	return 0, fmt.Errorf("is of the unknown type %q", typeflag)
}

// checkRecords refuses pax records that tars interpret differently: where a member's content ends,
// or how its name is encoded. A "size" that is the header's, as uv_build writes it, has one
// meaning.
func checkRecords(records map[string]string, size int64) error {
	for key, value := range records {
		switch {
		case key == "size" && value == strconv.FormatInt(size, 10):
		case key == "size", key == "SCHILY.realsize", key == "hdrcharset", key == "charset",
			strings.HasPrefix(key, "GNU."):
			return fmt.Errorf("has the pax record %q, which tar programs read in different ways", key)
		case (key == "path" || key == "linkpath") && value == "":
			return fmt.Errorf("has an empty pax record %q", key)
		}
	}
	return nil
}

// checkGlobal checks a global pax header. archive/tar ignores it, as kis does, but GNU tar applies
// its records to every later member. `git archive` writes one with a comment only.
func checkGlobal(records map[string]string) error {
	for _, key := range []string{"path", "linkpath", "size"} {
		if _, ok := records[key]; ok {
			return fmt.Errorf("is a global pax header with the record %q", key)
		}
	}
	return checkRecords(records, 0)
}

// checkAgreement compares archive/tar's reading of the headers with the raw header.
func checkAgreement(hdr *tar.Header, raw *rawHeader, k kind) error {
	_, paxPath := hdr.PAXRecords["path"]
	_, paxLink := hdr.PAXRecords["linkpath"]
	long := strings.ContainsAny(raw.extensions, "LK")
	switch {
	case long && strings.Contains(raw.extensions, "x"):
		return errors.New("has both a GNU long name and a pax header")
	case !paxPath && !strings.Contains(raw.extensions, "L") && hdr.Name != raw.name,
		!paxLink && !strings.Contains(raw.extensions, "K") && hdr.Linkname != raw.link:
		return errors.New("has a name that tar programs read in different ways")
	case k != symlink && (hdr.Linkname != "" || raw.link != ""):
		return errors.New("has a link name but is no symbolic link: some tar programs make it a hard link")
	case k != regular && raw.size != 0:
		return errors.New("has content but is no regular file")
	case k == regular && hdr.Size != raw.size:
		return errors.New("has a size that tar programs read in different ways")
	}
	return nil
}

func checkMode(mode int64, k kind) error {
	switch {
	case k == symlink: // its mode has no effect
		return nil
	case k == regular && mode&0o6000 != 0:
		// Of a directory these bits are inherited from where it was built, and hosts clear them.
		return fmt.Errorf("has a set-user-id or set-group-id bit (mode %04o): remove it with chmod ug-s and build again", mode&0o7777)
	case k == directory && mode&0o700 != 0o700, mode&0o400 == 0:
		return fmt.Errorf("is not accessible to its owner (mode %04o), so that a host could not unpack or read it: allow it with chmod u+rwX and build again", mode&0o7777)
	}
	return nil
}

// normalize checks the place, and removes from its path what leads nowhere: "." and empty
// components. Only the directory that everything is unpacked into becomes "".
func (p *place) normalize(k kind) error {
	path, err := normalName(p.path)
	if err != nil {
		return err
	}
	if k != directory && (path == "" || !strings.HasSuffix(p.path, lastComponent(path))) {
		return errors.New("has the name of a directory and is none") // some tars make it one
	}
	p.path = path
	if k != symlink {
		return nil
	}
	_, below, _ := strings.Cut(p.path, "/")
	return checkTarget(below, p.target)
}

const (
	longestName      = 1000 // bytes; hosts add the package repository's path to it
	longestComponent = 255  // bytes, NAME_MAX of all usual file systems
)

// checkSpelling refuses names that cannot be shown, and those that hosts cannot have.
func (p place) checkSpelling(k kind) error {
	if err := checkSpelling(p.path); err != nil {
		return err
	}
	if k != symlink {
		return nil
	}
	if err := checkSpelling(p.target); err != nil {
		return fmt.Errorf("points to %s: the target %w", Quoted(p.target), err)
	}
	return nil
}

func checkSpelling(s string) error {
	switch {
	case s == "":
		return errors.New("has an empty name")
	case len(s) > longestName:
		return fmt.Errorf("has a name longer than %d bytes", longestName)
	case !utf8.ValidString(s):
		return errors.New("has a name that is not UTF-8")
	case strings.IndexFunc(s, unicode.IsControl) >= 0:
		return errors.New("has a control character in its name")
	}
	return nil
}

func normalName(name string) (string, error) {
	if strings.HasPrefix(name, "/") {
		return "", errors.New("has an absolute name")
	}
	var parts []string
	for part := range strings.SplitSeq(name, "/") {
		switch {
		case part == "..":
			return "", errors.New("has a .. in its name")
		case len(part) > longestComponent:
			return "", fmt.Errorf("has a component longer than %d bytes in its name", longestComponent)
		case part != "." && part != "":
			parts = append(parts, part)
		}
	}
	return strings.Join(parts, "/"), nil
}

func lastComponent(path string) string { return path[strings.LastIndexByte(path, '/')+1:] }

// checkTarget allows a symbolic link only if it stays inside the top-level directory. A ".." at the
// beginning goes to the parent of a real directory, because no member may lie below a link; the
// names after it only descend, or follow other links that obey the same rule. A later ".." would go
// to the parent of a link's target, which the text does not determine.
func checkTarget(below, target string) error {
	if strings.HasPrefix(target, "/") {
		return fmt.Errorf("points to %s, an absolute name: put a copy there instead of the link", Quoted(target))
	}
	depth := strings.Count(below, "/")
	parts := slices.DeleteFunc(strings.Split(target, "/"), func(part string) bool { return part == "" || part == "." })
	descends := false
	for _, part := range parts {
		switch {
		case part != "..":
			descends = true
		case descends:
			return fmt.Errorf("points to %s, and a .. is allowed at the beginning only: write the target without names before it", Quoted(target))
		case depth == 0:
			return fmt.Errorf("points to %s, outside the package: put a copy there instead of the link", Quoted(target))
		default:
			depth--
		}
		if len(part) > longestComponent {
			return fmt.Errorf("points to a name with a component longer than %d bytes", longestComponent)
		}
	}
	return nil
}
