package wheel

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/keep-it-simple/kis/internal/sdist"
)

// limits bound the resources that a wheel may use on this machine and on hosts.
type limits struct {
	members  int
	unpacked uint64 // bytes of all members
	metadata uint64 // bytes of each file in .dist-info that kis reads
	editing  uint64 // bytes of all members of an editable wheel, which are held in memory one by one
}

func defaultLimits() limits {
	return limits{members: 100_000, unpacked: 2 << 30, metadata: 1 << 20, editing: 64 << 20}
}

// contents are the validated members of a wheel, in the order in which they are written.
type contents struct {
	name     string // of the wheel's file
	info     string // the .dist-info directory
	members  []*zip.File
	metadata metadata
	unpacked uint64
}

// namePattern is a file name of a wheel. The group is what precedes build number and tags.
var namePattern = regexp.MustCompile(`^([A-Za-z0-9_.]+-[A-Za-z0-9_.!+]+)(?:-[0-9][A-Za-z0-9_.]*)?(?:-[A-Za-z0-9_.]+){3}\.whl$`)

// longestName leaves room for suffixes in a file name of at most 255 bytes.
const longestName = 230

func newContents(name string, files []*zip.File, lim limits) (*contents, error) {
	parts := namePattern.FindStringSubmatch(name)
	if parts == nil || len(name) > longestName {
		return nil, errors.New("the file has no name of a wheel (NAME-VERSION-PYTHON-ABI-PLATFORM.whl)")
	}
	c := &contents{name: name}
	if err := c.collect(files, lim); err != nil {
		return nil, err
	}
	if err := c.findInfo(); err != nil {
		return nil, err
	}
	if fold(strings.TrimSuffix(c.info, ".dist-info")) != fold(parts[1]) {
		return nil, fmt.Errorf("%s is not the metadata of a wheel with that name", sdist.Quoted(c.info))
	}
	if err := c.readInfo(lim); err != nil {
		return nil, err
	}
	slices.SortFunc(c.members, func(a, b *zip.File) int { return c.compare(a.Name, b.Name) })
	return c, nil
}

// collect validates the members. Directories are implied by the files in them.
func (c *contents) collect(files []*zip.File, lim limits) error {
	if len(files) > lim.members {
		return fmt.Errorf("has more than %d members", lim.members)
	}
	seen := map[string]bool{}
	for _, f := range files {
		if err := checkMember(f); err != nil {
			return fmt.Errorf("%s: %w", sdist.Quoted(f.Name), err)
		}
		if c.unpacked += f.UncompressedSize64; c.unpacked > lim.unpacked || f.UncompressedSize64 > lim.unpacked {
			return fmt.Errorf("unpacks to more than %d MiB", lim.unpacked>>20)
		}
		if strings.HasSuffix(f.Name, "/") {
			continue
		}
		if seen[f.Name] {
			return fmt.Errorf("%s: is in the wheel twice", sdist.Quoted(f.Name))
		}
		seen[f.Name] = true
		c.members = append(c.members, f)
	}
	for name := range seen {
		for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
			if seen[dir] {
				return fmt.Errorf("%s: lies below %s, which is a file", sdist.Quoted(name), sdist.Quoted(dir))
			}
		}
	}
	return nil
}

const encrypted = 1 // a flag of a member

func checkMember(f *zip.File) error {
	name := strings.TrimSuffix(f.Name, "/")
	switch {
	case !utf8.ValidString(f.Name), f.NonUTF8 && strings.ContainsFunc(f.Name, func(r rune) bool { return r >= utf8.RuneSelf }):
		return errors.New("the name is not UTF-8")
	case !fs.ValidPath(name), name == ".", strings.Contains(name, `\`):
		return errors.New("the path is not one inside the wheel")
	case strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == 0x7f }):
		return errors.New("the name has a control character")
	case f.Flags&encrypted != 0:
		return errors.New("is encrypted")
	case f.Mode()&fs.ModeType != 0 && f.Mode()&fs.ModeType != fs.ModeDir:
		return errors.New("is not a regular file")
	}
	return nil
}

// findInfo finds the only .dist-info directory.
func (c *contents) findInfo() error {
	for _, f := range c.members {
		top, _, nested := strings.Cut(f.Name, "/")
		switch {
		case !nested || !strings.HasSuffix(top, ".dist-info") || top == c.info:
		case c.info != "":
			return errors.New("has more than one .dist-info directory")
		default:
			c.info = top
		}
	}
	if c.info == "" {
		return errors.New("has no .dist-info directory")
	}
	return nil
}

// readInfo reads METADATA and WHEEL, and requires that the wheel is pure. RECORD, a line for each of thousands of
// files, is written anew.
func (c *contents) readInfo(lim limits) error {
	if _, err := c.infoMember("RECORD"); err != nil {
		return err
	}
	text, err := c.infoFile("METADATA", lim)
	if err != nil {
		return err
	}
	if c.metadata, err = parseMetadata(text); err != nil {
		return fmt.Errorf("METADATA: %w", err)
	}
	if text, err = c.infoFile("WHEEL", lim); err != nil {
		return err
	}
	if err := requirePure(text); err != nil {
		return fmt.Errorf("WHEEL: %w", err)
	}
	if !strings.HasSuffix(c.name, pureTag+".whl") {
		return fmt.Errorf("%w: its file name says so", ErrNotPure)
	}
	for _, f := range c.members {
		top, below, _ := strings.Cut(f.Name, "/")
		switch {
		case strings.HasSuffix(top, ".data") && strings.HasPrefix(below, "platlib/"):
			return fmt.Errorf("%w: %s", ErrNotPure, sdist.Quoted(f.Name))
		case f.Name == c.info+"/RECORD.jws", f.Name == c.info+"/RECORD.p7s":
			return fmt.Errorf("%w: it is signed (%s)", ErrNotPure, sdist.Quoted(f.Name))
		}
	}
	return nil
}

// infoMember is a file in .dist-info, which every wheel has.
func (c *contents) infoMember(base string) (*zip.File, error) {
	name := c.info + "/" + base
	i := slices.IndexFunc(c.members, func(f *zip.File) bool { return f.Name == name })
	if i < 0 {
		return nil, fmt.Errorf("%s is missing", sdist.Quoted(name))
	}
	return c.members[i], nil
}

func (c *contents) infoFile(base string, lim limits) ([]byte, error) {
	member, err := c.infoMember(base)
	if err != nil {
		return nil, err
	}
	if member.UncompressedSize64 > lim.metadata {
		return nil, fmt.Errorf("%s is larger than %d MiB", sdist.Quoted(member.Name), lim.metadata>>20)
	}
	data, err := readAll(member)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", sdist.Quoted(member.Name), err)
	}
	return data, nil
}

// readAll reads a member. The zip reader fails if it is larger than it says, or damaged.
func readAll(f *zip.File) ([]byte, error) {
	in, err := f.Open()
	if err != nil {
		return nil, err
	}
	defer in.Close() //nolint:errcheck // it was only read
	return io.ReadAll(in)
}

// compare puts the .dist-info directory at the end, as the format recommends.
func (c *contents) compare(a, b string) int {
	inA, inB := strings.HasPrefix(a, c.info+"/"), strings.HasPrefix(b, c.info+"/")
	switch {
	case inA == inB:
		return strings.Compare(a, b)
	case inA:
		return 1
	}
	return -1
}

// change edits a member; nil keeps all.
type change func(data []byte) ([]byte, error)

// write writes the wheel with a new RECORD. The bytes depend on names, contents and the executable
// bit alone.
func (c *contents) write(to io.Writer, edit change) error {
	out := zip.NewWriter(to)
	var record bytes.Buffer
	lines := csv.NewWriter(&record)
	for _, f := range c.members {
		if f.Name == c.info+"/RECORD" {
			continue
		}
		line, err := copyMember(out, f, edit)
		if err == nil {
			err = lines.Write(line)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", sdist.Quoted(f.Name), err)
		}
	}
	if err := lines.Write([]string{c.info + "/RECORD", "", ""}); err != nil {
		return err
	}
	lines.Flush()
	_, err := add(out, c.info+"/RECORD", 0, &record)
	if err := errors.Join(lines.Error(), err); err != nil {
		return err
	}
	return out.Close()
}

// copyMember writes a member and returns its line of RECORD.
func copyMember(out *zip.Writer, f *zip.File, edit change) ([]string, error) {
	in, err := f.Open()
	if err != nil {
		return nil, err
	}
	defer in.Close() //nolint:errcheck // it was only read
	var from io.Reader = in
	if edit != nil {
		data, err := io.ReadAll(in)
		if err == nil {
			data, err = edit(data)
		}
		if err != nil {
			return nil, err
		}
		from = bytes.NewReader(data)
	}
	sum := sha256.New()
	size, err := add(out, f.Name, f.Mode(), io.TeeReader(from, sum))
	if err != nil {
		return nil, err
	}
	return []string{f.Name, "sha256=" + base64.RawURLEncoding.EncodeToString(sum.Sum(nil)), strconv.FormatInt(size, 10)}, nil
}

// add writes a member, and returns its size.
func add(out *zip.Writer, name string, mode fs.FileMode, from io.Reader) (int64, error) {
	header := &zip.FileHeader{Name: name, Method: zip.Deflate, Modified: time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC)}
	if mode&0o111 != 0 {
		header.SetMode(0o755)
	} else {
		header.SetMode(0o644)
	}
	member, err := out.CreateHeader(header)
	if err != nil {
		return 0, err
	}
	return io.Copy(member, from)
}
